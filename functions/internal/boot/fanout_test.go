package boot

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/adapter"
)

func TestBroadcasts(t *testing.T) {
	var got call
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer s.Close()
	url := s.URL + "/1/fanout.fifo"
	for _, c := range []struct {
		name, queue, large string
		limit              int
		wrong              string
	}{
		{"none", "", "500", 500, ""},
		{"a queue", url, "20", 20, ""},
		{"no URL", "fanout", "500", 500, "NONSTICK_FANOUT_QUEUE"},
		{"no number", url, "0", 0, "NONSTICK_LARGE_ROOM"},
		{"nothing", url, "", 0, "NONSTICK_LARGE_ROOM"},
		{"too many", url, "1000001", 0, "NONSTICK_LARGE_ROOM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			vars := maps.Clone(complete)
			vars["NONSTICK_FANOUT_QUEUE"], vars["NONSTICK_LARGE_ROOM"] = c.queue, c.large
			p := newParts(NewEnv(vars.lookup), io.Discard)
			f := p.Broadcasts()
			if err := p.Env.Err(); c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("error %v", err)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if f.Large != c.limit || (f.Fanout != nil) != (c.queue != "") {
				t.Errorf("%+v", f)
			}
			if f.Fanout == nil {
				return
			}
			if err := f.Fanout.Send(t.Context(), adapter.FanoutMessage{Group: "g", Key: "k", Body: "b"}); err != nil {
				t.Error(err)
			}
			if want := (call{QueueURL: url, Body: "b", Group: "g", Key: "k"}); got != want {
				t.Errorf("sent %+v", got)
			}
		})
	}
}
