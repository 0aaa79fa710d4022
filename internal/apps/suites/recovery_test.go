package suites_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/internal/apps/suites"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// calls counts what the store is asked.
func calls(meter *sessionstore.Meter) map[sessionstore.Op]sessionstore.Usage {
	all := map[sessionstore.Op]sessionstore.Usage{}
	meter.Each(func(op sessionstore.Op, u sessionstore.Usage) { all[op] = u })
	return all
}

// With recovery off a client that offers to be recovered costs what one does that offers nothing: no call of the store
// is made for it, and none of those for recovery at all. With recovery on there are some.
func TestNoRecovery(t *testing.T) {
	join := func(recovery time.Duration, auth string) (answer string, spent map[sessionstore.Op]sessionstore.Usage) {
		c := config()
		var meter sessionstore.Meter
		c.Store = memstore.New(memstore.Options{Meter: &meter})
		srv := nonstick.New(c)
		srv.ConnectionStateRecovery(nonstick.ConnectionStateRecovery{MaxDisconnectionDuration: recovery})
		suites.Register(srv)
		k := open(t, srv.Engine())
		before := calls(&meter)
		k.post("40/recovery," + auth)
		answer = k.poll()
		spent = calls(&meter)
		for op, u := range spent {
			spent[op] = u.Sub(before[op])
		}
		return answer, spent
	}
	const offers = `{"pid":"someone","offset":"1.x"}`
	answer, plain := join(0, `{"none":"someone","other":"1.x"}`)
	if strings.Contains(answer, "pid") {
		t.Errorf("with recovery off CONNECT is answered with %s", answer)
	}
	answer, offered := join(0, offers)
	if strings.Contains(answer, "pid") {
		t.Errorf("with recovery off an offer is answered with %s", answer)
	}
	for op, u := range offered {
		if u != plain[op] {
			t.Errorf("%s: %+v with an offer, %+v without", op, u, plain[op])
		}
	}
	for _, op := range []sessionstore.Op{
		sessionstore.OpLink, sessionstore.OpRecover, sessionstore.OpLose, sessionstore.OpSwitch, sessionstore.OpSent,
	} {
		if n := offered[op].Calls; n != 0 {
			t.Errorf("with recovery off there are %d calls of %s", n, op)
		}
	}
	answer, on := join(2*time.Minute, offers)
	if !strings.Contains(answer, `"pid"`) || on[sessionstore.OpLink].Calls == 0 {
		t.Errorf("with recovery on: %s, %+v", answer, on[sessionstore.OpLink])
	}
}

// What the events of /recovery do, where nothing is lost.
func TestRecoveryEvents(t *testing.T) {
	for _, c := range []struct {
		name     string
		register func(*nonstick.Server)
		offsets  bool
	}{{"off", suites.Register, false}, {"checked", suites.RegisterChecked, true}} {
		t.Run(c.name, func(t *testing.T) {
			srv := nonstick.New(config())
			c.register(srv)
			k := open(t, srv.Engine())
			k.post(`40/recovery,{"rooms":["b","a"],"foo":{"bar":1}}`)
			var told struct{ SID, PID string }
			answer := strings.TrimPrefix(k.poll(), "40/recovery,")
			if err := json.Unmarshal([]byte(answer), &told); err != nil || (told.PID != "") != c.offsets {
				t.Fatalf("%s: %v", answer, err)
			}
			for _, step := range []struct{ post, want string }{
				{
					`42/recovery,1["state"]`,
					`43/recovery,1[{"id":"SID","recovered":false,"rooms":["a","b"],"checked":1,"foo":{"bar":1}}]`,
				},
				{`42/recovery,2["lost","any"]`, `43/recovery,2[true]`},
				{
					`42/recovery,3["cast",{"room":null},["one",1,"x"]]`,
					`42/recovery,["one",1,"x"]` + "\x1e" + `43/recovery,3[true]`,
				},
				{`42/recovery,4["cast",{"room":"a"},["two"]]`, `42/recovery,["two"]` + "\x1e" + `43/recovery,4[true]`},
				{`42/recovery,5["cast",{"room":"none"},["two"]]`, `43/recovery,5[true]`},
				// A volatile event is dropped while no GET is there to take it.
				{`42/recovery,6["cast",{"room":"SID","volatile":true},["three"]]`, `43/recovery,6[true]`},
				{
					`42/recovery,8["cast",{"room":"SID"},["three"]]`,
					`42/recovery,["three"]` + "\x1e" + `43/recovery,8[true]`,
				},
				{`42/recovery,7["cast",{"room":"a"},[]]`, `43/recovery,7[{"message":"an event begins with its name"}]`},
				{`42/recovery,["back","four",4]`, `42/recovery,["four",4]`},
			} {
				k.post(strings.ReplaceAll(step.post, "SID", told.SID))
				got := strings.ReplaceAll(k.poll(), told.SID, "SID")
				if c.offsets {
					got = offset.ReplaceAllString(got, "")
				}
				if got != step.want {
					t.Errorf("%s: got %q, want %q", step.post, got, step.want)
				}
			}
		})
	}
}
