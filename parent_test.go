package nonstick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var tenant = regexp.MustCompile(`^/tenant-\d+$`)

// joinIn joins a namespace and returns the answer to CONNECT, with SID for the socket's id.
func (c *peer) joinIn(nsp, auth string) string {
	c.w.t.Helper()
	c.send("40" + nsp + "," + auth)
	got := strings.Join(c.take(), " ")
	session := c.state()
	if k, ok := session.Socket(sessionstore.Namespace(nsp)); ok {
		got = strings.ReplaceAll(got, string(k.ID), "SID")
	}
	return got
}

// whose is an application with namespaces of all kinds, whose event "whose" tells which of them has a socket.
func whose(s *nonstick.Server) {
	answer := func(n *nonstick.Namespace, kind string) {
		nonstick.OnAck(n, "whose", func(_ context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
			return kind + " " + s.Namespace().Name(), nil
		})
	}
	answer(s.OfPattern("tenants", tenant), "tenants")
	answer(s.OfPattern("sevens", regexp.MustCompile(`^/tenant-7`)), "sevens")
	answer(s.OfFunc("guests", func(_ context.Context, r nonstick.NamespaceRequest) (bool, error) {
		return string(r.Auth) == `{"as":"guest"}`, nil
	}), "guests")
	answer(s.OfFunc("members", func(_ context.Context, r nonstick.NamespaceRequest) (bool, error) {
		switch r.Name {
		case "/told":
			return true, &nonstick.Error{Message: "not you", Data: 7}
		case "/fails":
			return true, errors.New("secret")
		case "/panics":
			panic("secret")
		}
		return strings.HasPrefix(r.Name, "/club/") && string(r.Auth) == `{"as":"member"}`, nil
	}), "members")
	answer(s.Of("/tenant-1"), "static")
}

// Static namespaces win over parents, parents in the order of their registration; what none of them has is invalid. The
// next event may come to an instance that has seen neither the namespace nor the socket.
func TestParents(t *testing.T) {
	const invalid = `{"message":"Invalid namespace"}`
	for _, c := range []struct{ name, nsp, auth, want string }{
		{"static", "/tenant-1", "", "static"},
		{"pattern", "/tenant-2", "", "tenants"},
		{"the first pattern that matches", "/tenant-7", "", "tenants"},
		{"the second pattern", "/tenant-7b", "", "sevens"},
		{"no anchor is added to a pattern", "/tenant-77/x", "", "sevens"},
		{"nothing matches", "/tenant-x", "", invalid},
		{"case matters", "/Tenant-2", "", invalid},
		{"a function by its auth", "/anything", `{"as":"guest"}`, "guests"},
		{"the second function", "/club/7", `{"as":"member"}`, "members"},
		{"a pattern before a function", "/tenant-3", `{"as":"guest"}`, "tenants"},
		{"no function lets it in", "/club/7", `{"as":"other"}`, invalid},
		{"without auth", "/club/7", "", invalid},
		{"a function's own words", "/told", "", `{"message":"not you","data":7}`},
		{"a function that fails", "/fails", "", `{"message":"Internal server error"}`},
		{"a function that panics", "/panics", "", `{"message":"Internal server error"}`},
		{
			"the longest name", "/tenant-" + strings.Repeat("7", sessionstore.MaxName-len("/tenant-")), "", "tenants",
		},
		{
			"a name too long", "/tenant-" + strings.Repeat("7", sessionstore.MaxName), "", invalid,
		},
	} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(c.name+"/"+transport, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					p := w.openOn(w.server(whose), transport)
					got := p.joinIn(c.nsp, c.auth)
					if strings.HasPrefix(c.want, "{") {
						if want := "44" + c.nsp + "," + c.want; got != want {
							t.Errorf("got  %.200s\nwant %.200s", got, want)
						}
						p.expectOpen()
						return
					}
					if want := "40" + c.nsp + `,{"sid":"SID"}`; got != want {
						t.Fatalf("got  %.200s\nwant %.200s", got, want)
					}
					p.at = w.server(whose)
					p.send("42" + c.nsp + `,1["whose"]`)
					p.expect("43" + c.nsp + `,1["` + c.want + " " + c.nsp + `"]`)
				})
			})
		}
	}
}

