package suites_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/apps/suites"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

func config() nonstick.Config {
	return nonstick.Config{
		Logger: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}), Pusher: pushtest.New(),
	}
}

// What a POST to a socket of the main namespace makes the next GET carry.
func TestEvents(t *testing.T) {
	const attachment = `{"_placeholder":true,"num":0}`
	const times = `"TIME"`
	for _, c := range []struct {
		name string
		post []string
		want []string
	}{
		{"hi", []string{`42["hi"]`}, []string{`42["hi"]`}},
		{"false", []string{`42["false"]`}, []string{`42["false",false]`}},
		{"echo", []string{`421["echo",{"a":[1]}]`}, []string{`431[{"a":[1]}]`}},
		{"echo null", []string{`421["echo",null]`}, []string{`431[null]`}},
		{"getId", []string{`421["getId"]`}, []string{`431["SID"]`}},
		{"getAckDate", []string{`421["getAckDate",{"test":true}]`}, []string{`431[` + times + `]`}},
		{"getDate", []string{`42["getDate"]`}, []string{`42["takeDate",` + times + `]`}},
		{"getDateObj", []string{`42["getDateObj"]`}, []string{`42["takeDateObj",{"date":` + times + `}]`}},
		{"getHandshake", []string{`421["getHandshake"]`}, []string{`431[{"time":` + times + `,"auth":{"a":"b"}}]`}},
		{"ack", []string{`42["ack"]`, `43N[5,{"test":true}]`}, []string{`42N["ack"]`, `42["got it"]`}},
		{"ack, answered wrongly", []string{`42["ack"]`, `43N[5,{"test":false}]`}, []string{`42N["ack"]`}},
		{"ack is not acknowledged", []string{`421["ack"]`}, []string{`42N["ack"]`}},
		{"doge", []string{`42["doge"]`}, []string{`451-["doge",` + attachment + `]`, "bYXNkZmFzZGY="}},
		{"getbin", []string{`42["getbin"]`}, []string{`451-["takebin",` + attachment + `]`, "bYXNkZmFzZGY="}},
		{"buffa", []string{`451-["buffa",` + attachment + `]`, "bAQID"}, []string{`42["buffack"]`}},
		{"buffa without binary data", []string{`42["buffa","text"]`}, nil},
		{
			"jsonbuff",
			[]string{`451-["jsonbuff",{"hello":"lol","message":` + attachment + `,"goodbye":"gotcha"}]`, "bAQID"},
			[]string{`42["jsonbuff-ack"]`},
		},
		{"jsonbuff without the rest", []string{`451-["jsonbuff",{"message":` + attachment + `}]`, "bAQID"}, nil},
		{
			"abuff1, abuff2",
			[]string{`451-["abuff1",` + attachment + `]`, "bAQID", `42["abuff2","second"]`},
			[]string{`42["abuff2-ack"]`},
		},
		{"abuff2 alone", []string{`42["abuff2","second"]`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := nonstick.New(config())
			suites.Register(srv)
			k := open(t, srv.Engine())
			k.post(`40{"a":"b"}`)
			sid := socketID.FindString(k.poll())
			for _, frame := range c.post {
				if strings.Contains(frame, "N") { // what the server asked has a number of its own
					k.got = append(k.got, k.poll())
					number := regexp.MustCompile(`42(\d+)`).FindStringSubmatch(strings.Join(k.got, ""))[1]
					frame = strings.Replace(frame, "N", number, 1)
				}
				k.post(frame)
			}
			k.post(`429["echo","last"]`)
			k.got = append(k.got, k.poll())
			got := strings.Join(k.got, "\x1e")
			got = strings.Replace(got, sid, `"SID"`, 1)
			got = instant.ReplaceAllString(got, times)
			got = regexp.MustCompile(`42\d+\["ack"`).ReplaceAllString(got, `42N["ack"`)
			if want := strings.Join(append(c.want, `439["last"]`), "\x1e"); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestTexts(t *testing.T) {
	srv := nonstick.New(config())
	suites.Register(srv)
	k := open(t, srv.Engine())
	k.post("40")
	k.poll()
	k.post(`42["getUtf8"]`)
	if got := strings.Count(k.poll(), `42["takeUtf8",`); got != 5 {
		t.Errorf("%d texts, want 5", got)
	}
}

var (
	socketID = regexp.MustCompile(`"[\w-]{20}"`)
	offset   = regexp.MustCompile(`,?"\d+(:\d+)?\.[^"]+"`) // behind the arguments of an event
	instant  = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`)
)

// What the first POST of a session makes the next GET carry; SID stands for a socket's id.
func TestNamespaces(t *testing.T) {
	for post, want := range map[string]string{
		"40/asd,":            `40/asd,{"sid":"SID"}`,
		"40/valid,":          `40/valid,{"sid":"SID"}`,
		"40/timeout_socket,": `40/timeout_socket,{"sid":"SID"}`,
		"40/timeout,":        `44/timeout,{"message":"Invalid namespace"}`,
		"40/no,":             `44/no,{"message":"Auth failed (custom namespace)"}`,
		`40/abc,{"a":"b"}`:   `40/abc,{"sid":"SID"}` + "\x1e" + `42/abc,["handshake",{"time":"TIME","auth":{"a":"b"}}]`,
	} {
		srv := nonstick.New(config())
		suites.Register(srv)
		k := open(t, srv.Engine())
		k.post(post)
		got := instant.ReplaceAllString(k.poll(), `"TIME"`)
		if got = socketID.ReplaceAllString(got, `"SID"`); got != want {
			t.Errorf("%s: got %q, want %q", post, got, want)
		}
	}
}

func TestEngineIO(t *testing.T) {
	e := suites.EngineIO().New(gateway.Config(config())).Engine
	k := open(t, e)
	k.post("4hello")
	if got := k.poll(); got != "4hello" {
		t.Errorf("got %q", got)
	}
	_, err := e.Handshake(t.Context(), sessionstore.Handshake{Query: map[string]string{"deny": "1"}})
	if !errors.Is(err, engineio.ErrForbidden) {
		t.Errorf("a client to be denied: %v", err)
	}
}

// client is a session on polling.
type client struct {
	t   *testing.T
	e   *engine.Engine
	sid sessionstore.SessionID
	got []string
}

func open(t *testing.T, e *engine.Engine) *client {
	t.Helper()
	packet, err := e.Handshake(t.Context(), sessionstore.Handshake{})
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ SID sessionstore.SessionID }
	if err := json.Unmarshal([]byte(packet[1:]), &h); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, e: e, sid: h.SID}
}

func (c *client) post(body string) {
	c.t.Helper()
	if err := c.e.Post(c.t.Context(), c.sid, body); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) poll() string {
	c.t.Helper()
	body, err := c.e.Poll(c.t.Context(), c.sid, "t")
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}
