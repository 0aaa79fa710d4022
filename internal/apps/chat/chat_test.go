package chat_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// room is a server with the chat, and the people on it.
type room struct {
	t      *testing.T
	server *nonstick.Server
	pusher *pushtest.Pusher
	n      int
}

// person is a user of the chat on a WebSocket.
type person struct {
	room *room
	conn sessionstore.Connection
	id   string
	got  []string
}

func newRoom(t *testing.T) *room {
	r := &room{t: t, pusher: pushtest.New()}
	r.server = nonstick.New(
		nonstick.Config{
			Logger: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}), Pusher: r.pusher,
		},
	)
	chat.Register(r.server)
	return r
}

// enter connects a person with this auth and returns what the chat answers.
func (r *room) enter(auth string) (*person, []string) {
	r.t.Helper()
	r.n++
	p := &person{room: r, conn: sessionstore.Connection{ID: fmt.Sprint("c", r.n), Endpoint: "http://127.0.0.1"}}
	step, err := r.server.Engine().Connect(r.t.Context(), p.conn, sessionstore.Handshake{})
	if err == nil {
		err = r.server.Engine().Run(r.t.Context(), step)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.pusher.Take(p.conn)
	p.send("40" + auth)
	return p, p.take()
}

// as connects a person with a name.
func (r *room) as(name string) *person {
	r.t.Helper()
	p, got := r.enter(`{"name":"` + name + `"}`)
	if len(got) != 2 || !strings.HasPrefix(got[0], `40{"sid":"`) {
		r.t.Fatalf("%s got %q", name, got)
	}
	p.id = strings.TrimSuffix(strings.TrimPrefix(got[0], `40{"sid":"`), `"}`)
	if want := `42["welcome",{"id":"` + p.id + `","name":"` + name +
		`","rooms":["lobby","help","random"]}]`; got[1] != want {
		r.t.Errorf("welcome %s, want %s", got[1], want)
	}
	return p
}

func (p *person) send(frame string) {
	p.room.t.Helper()
	reply, err := p.room.server.Engine().Message(p.room.t.Context(), p.conn, frame)
	if err != nil {
		p.room.t.Fatal(err)
	}
	p.got = append(p.got, p.room.pusher.Take(p.conn)...)
	if reply != "" {
		p.got = append(p.got, reply)
	}
}

// ask emits an event with an acknowledgement and returns that; what else came stays for take.
func (p *person) ask(event string, arg any) string {
	p.room.t.Helper()
	b, err := json.Marshal([]any{event, arg})
	if err != nil {
		p.room.t.Fatal(err)
	}
	p.got = nil
	p.send("421" + string(b))
	for i, f := range p.got {
		if answer, ok := strings.CutPrefix(f, "431["); ok {
			p.got = append(p.got[:i:i], p.got[i+1:]...)
			return strings.TrimSuffix(answer, "]")
		}
	}
	p.room.t.Fatalf("%s was not acknowledged: %q", event, p.got)
	return ""
}

func (p *person) take() []string {
	got := append(p.got, p.room.pusher.Take(p.conn)...)
	p.got = nil
	return got
}

func (p *person) expect(want ...string) {
	p.room.t.Helper()
	if got := p.take(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		p.room.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, auth, want string }{
		{"none", "", "the name is empty"},
		{"blank", `{"name":"  "}`, "the name is empty"},
		{
			"too long", `{"name":"` + strings.Repeat("ä", 33) + `"}`,
			"the name is too long: it has 33 characters, 32 are the limit",
		},
		{"nothing to see", `{"name":"\u200b\u2060"}`, "the name is empty"},
		{"two lines", `{"name":"a\nb"}`, "the name has characters that cannot be shown in one line"},
		{"another direction", `{"name":"a\u202eb"}`, "the name has characters that cannot be shown in one line"},
		{"no text", `{"name":7}`, "your name is not a text"},
		{"at the limit", `{"name":" ` + strings.Repeat("ä", 32) + ` "}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := newRoom(t).enter(c.auth)
			if c.want == "" {
				if len(got) != 2 || !strings.Contains(got[1], `"name":"`+strings.Repeat("ä", 32)+`"`) {
					t.Errorf("got %q", got)
				}
				return
			}
			if want := `44{"message":"` + c.want + `"}`; len(got) != 1 || got[0] != want {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
}

// A conversation, from both sides.
func TestConversation(t *testing.T) {
	r := newRoom(t)
	ann, ben := r.as("Ann"), r.as("Ben")
	if got, want := ann.ask(
		"join", "lobby",
	), `{"room":"lobby","users":[{"id":"`+ann.id+`","name":"Ann"}]}`; got != want {
		t.Errorf("Ann joined: %s, want %s", got, want)
	}
	if got := ben.ask("join", " lobby "); !strings.Contains(got, ann.id) || !strings.Contains(got, ben.id) {
		t.Errorf("Ben joined: %s", got)
	}
	ann.expect(`42["joined",{"room":"lobby","id":"` + ben.id + `","name":"Ben"}]`)

	var said struct {
		ID string
		At int64
	}
	if got := ann.ask(
		"message", map[string]string{"room": "lobby", "text": " hi <b>all</b> "},
	); json.Unmarshal([]byte(got), &said) != nil || said.ID == "" ||
		said.At == 0 {
		t.Errorf("acknowledged %s", got)
	}
	line := fmt.Sprintf(
		`42["message",{"room":"lobby","id":"%s","from":"%s","name":"Ann","text":"hi \u003cb\u003eall\u003c/b\u003e","at":%d}]`,
		said.ID, ann.id, said.At,
	)
	ann.expect(line)
	ben.expect(line)

	ben.send(`42["typing",{"room":"lobby","on":true}]`)
	ann.expect(`42["typing",{"room":"lobby","id":"` + ben.id + `","name":"Ben","on":true}]`)
	ben.expect()

	if got := ben.ask("rename", "Bob"); got != `{"name":"Bob"}` {
		t.Errorf("renamed: %s", got)
	}
	ann.expect(`42["renamed",{"id":"` + ben.id + `","name":"Bob"}]`)

	if got := ben.ask("leave", "lobby"); got != `{"room":"lobby"}` {
		t.Errorf("left: %s", got)
	}
	ann.expect(`42["left",{"room":"lobby","id":"` + ben.id + `","name":"Bob"}]`)

	ben.ask("join", "lobby")
	ann.take()
	if err := r.server.Engine().Disconnect(t.Context(), ben.conn); err != nil {
		t.Error(err)
	}
	ann.expect(`42["gone",{"id":"` + ben.id + `","name":"Bob"}]`)
}

func TestRefused(t *testing.T) {
	r := newRoom(t)
	ann, ben := r.as("Ann"), r.as("Ben")
	ben.ask("join", "help")
	ann.ask("join", "lobby")
	for _, c := range []struct {
		name, event string
		arg         any
		want        string
	}{
		{
			"message elsewhere", "message",
			map[string]string{"room": "help", "text": "x"},
			`{"error":"you are not in that room"}`,
		},
		{
			"empty message", "message",
			map[string]string{"room": "lobby", "text": " "},
			`{"error":"the message is empty"}`,
		},
		{
			"long message", "message",
			map[string]string{"room": "lobby", "text": strings.Repeat("ü", 2001)},
			`{"error":"the message is too long: it has 2001 characters, 2000 are the limit"}`,
		},
		{"no message", "message", "x", `{"message":"Invalid arguments"}`},
		{"room without a name", "join", "", `{"error":"the room's name is empty"}`},
		{
			"long room", "join", strings.Repeat("x", 33),
			`{"error":"the room's name is too long: it has 33 characters, 32 are the limit"}`,
		},
		{
			"room in two lines", "join", "a\u2028b",
			`{"error":"the room's name has characters that cannot be shown in one line"}`,
		},
		{"leaving elsewhere", "leave", "help", `{"room":"help"}`},
		{"empty name", "rename", " ", `{"error":"the name is empty"}`},
		{
			"long name", "rename", strings.Repeat("x", 33),
			`{"error":"the name is too long: it has 33 characters, 32 are the limit"}`,
		},
		{"typing elsewhere", "typing", map[string]any{"room": "help", "on": true}, ""},
	} {
		if got := ann.ask(c.event, c.arg); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		ben.expect()
	}
}

// A person who shares several rooms is told once, and no person joins more rooms than allowed.
func TestManyRooms(t *testing.T) {
	r := newRoom(t)
	ann, ben := r.as("Ann"), r.as("Ben")
	for i := range 50 {
		room := fmt.Sprint("room ", i)
		ben.ask("join", room)
		if got := ann.ask("join", room); !strings.Contains(got, ben.id) {
			t.Errorf("%s: %s", room, got)
		}
	}
	for _, c := range []struct{ room, want string }{
		{"one more", `{"error":"you are in 50 rooms, which is the limit: leave one first"}`},
		{"room 7", `{"room":"room 7",`},
	} {
		if got := ann.ask("join", c.room); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.room, got, c.want)
		}
	}
	ann.take()
	ben.ask("rename", "Bob")
	ann.expect(`42["renamed",{"id":"` + ben.id + `","name":"Bob"}]`)
	if err := r.server.Engine().Disconnect(t.Context(), ben.conn); err != nil {
		t.Error(err)
	}
	ann.expect(`42["gone",{"id":"` + ben.id + `","name":"Bob"}]`)
}

// The limits are the server's: the page's own files have no number that says what a person may type.
func TestPageHasNoLimitsOfItsOwn(t *testing.T) {
	files, err := filepath.Glob("page/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), "maxlength") {
			t.Errorf("%s limits what may be typed", name)
		}
	}
}

func TestPage(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		status             int
		holds              string
	}{
		{"the page", "GET", "/", 200, "<!doctype html>"},
		{
			"the limits", "GET", "/limits.js", 200,
			`export const limits = {"name":32,"room":32,"text":2000,"rooms":50,"people":200};`,
		},
		{"a way out", "GET", "/..%2f..%2fetc%2fpasswd", 404, ""},
		{"nothing", "GET", "/none", 404, ""},
		{"another method", "POST", "/", 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			chat.Page().ServeHTTP(w, httptest.NewRequest(c.method, c.path, http.NoBody))
			if w.Code != c.status || !strings.Contains(strings.ToLower(w.Body.String()), c.holds) {
				t.Errorf("%d %.80q, want %d with %q", w.Code, w.Body, c.status, c.holds)
			}
			if c.path == "/" && c.status == 200 {
				for header, want := range map[string]string{
					"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff",
					"Content-Type": "text/html",
				} {
					if got := w.Header().Get(header); !strings.HasPrefix(got, want) {
						t.Errorf("%s: %q", header, got)
					}
				}
			}
		})
	}
}