// A socket stays with the parent that let it in, whatever a later one would say, and a later deployment has: also where
// the parent has gone and another takes its name.
func TestParentOfASocket(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.open(w.server(whose))
		p.joinIn("/club/7", `{"as":"guest"}`)
		p.at = w.server(func(s *nonstick.Server) {
			s.OfPattern("everything", regexp.MustCompile(`.`))
			whose(s)
		})
		p.send(`42/club/7,1["whose"]`)
		p.expect(`43/club/7,1["guests /club/7"]`)

		p.at = w.server(func(s *nonstick.Server) {
			n := s.OfPattern("everything", regexp.MustCompile(`.`))
			nonstick.OnAck(n, "whose", func(context.Context, *nonstick.Socket, nonstick.Args) (string, error) {
				return "everything", nil
			})
		})
		p.send(`42/club/7,2["whose"]`)
		p.expect(`43/club/7,2["everything"]`)

		p.at = w.server(func(*nonstick.Server) {})
		p.send(`42/club/7,3["whose"]`)
		p.expectClosed("forced server close")
	})
}

// Handlers and hooks of a parent serve each child; a child has its own rooms and broadcasts.
func TestChildren(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var left []string
		app := func(s *nonstick.Server) {
			n := s.OfPattern("tenants", tenant)
			n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
				if err := s.Emit(ctx, "welcome to", s.Namespace().Name()); err != nil {
					return err
				}
				return s.Join(ctx, "lobby")
			})
			nonstick.On(n, "room", func(ctx context.Context, s *nonstick.Socket, text string) error {
				return s.Namespace().To("lobby").Emit(ctx, "said", text)
			})
			nonstick.On(n, "others", func(ctx context.Context, s *nonstick.Socket, text string) error {
				return s.Broadcast().Emit(ctx, "said", text)
			})
			n.OnDisconnect(func(_ context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
				left = append(left, fmt.Sprint(s.Namespace().Name(), ": ", reason))
				return nil
			})
		}
		a, b, c := w.open(w.server(app)), w.open(w.server(app)), w.openPolling(w.server(app))
		for p, nsp := range map[*peer]string{a: "/tenant-1", b: "/tenant-1", c: "/tenant-2"} {
			want := "40" + nsp + `,{"sid":"SID"} 42` + nsp + `,["welcome to","` + nsp + `"]`
			if got := p.joinIn(nsp, ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		if got := c.joinIn("/tenant-1", ""); !strings.HasPrefix(got, "40/tenant-1,") { // several on one session
			t.Error(got)
		}
		a.send(`42/tenant-1,["room","hi"]`)
		a.expect(`42/tenant-1,["said","hi"]`)
		b.expect(`42/tenant-1,["said","hi"]`)
		c.expect(`42/tenant-1,["said","hi"]`)
		c.send(`42/tenant-2,["room","alone"]`)
		c.expect(`42/tenant-2,["said","alone"]`)
		b.send(`42/tenant-1,["others","ho"]`)
		a.expect(`42/tenant-1,["said","ho"]`)
		b.expect()
		c.expect(`42/tenant-1,["said","ho"]`)

		io := w.server(app)
		child, ok := io.Lookup("/tenant-1")
		if !ok || child.Name() != "/tenant-1" {
			t.Fatalf("Lookup: %v, %v", child, ok)
		}
		if err := child.To("lobby").Emit(t.Context(), "news"); err != nil {
			t.Error(err)
		}
		a.expect(`42/tenant-1,["news"]`)
		b.expect(`42/tenant-1,["news"]`)
		c.expect(`42/tenant-1,["news"]`)
		if found, err := child.Fetch(t.Context(), 9); err != nil || len(found) != 3 {
			t.Errorf("Fetch: %v, %v", found, err)
		}
		if _, ok := io.Lookup("/tenant-x"); ok {
			t.Error("a name that no pattern matches was found")
		}

		c.send("41/tenant-2,")
		b.at = w.server(app)
		if err := b.at.Engine().Disconnect(t.Context(), b.conn); err != nil {
			t.Error(err)
		}
		want := "[/tenant-2: client namespace disconnect /tenant-1: transport close]"
		if got := fmt.Sprint(left); got != want {
			t.Errorf("left %s, want %s", got, want)
		}
	})
}

