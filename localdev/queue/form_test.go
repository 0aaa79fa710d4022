package queue

import (
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

const sendForm = "Action=SendMessage&Version=2012-11-05&MessageGroupId=g&MessageDeduplicationId=d&MessageBody=.a%26b" +
	"&MessageAttribute.1.Name=connection&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=x%3D"

func TestSendForm(t *testing.T) {
	qs, err := New(Config{Base: "http://local", Region: "local", Queues: []Spec{{Name: "q.fifo", FIFO: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := qs.SendForm("q.fifo", sendForm); err != nil {
		t.Fatal(err)
	}
	got := qs.all[0].Receive(t.Context(), 10, nil, 0)
	if len(got) != 1 || got[0].Body != ".a&b" || got[0].Group != "g" || got[0].Dedup != "d" ||
		got[0].Attributes["connection"].String != "x=" {
		t.Errorf("received %+v", got)
	}
	for name, change := range map[string]func(url.Values){
		"another action":     func(v url.Values) { v.Set("Action", "DeleteMessage") },
		"no version":         func(v url.Values) { v.Del("Version") },
		"no body":            func(v url.Values) { v.Del("MessageBody") },
		"no group":           func(v url.Values) { v.Del("MessageGroupId") },
		"an empty attribute": func(v url.Values) { v.Del("MessageAttribute.1.Value.StringValue") },
	} {
		v, err := url.ParseQuery(sendForm)
		if err != nil {
			t.Fatal(err)
		}
		change(v)
		if _, err := qs.SendForm("q.fifo", v.Encode()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := qs.SendForm("q.fifo", "%"); !errors.Is(err, ErrInvalid) {
		t.Errorf("no form: %v", err)
	}
	if _, err := qs.SendForm("other", sendForm); !errors.Is(err, ErrNotFound) {
		t.Errorf("no queue: %v", err)
	}
}

// Deduplication ids count within the queue, or within a group if that is its scope; for five minutes.
func TestDeduplicationScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := Message{Body: "a", Group: "1", Dedup: "d"}
		other := Message{Body: "b", Group: "2", Dedup: "d"}
		q := make1(t, Spec{Name: "q.fifo", FIFO: true})
		send(t, q, all)
		send(t, q, other)
		want(t, bodies(q, 10), "a")
		g := make1(t, Spec{Name: "q.fifo", FIFO: true, GroupDedup: true})
		send(t, g, all)
		send(t, g, other)
		send(t, g, other)
		want(t, bodies(g, 10), "a", "b")
		time.Sleep(dedupTime + time.Second)
		if err := g.Purge(); err != nil {
			t.Fatal(err)
		}
		send(t, g, other)
		want(t, bodies(g, 10), "b")
	})
}

// A message that takes long holds up those behind it of its group, and no others.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := []time.Duration{time.Second, 0, 0}
		q := make1(t, Spec{Name: "q.fifo", FIFO: true, Visibility: time.Minute, Latency: func() time.Duration {
			d := times[0]
			times = times[1:]
			return d
		}})
		for i, group := range []string{"slow", "slow", "quick"} {
			send(t, q, Message{Body: group, Group: group, Dedup: string(rune('a' + i))})
		}
		want(t, bodies(q, 10), "quick")
		time.Sleep(time.Second)
		want(t, bodies(q, 10), "slow", "slow")
	})
}
