package bench_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/apps/bench"
	"github.com/nonstick-io/nonstick/internal/pushtest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// What the sender of each event gets, and a second client in the room "a".
func TestBench(t *testing.T) {
	for _, c := range []struct {
		name       string
		frames     []string
		own, other []string
	}{
		{"echo", []string{`421["echo",1,{"a":"b"}]`}, []string{`431[1,{"a":"b"}]`}, nil},
		{"echo of nothing", []string{`421["echo"]`}, []string{"431[]"}, nil},
		{"join", []string{`421["join","b"]`}, []string{`431["ok"]`}, nil},
		{"join without a room", []string{`421["join"]`}, []string{`431[{"message":"Invalid room name"}]`}, nil},
		{"leave", []string{`421["leave","b"]`}, []string{`431["ok"]`}, nil},
		{
			"broadcast to all",
			[]string{`421["broadcast",{"n":1}]`},
			[]string{`42["broadcast",{"n":1}]`, "431[true]"},
			[]string{`42["broadcast",{"n":1}]`},
		},
		{
			"broadcast to a null room",
			[]string{`421["broadcast",{"room":null}]`},
			[]string{`42["broadcast",{"room":null}]`, "431[true]"},
			[]string{`42["broadcast",{"room":null}]`},
		},
		{
			"broadcast to a room",
			[]string{`421["broadcast",{"room":"a"}]`},
			[]string{"431[true]"},
			[]string{`42["broadcast",{"room":"a"}]`},
		},
		{
			"broadcast to the own room",
			[]string{`42["join","b"]`, `421["broadcast",{"room":"b"}]`},
			[]string{`42["broadcast",{"room":"b"}]`, "431[true]"},
			nil,
		},
		{
			"broadcast with an attachment",
			[]string{`451-1["broadcast",{"room":"a","x":{"_placeholder":true,"num":0}}]`, "bAA=="},
			[]string{"431[true]"},
			[]string{`451-["broadcast",{"room":"a","x":{"_placeholder":true,"num":0}}]`, "bAA=="},
		},
		{
			"broadcast of no object",
			[]string{`421["broadcast",[1]]`},
			[]string{`431[{"message":"broadcast wants an object"}]`},
			nil,
		},
		{"to self", []string{`42["to-self",3]`}, []string{`42["self",0]`, `42["self",1]`, `42["self",2]`}, nil},
		{"to self, none", []string{`42["to-self",0]`, `42["to-self",-1]`}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pusher := pushtest.New()
			srv := nonstick.New(
				nonstick.Config{
					Logger: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}), Pusher: pusher,
				},
			)
			bench.Register(srv)
			own, other := join(t, srv, pusher, "own"), join(t, srv, pusher, "other")
			send(t, srv, pusher, other, `42["join","a"]`)
			var got []string
			for _, f := range c.frames {
				got = append(got, send(t, srv, pusher, own, f)...)
			}
			expect(t, "sender", got, c.own)
			expect(t, "other", pusher.Take(other), c.other)
		})
	}
}

func TestToSelfIsBounded(t *testing.T) {
	pusher := pushtest.New()
	srv := nonstick.New(
		nonstick.Config{Logger: slog.New(slog.DiscardHandler), Store: memstore.New(memstore.Options{}), Pusher: pusher},
	)
	bench.Register(srv)
	if got := send(
		t, srv, pusher, join(t, srv, pusher, "own"), `42["to-self",1000000000]`,
	); len(got) != 10_000 ||
		got[9999] != `42["self",9999]` {
		t.Errorf("%d events", len(got))
	}
}

func join(t *testing.T, srv *nonstick.Server, pusher *pushtest.Pusher, name string) sessionstore.Connection {
	t.Helper()
	conn := sessionstore.Connection{ID: name, Endpoint: "http://127.0.0.1"}
	step, err := srv.Engine().Connect(t.Context(), conn, sessionstore.Handshake{})
	if err == nil {
		err = srv.Engine().Run(t.Context(), step)
	}
	if err != nil {
		t.Fatal(err)
	}
	send(t, srv, pusher, conn, "40")
	return conn
}

// send sends a frame and returns what comes back, in order.
func send(
	t *testing.T, srv *nonstick.Server, pusher *pushtest.Pusher, conn sessionstore.Connection, frame string,
) []string {
	t.Helper()
	reply, err := srv.Engine().Message(t.Context(), conn, frame)
	if err != nil {
		t.Fatal(err)
	}
	got := pusher.Take(conn)
	if reply != "" {
		got = append(got, reply)
	}
	return got
}

func expect(t *testing.T, who string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s got  %q\nwant %q", who, got, want)
	}
}