// A parent is a selection of the sockets in all its children, from an instance that has seen none of them, and from
// another program.
func TestParentSelects(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(ctx context.Context, all, lobby, quiet nonstick.Selection) error
		want map[string]string // by child
	}{
		{"emit", func(ctx context.Context, all, _, _ nonstick.Selection) error {
			return all.Emit(ctx, "news", 1)
		}, map[string]string{"/tenant-1": `["news",1]`, "/tenant-2": `["news",1]`, "/tenant-3": `["news",1]`}},
		{"emit to a room", func(ctx context.Context, _, lobby, _ nonstick.Selection) error {
			return lobby.Emit(ctx, "news", 1)
		}, map[string]string{"/tenant-1": `["news",1]`, "/tenant-2": `["news",1]`}},
		{"emit except a room", func(ctx context.Context, _, _, quiet nonstick.Selection) error {
			return quiet.Emit(ctx, "news", 1)
		}, map[string]string{"/tenant-3": `["news",1]`}},
		{"join", func(ctx context.Context, all, _, _ nonstick.Selection) error {
			return errors.Join(all.Join(ctx, "new"), all.To("new").Emit(ctx, "news", 1))
		}, map[string]string{"/tenant-1": `["news",1]`, "/tenant-2": `["news",1]`, "/tenant-3": `["news",1]`}},
		{"leave", func(ctx context.Context, all, lobby, _ nonstick.Selection) error {
			return errors.Join(all.Leave(ctx, "lobby"), lobby.Emit(ctx, "news", 1))
		}, map[string]string{}},
	} {
		for _, from := range []string{"a server", "an emitter"} {
			t.Run(c.name+" from "+from, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					app := func(s *nonstick.Server) {
						s.OfPattern("tenants", tenant).OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
							if s.Namespace().Name() == "/tenant-3" {
								return nil
							}
							return s.Join(ctx, "lobby")
						})
					}
					peers := map[string]*peer{}
					for _, nsp := range []string{"/tenant-1", "/tenant-2", "/tenant-3"} {
						peers[nsp] = w.open(w.server(app))
						peers[nsp].joinIn(nsp, "")
					}
					static := w.join(w.server(app))
					var all, lobby, quiet nonstick.Selection
					if from == "a server" {
						var n *nonstick.Namespace
						w.server(func(s *nonstick.Server) { n = s.OfPattern("tenants", tenant) })
						all, lobby, quiet = n.To(), n.In("lobby"), n.Except("lobby")
					} else {
						p := emitter.New(w.store, w.pusher, emitter.Options{}).Parent("tenants")
						all, lobby, quiet = p.To(), p.In("lobby"), p.Except("lobby")
					}
					if err := c.do(t.Context(), all, lobby, quiet); err != nil {
						t.Error(err)
					}
					for nsp, p := range peers {
						if want := c.want[nsp]; want == "" {
							p.expect()
						} else {
							p.expect("42" + nsp + "," + want)
						}
					}
					static.expect()
				})
			})
		}
	}
}

func TestParentDisconnects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n *nonstick.Namespace
		s := w.server(func(s *nonstick.Server) { n = s.OfPattern("tenants", tenant) })
		a, b, other := w.open(s), w.open(s), w.join(s)
		a.joinIn("/tenant-1", "")
		b.joinIn("/tenant-2", "")
		if err := n.Disconnect(t.Context(), false); err != nil {
			t.Error(err)
		}
		a.expect("41/tenant-1,")
		b.expect("41/tenant-2,")
		a.expectClosed("server namespace disconnect")
		b.expectClosed("server namespace disconnect")
		other.expectOpen()
	})
}

// What reads sockets is refused by a parent, with an error that says what to do.
func TestParentDoesNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n *nonstick.Namespace
		s := w.server(func(s *nonstick.Server) { n = s.OfPattern("tenants", tenant) })
		p := w.open(s)
		p.joinIn("/tenant-1", "")
		_, fetched := n.Fetch(t.Context(), 5)
		_, fetchedRoom := n.To("a").Fetch(t.Context(), 5)
		_, found := n.Socket(t.Context(), "an id")
		for _, err := range []error{fetched, fetchedRoom, found} {
			if !errors.Is(err, nonstick.ErrParent) {
				t.Errorf("error %v, want ErrParent", err)
			}
		}
		var names []string
		for child, err := range n.Children(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			sockets, err := child.Fetch(t.Context(), 5)
			names = append(names, fmt.Sprintf("%s: %d, %v", child.Name(), len(sockets), err))
		}
		if fmt.Sprint(names) != "[/tenant-1: 1, <nil>]" {
			t.Errorf("children: %v", names)
		}
		for child := range s.Children(t.Context()) {
			t.Errorf("the main namespace has a child %q", child.Name())
		}
	})
}

