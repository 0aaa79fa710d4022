package dynamostore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// outboxed makes an outbox with two entries, of which a caller has the hold.
func outboxed(t *testing.T, s sessionstore.Store) sessionstore.Session {
	t.Helper()
	n := outbox(sessionstore.Session{ID: "carrier"}, lease)
	must(t, s.Create(t.Context(), n))
	_, err := s.Enqueue(t.Context(), n.ID, []sessionstore.Packet{packet("4a"), packet("4b")}, wide, lease)
	must(t, err)
	return get(t, s, n.ID)
}

// polled makes one whose carrier is on polling.
func polled(t *testing.T, s sessionstore.Store) sessionstore.Session {
	t.Helper()
	n := outbox(sessionstore.Session{ID: "carrier"}, sessionstore.Lease{Owner: sessionstore.HoldPolling})
	must(t, s.Create(t.Context(), n))
	return get(t, s, n.ID)
}

var outboxWrites = []write{
	{name: "Deliver by number", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		limits := wide
		limits.Number = sessionstore.Number{Outbox: "~o", From: -1, To: 1}
		return s.Deliver(ctx, v.ID, []sessionstore.Packet{{ID: "new", Frames: []string{"4c"}}}, limits)
	}},
	{name: "Link", run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
		return s.Link(ctx, sessionstore.Socket{ID: "l", Session: v.ID, Namespace: "/l", Outbox: "~o"})
	}},
	{
		name: "Unlink", of: func(t *testing.T, s sessionstore.Store) sessionstore.Session {
			v := polling(t, s)
			must(t, s.Link(t.Context(), sessionstore.Socket{ID: "l", Session: v.ID, Namespace: "/l", Outbox: "~o"}))
			return get(t, s, v.ID)
		}, run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Unlink(ctx, sessionstore.Socket{ID: "l", Session: v.ID, Namespace: "/l", Outbox: "~o"})
		},
	},
	{
		name: "Enqueue", of: outboxed,
		run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.Enqueue(ctx, v.ID, []sessionstore.Packet{{ID: "new", Frames: []string{"4c"}}}, wide, lease)
			return err
		},
	},
	{
		name: "Recover", of: outboxed,
		run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.Recover(ctx, sessionstore.RecoverRequest{Read: &v, Carrier: "next", Hold: lease, Now: now})
			return err
		},
	},
	{
		name: "Lose", of: outboxed, run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Lose(ctx, v.ID, v.Carrier, now.Add(time.Minute), "transport close")
		},
	},
	{
		name: "Switch", of: polled, run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			_, err := s.Switch(ctx, v.ID, v.Carrier, conn, 0, lease)
			return err
		},
	},
	{
		name: "Sent", of: outboxed, run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Sent(ctx, &sessionstore.Session{ID: v.ID}, lease.Owner, 2)
		},
	},
	{
		name: "Trim", of: outboxed, run: func(ctx context.Context, s sessionstore.Store, v sessionstore.Session) error {
			return s.Trim(ctx, &v, 1)
		},
	},
}

// newPagedOutbox is an outbox that is filled by Enqueue.
func newPagedOutbox(t *testing.T, s sessionstore.Store, client dynamostore.Client) *paged {
	t.Helper()
	n := outbox(sessionstore.Session{ID: "carrier"}, sessionstore.Lease{})
	must(t, s.Create(t.Context(), n))
	return &paged{t: t, s: s, client: client, id: n.ID}
}

func (p *paged) enqueue(n, bytes int) {
	p.t.Helper()
	for range n {
		k := numbered(len(p.want), bytes)
		_, err := p.s.Enqueue(p.t.Context(), p.id, []sessionstore.Packet{k}, wide, lease)
		must(p.t, err)
		p.want = append(p.want, k)
	}
}

func (p *paged) trim(read sessionstore.Session, n int) {
	p.t.Helper()
	must(p.t, p.s.Trim(p.t.Context(), &read, n))
	p.want = p.want[n:]
}

// TestTrimCosts: a trim reads a page of each level of which a part goes, and writes once, but for turned pages.
func TestTrimCosts(t *testing.T) {
	client := newTable(t)
	meter := new(sessionstore.Meter)
	p := newPagedOutbox(t, dynamostore.New(client, dynamostore.Options{Table: table, Meter: meter}), client)
	cost := func(read sessionstore.Session, n int, reads, writes int64) {
		t.Helper()
		before := meter.Op(sessionstore.OpTrim)
		p.trim(read, n)
		u := meter.Op(sessionstore.OpTrim).Sub(before)
		if u.Calls != 1 || u.Reads != reads || u.Writes != writes {
			t.Errorf("%d calls, %d reads, %d writes; want 1, %d, %d", u.Calls, u.Reads, u.Writes, reads, writes)
		}
		p.check()
	}
	p.enqueue(14, 100) // as many as a list takes
	cost(get(t, p.s, p.id), 3, 0, 1)
	read := get(t, p.s, p.id)
	p.enqueue(20, 100)
	cost(read, 4, 1, 2) // they have come into a page meanwhile
	read = get(t, p.s, p.id)
	whole := 0
	for whole < len(read.Buffer) && read.Buffer[whole].Page.ID == read.Buffer[0].Page.ID {
		whole++
	}
	cost(read, whole, 0, 1)
	cost(get(t, p.s, p.id), len(p.want), 0, 1)
	if it := p.item(); text(it, "bs") != "0" || text(it, "bn") != "0" || text(it, "bw") != "0" || it["ff"] != nil {
		t.Errorf("of an empty outbox is left %v", it)
	}
	p.enqueue(400, 100)
	cost(get(t, p.s, p.id), 15, 2, 1) // a part of a page in a page
	if n := dynamotest.Size(p.item()); n > 2600 {
		t.Errorf("the item has %d bytes", n)
	}
}

// TestTrimExpiredPages: pages may be gone when their time to live has passed. What was in them is trimmed all the same.
func TestTrimExpiredPages(t *testing.T) {
	client := newTable(t)
	p := newPagedOutbox(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.enqueue(300, 100)
	p.trim(get(t, p.s, p.id), 5)
	for _, sk := range items(t, client, p.id) {
		if !strings.HasPrefix(sk, "P#") {
			continue
		}
		_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: new(table), Key: map[string]types.AttributeValue{
				"PK": &types.AttributeValueMemberS{Value: "S#" + string(p.id)},
				"SK": &types.AttributeValueMemberS{Value: sk},
			},
		})
		must(t, err)
	}
	trimmed := 5
	for _, n := range []int{7, 13, 40, 40, 1} {
		p.trim(get(t, p.s, p.id), n)
		trimmed += n
		read := get(t, p.s, p.id)
		shares := 0
		for _, k := range read.Buffer {
			shares += k.Size
		}
		if it := p.item(); read.Trimmed != trimmed || read.Seq() != 300 || text(it, "bs") != fmt.Sprint(shares) {
			t.Errorf("trimmed %d of %d, bytes %d counted as %s", read.Trimmed, read.Seq(), shares, text(it, "bs"))
		}
	}
	p.trim(get(t, p.s, p.id), len(p.want))
	p.enqueue(30, 100)
	p.check()
}
