package emulator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// What an account asks for above its rates is refused, in each API's own words. With one a second twenty in a row are
// too many.
func TestAccountRates(t *testing.T) {
	const many = 20
	slow := emulator.AWS()
	slow.Requests = 1
	t.Run("requests", func(t *testing.T) {
		s := start(t, slow, set{http: answering(httpAnswer{StatusCode: 200, Body: "ok"})})
		got := map[int]int{}
		for range many {
			status, _, body := do(t, "GET", "http://"+s.addr+"/socket.io/", "", "")
			got[status]++
			if status == 429 && body != `{"message":"Too Many Requests"}` {
				t.Errorf("body %s", body)
			}
		}
		if got[200] == 0 || got[429] == 0 || got[200]+got[429] != many || s.Stats().Throttled != int64(got[429]) {
			t.Errorf("answers %v, throttled %d", got, s.Stats().Throttled)
		}
	})
	t.Run("frames", func(t *testing.T) {
		s := start(t, slow, set{message: echo})
		c := s.dial(t, "") // takes the request that there is
		for range many {
			c.text("x")
		}
		refused := 0
		for range many {
			op, frame := c.frame()
			switch {
			case op == ws.OpText && strings.HasPrefix(frame, `{"message":"Too Many Requests","connectionId":"`):
				refused++
			case frame != "x":
				t.Errorf("frame %v %s", op, frame)
			}
		}
		if refused == 0 {
			t.Error("no frame was refused")
		}
	})
	t.Run("pushes", func(t *testing.T) {
		s := start(t, slow, set{})
		refused := 0
		for range many {
			req, err := http.NewRequestWithContext(
				t.Context(), http.MethodPost, s.endpoint+"/@connections/AAAAAAAAAAAAAAA=", strings.NewReader("x"),
			)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 test")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode == 429 && res.Header.Get("X-Amzn-Errortype") == "LimitExceededException" {
				refused++
			} else if res.StatusCode != 410 {
				t.Errorf("answer %d", res.StatusCode)
			}
		}
		if refused == 0 {
			t.Error("no push was refused")
		}
	})
	t.Run("connects", func(t *testing.T) {
		l := emulator.AWS()
		l.Connects = 1
		s := start(t, l, set{http: answering(httpAnswer{StatusCode: 200})})
		got := map[int]int{}
		for range many {
			status, _, _ := upgrade(t, s, func(*http.Request) {})
			got[status]++
		}
		if got[101] == 0 || got[429] == 0 || got[101]+got[429] != many {
			t.Errorf("connects %v", got)
		}
		if status, _, _ := do(t, "GET", "http://"+s.addr+"/socket.io/", "", ""); status != 200 {
			t.Errorf("a request is no connect: %d", status)
		}
	})
}