// A function sees who asks, each time.
func TestParentAsks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var asked []string
		app := func(s *nonstick.Server) {
			s.OfFunc("all", func(ctx context.Context, r nonstick.NamespaceRequest) (bool, error) {
				h, err := r.Handshake(ctx)
				asked = append(asked, fmt.Sprint(r.Name, string(r.Auth), h.Query["who"], err))
				return json.Valid(r.Auth), nil
			})
		}
		a, b := w.open(w.server(app)), w.open(w.server(app))
		a.joinIn("/x", `{"a":1}`)
		if got := b.joinIn("/x", ""); got != `44/x,{"message":"Invalid namespace"}` {
			t.Errorf("a namespace was open because another client is in it: %s", got)
		}
		want := fmt.Sprint([]string{`/x{"a":1}` + a.conn.ID + "<nil>", "/x" + b.conn.ID + "<nil>"})
		if got := fmt.Sprint(asked); got != want {
			t.Errorf("asked %s\nwant  %s", got, want)
		}
	})
}

// The first socket of a child is told to a hook, by one instance, once; again only after it was forgotten.
func TestOnNewNamespace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var created []string
		var n *nonstick.Namespace
		app := func(s *nonstick.Server) {
			n = s.OfPattern("tenants", tenant)
			n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error {
				if in, err := s.Auth(ctx); err != nil || in != nil {
					return &nonstick.Error{Message: "no"}
				}
				return nil
			})
			n.OnNewNamespace(func(_ context.Context, child *nonstick.Namespace) error {
				created = append(created, child.Name())
				return errors.New("only logged")
			})
			n.OnNewNamespace(func(context.Context, *nonstick.Namespace) error { panic("only logged") })
		}
		s := w.server(app)
		want := func(names ...string) {
			t.Helper()
			if !slices.Equal(created, names) {
				t.Errorf("created %v, want %v", created, names)
			}
			created = nil
		}
		w.open(s).joinIn("/tenant-1", "{}") // refused: nothing is made
		want()
		first := w.open(s)
		first.joinIn("/tenant-1", "")
		want("/tenant-1")
		second := w.open(s)
		second.joinIn("/tenant-1", "")
		third := w.open(w.server(app))
		third.joinIn("/tenant-1", "")
		third.joinIn("/tenant-2", "")
		want("/tenant-2")

		for _, p := range []*peer{first, second, third} {
			p.send("41/tenant-1,")
		}
		w.open(s).joinIn("/tenant-1", "") // it is not forgotten yet
		want()
	})
}

// children are the names on the list of a parent.
func (w *world) children(parent string) string {
	w.t.Helper()
	var names []string
	for c, err := range w.store.Children(w.t.Context(), parent) {
		if err != nil {
			w.t.Fatal(err)
		}
		names = append(names, string(c.Name))
	}
	return strings.Join(names, " ")
}

// A child in which a broadcast finds no socket is forgotten, but not while an instance goes by its having listed it.
func TestChildIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n *nonstick.Namespace
		created := 0
		s := w.server(func(s *nonstick.Server) {
			n = s.OfPattern("tenants", tenant)
			n.OnNewNamespace(func(context.Context, *nonstick.Namespace) error { created++; return nil })
		})
		stays, leaves := w.open(s), w.open(s)
		stays.joinIn("/tenant-1", "")
		leaves.joinIn("/tenant-2", "")
		leaves.send("41/tenant-2,")
		emit := func(want string) {
			t.Helper()
			if err := n.Emit(t.Context(), "news"); err != nil {
				t.Error(err)
			}
			if got := w.children("tenants"); got != want {
				t.Errorf("children: %s, want %s", got, want)
			}
		}
		time.Sleep(time.Hour + 4*time.Minute)
		emit("/tenant-1 /tenant-2")
		if err := n.To("nobody").Emit(t.Context(), "news"); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		// An emit to a room does not tell whether there are sockets.
		if err := n.To("nobody").Emit(t.Context(), "news"); err != nil {
			t.Error(err)
		}
		emit("/tenant-1")
		stays.expect(`42/tenant-1,["news"]`, `42/tenant-1,["news"]`)
		leaves.joinIn("/tenant-2", "")
		emit("/tenant-1 /tenant-2")
		leaves.expect(`42/tenant-2,["news"]`)
		if created != 3 {
			t.Errorf("%d children were new, want 3", created)
		}
	})
}

// A socket that joins when this instance listed the child an hour ago lists it anew, so that it is not forgotten.
func TestChildIsListedAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var n *nonstick.Namespace
		s := w.server(func(s *nonstick.Server) { n = s.OfPattern("tenants", tenant) })
		a, b := w.open(s), w.open(s)
		a.joinIn("/tenant-1", "")
		a.send("41/tenant-1,")
		time.Sleep(time.Hour)
		b.joinIn("/tenant-1", "")
		b.send("41/tenant-1,")
		time.Sleep(10 * time.Minute)
		if err := n.Emit(t.Context(), "news"); err != nil {
			t.Error(err)
		}
		if got := w.children("tenants"); got != "/tenant-1" {
			t.Errorf("children: %q", got)
		}
	})
}

// Clients make no more children than there may be; those that are there can be joined all the same.
func TestTooManyChildren(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		few := func(c *nonstick.Config) { c.Options.Limits.Children = 3 }
		app := func(s *nonstick.Server) { s.OfPattern("tenants", tenant) }
		s := w.server(app, few)
		for i := range 6 {
			nsp := fmt.Sprintf("/tenant-%d", i)
			want := "40" + nsp + `,{"sid":"SID"}`
			if i >= 3 {
				want = "44" + nsp + `,{"message":"Too many namespaces"}`
			}
			if i == 5 {
				s = w.server(app, few) // an instance that has counted nothing
			}
			if got := w.open(s).joinIn(nsp, ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		if got := w.open(w.server(app, few)).joinIn("/tenant-0", ""); got != `40/tenant-0,{"sid":"SID"}` {
			t.Error(got)
		}
		if got := w.children("tenants"); got != "/tenant-0 /tenant-1 /tenant-2" {
			t.Errorf("children: %s", got)
		}
		if !strings.Contains(w.log.String(), "too many children") {
			t.Errorf("the log does not say so: %s", w.log)
		}
		time.Sleep(2 * time.Hour)
		var n *nonstick.Namespace
		w.server(func(s *nonstick.Server) { n = s.OfPattern("tenants", tenant) })
		if err := n.Disconnect(t.Context(), true); err != nil {
			t.Error(err)
		}
		if err := n.Emit(t.Context(), "news"); err != nil {
			t.Error(err)
		}
		if got := w.open(s).joinIn("/tenant-9", ""); got != `40/tenant-9,{"sid":"SID"}` {
			t.Errorf("where there is room again: %s", got)
		}
	})
}

// How many namespaces one session may join holds for children too.
func TestTooManyChildrenOfASession(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(
			func(s *nonstick.Server) { s.OfPattern("tenants", tenant) },
			func(c *nonstick.Config) { c.Options.Limits.Sockets = 2 },
		)
		p := w.open(s)
		p.joinIn("/tenant-1", "")
		p.joinIn("/tenant-2", "")
		if got := p.joinIn("/tenant-3", ""); got != `44/tenant-3,{"message":"Too many namespaces"}` {
			t.Error(got)
		}
		if got := w.children("tenants"); got != "/tenant-1 /tenant-2" {
			t.Errorf("children: %s", got)
		}
	})
}

// What is a mistake in the program is a panic at its start.
func TestParentMistakes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		yes := func(context.Context, nonstick.NamespaceRequest) (bool, error) { return true, nil }
		s := w.server(func(s *nonstick.Server) { s.OfPattern("tenants", tenant) })
		for name, mistake := range map[string]func(){
			"no name":              func() { s.OfPattern("", tenant) },
			"a name too long":      func() { s.OfFunc(strings.Repeat("x", nonstick.MaxParentName+1), yes) },
			"a name taken":         func() { s.OfFunc("tenants", yes) },
			"no pattern":           func() { s.OfPattern("x", nil) },
			"no function":          func() { s.OfFunc("x", nil) },
			"hook of no parent":    func() { s.OnNewNamespace(nil) },
			"a handler of a child": func() { c, _ := s.Lookup("/tenant-1"); c.OnConnect(nil) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				mistake()
			}()
		}
		w.open(s)
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, nonstick.ErrServing) {
				t.Errorf("after the first request: %v", err)
			}
		}()
		s.OfPattern("late", tenant)
	})
}
