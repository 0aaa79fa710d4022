package dynamostore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// paged is a session on polling and what it must have in its buffer.
type paged struct {
	t      *testing.T
	s      sessionstore.Store
	client dynamostore.Client // to look at items with
	id     sessionstore.SessionID
	want   []sessionstore.Packet
}

func newPaged(t *testing.T, s sessionstore.Store, client dynamostore.Client) *paged {
	t.Helper()
	p := &paged{t: t, s: s, client: client, id: newID()}
	must(
		t,
		s.Create(
			t.Context(),
			sessionstore.NewSession{ID: p.id, Transport: sessionstore.Polling, CreatedAt: now, PingAt: now},
		),
	)
	return p
}

// numbered is a packet of so many bytes that tells its place.
func numbered(i, bytes int) sessionstore.Packet { return packet(fmt.Sprintf("4%0*d", bytes-1, i)) }

// add delivers n packets of so many bytes, one by one.
func (p *paged) add(n, bytes int) {
	p.t.Helper()
	for range n {
		k := numbered(len(p.want), bytes)
		must(p.t, p.s.Deliver(p.t.Context(), p.id, []sessionstore.Packet{k}, wide))
		p.want = append(p.want, k)
	}
}

// fill delivers packets of 100 bytes until one more turns a page.
func (p *paged) fill() {
	p.t.Helper()
	for {
		n, _ := strconv.Atoi(text(p.item(), "bw"))
		if n+133 > 1900 {
			return
		}
		p.add(1, 100)
	}
}

func (p *paged) item() map[string]types.AttributeValue {
	p.t.Helper()
	out, err := p.client.GetItem(
		p.t.Context(),
		&dynamodb.GetItemInput{TableName: new(table), ConsistentRead: new(true), Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{
				Value: "S#" + string(p.id),
			},
			"SK": &types.AttributeValueMemberS{Value: "A"},
		}},
	)
	must(p.t, err)
	return out.Item
}

// pages are those that were written, whether anything refers to them or not.
func (p *paged) pages() int {
	p.t.Helper()
	n := 0
	for _, sk := range items(p.t, p.client, p.id) {
		if strings.HasPrefix(sk, "P#") {
			n++
		}
	}
	return n
}

// get is a GET that carries n more packets, if there are so many. What it acknowledges is wanted no more.
func (p *paged) get(n int) {
	p.t.Helper()
	read := get(p.t, p.s, p.id)
	p.answer(read, min(n, len(read.Pending())))
}

func (p *paged) answer(read sessionstore.Session, n int) {
	p.t.Helper()
	must(p.t, p.s.Answer(p.t.Context(), sessionstore.AnswerRequest{Read: &read, T: sessionstore.NewID(), Give: n}))
	p.want = p.want[read.Given:]
}

// check compares the buffer with what is wanted: packets, frames and order, and what the item counts.
func (p *paged) check() {
	p.t.Helper()
	read := get(p.t, p.s, p.id)
	whole, err := p.s.Bodies(p.t.Context(), p.id, read.Buffer)
	must(p.t, err)
	if len(whole) != len(p.want) {
		p.t.Fatalf("%d packets, want %d", len(whole), len(p.want))
	}
	bytes, shares := 0, 0
	for i, k := range whole {
		if k.ID != p.want[i].ID || k.Frames[0] != p.want[i].Frames[0] {
			p.t.Fatalf("packet %d is %.120q, want %.120q", i, k.Frames[0], p.want[i].Frames[0])
		}
		bytes += p.want[i].Bytes()
		shares += read.Buffer[i].Size
	}
	it := p.item()
	if shares != bytes ||
		len(whole) > 0 && (text(it, "bn") != strconv.Itoa(len(whole)) || text(it, "bs") != strconv.Itoa(bytes)) {
		p.t.Fatalf(
			"%d bytes of %d packets; read as %d, counted %s of %s", bytes, len(whole), shares, text(it, "bs"),
			text(it, "bn"),
		)
	}
	if n := dynamotest.Size(it); n > 2600 {
		p.t.Fatalf("the item has %d bytes", n)
	}
}

// empty fetches everything, and checks that nothing is left in the item, nor in its counts.
func (p *paged) empty() {
	p.t.Helper()
	for len(p.want) > 0 {
		p.get(400)
		p.check()
	}
	if it := p.item(); text(it, "bs") != "0" || text(it, "bn") != "0" || text(it, "bw") != "0" || it["ff"] != nil {
		p.t.Errorf(
			"of an empty buffer are left: %s bytes, %s packets, weight %s, first %v", text(it, "bs"), text(it, "bn"),
			text(it, "bw"), it["ff"],
		)
	}
}

// TestThousandPackets: whatever the packets, they come once and in order, and the item stays small.
func TestThousandPackets(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{10, 100, 1000, 1100} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			client := newTable(t)
			p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
			p.add(1000, bytes)
			p.check()
			if err := p.s.Deliver(t.Context(), p.id, []sessionstore.Packet{packet("4")}, wide); err == nil {
				t.Error("took a packet more than its limit")
			}
			p.empty()
			p.add(1, 10)
			if p.check(); get(t, p.s, p.id).Buffer[0].Frames == nil {
				t.Error("what was acknowledged makes no room within the item")
			}
		})
	}
}

// TestManyAtOnce: what one call appends goes into pages too, if it is much.
func TestManyAtOnce(t *testing.T) {
	client := newTable(t)
	meter := new(sessionstore.Meter)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table, Meter: meter}), client)
	p.add(3, 100)
	for _, n := range []int{5, 400, 300, 200} {
		var packets []sessionstore.Packet
		for i := range n {
			packets = append(packets, numbered(i, 50+i*5))
		}
		must(t, p.s.Deliver(t.Context(), p.id, packets, wide))
		p.want = append(p.want, packets...)
		p.check()
		p.add(7, 300)
		p.check()
	}
	p.empty()
}

// TestPartOfAPage: GETs that end within pages, of whatever level, and at their ends.
func TestPartOfAPage(t *testing.T) {
	t.Parallel()
	client := newTable(t)
	for _, n := range []int{1, 2, 13, 60, 333} {
		p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
		for i := range 6 {
			p.add(100, 40+150*i)
		}
		for len(p.want) > 0 && len(p.want) > 600-10*n {
			p.get(n)
			p.check()
		}
		p.add(40, 200)
		p.check()
		p.empty()
	}
}

// TestTurnUnderFaults: whatever dies or is not heard in the middle of turning a page, nothing is lost or doubled.
func TestTurnUnderFaults(t *testing.T) {
	s, c := newFaulty(t)
	for _, o := range []struct {
		name    string
		faults  []fault // of: append, which is refused; page; list
		want    error
		applied bool
	}{
		{"the page is not written", []fault{nil, reset}, sessionstore.ErrUnavailable, false},
		{"the page is written, unheard", []fault{nil, appliedUnheard}, sessionstore.ErrUnavailable, false},
		{"the page is throttled, then written", []fault{nil, throttled, throttled}, nil, true},
		{"the list is not written", []fault{nil, nil, reset}, errDoubt, false},
		{"the list is written, unheard", []fault{nil, nil, appliedUnheard}, errDoubt, true},
		{
			"the list is throttled",
			[]fault{nil, nil, throttled, throttled, throttled, throttled, throttled},
			sessionstore.ErrThrottled, false,
		},
		{"none", nil, nil, true},
	} {
		t.Run(o.name, func(t *testing.T) {
			c.next()
			p := newPaged(t, s, c.Client)
			p.fill()
			for range 3 {
				k := numbered(len(p.want), 100)
				c.next(o.faults...)
				err := s.Deliver(t.Context(), p.id, []sessionstore.Packet{k}, wide)
				c.next()
				checkOutcome(t, err, o.want)
				if o.applied {
					p.want = append(p.want, k)
				}
				p.check()
				p.fill()
			}
			p.add(30, 100)
			p.get(10)
			p.check()
			p.empty()
		})
	}
}

// TestTurnAppliedLater: a turn that was given up may happen as long as the list is what it was, and never after.
func TestTurnAppliedLater(t *testing.T) {
	s, c := newFaulty(t)
	for _, changed := range []bool{false, true} {
		c.next()
		p := newPaged(t, s, c.Client)
		p.fill()
		k := numbered(len(p.want), 100)
		c.next(nil, nil, c.appliedLater)
		checkOutcome(t, s.Deliver(t.Context(), p.id, []sessionstore.Packet{k}, wide), errDoubt)
		c.next()
		if changed {
			p.add(1, 100)
		} else {
			p.want = append(p.want, k)
		}
		for _, apply := range c.later {
			if err := apply(); (err != nil) != changed {
				t.Errorf("list changed: %v; applied later: %v", changed, err)
			}
		}
		c.later = nil
		p.check()
		p.empty()
	}
}

// interrupted is a client whose first write of a page waits until something else has been done.
type interrupted struct {
	dynamostore.Client
	once sync.Once
	by   func()
}

func (c *interrupted) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	c.once.Do(c.by)
	return c.Client.BatchWriteItem(ctx, in, o...)
}

// TestChangedBeforeTheTurn: what happens to the list between the page and the list's turn is not undone, nor passed
// over.
func TestChangedBeforeTheTurn(t *testing.T) {
	client := newTable(t)
	for _, c := range []struct {
		name string
		by   func(p *paged)
	}{
		{"acknowledged", func(p *paged) { p.get(2) }},
		{"acknowledged, and as many appended", func(p *paged) { p.get(0); p.add(2, 10) }},
		{"given", func(p *paged) { p.answer(get(p.t, p.s, p.id), 5) }},
		{"turned", func(p *paged) { p.add(30, 100) }},
		{"turned and fetched", func(p *paged) { p.add(30, 100); p.get(400); p.get(400) }},
		{"bound", func(p *paged) {
			must(p.t, p.s.Bind(p.t.Context(), p.id, sessionstore.Candidate{Conn: conn, Until: now}, now))
		}},
	} {
		for _, before := range []int{0, 60} { // without pages, and with
			t.Run(fmt.Sprintf("%s/%d", c.name, before), func(t *testing.T) {
				p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
				p.add(before, 100)
				p.fill()
				p.get(2)
				k := numbered(5000, 100)
				s := dynamostore.New(
					&interrupted{Client: client, by: func() { c.by(p) }}, dynamostore.Options{Table: table},
				)
				must(t, s.Deliver(t.Context(), p.id, []sessionstore.Packet{k}, wide))
				p.want = append(p.want, k)
				p.check()
				p.empty()
			})
		}
	}
}

// TestClosedBeforeTheTurn: nothing is appended to a session that has ended meanwhile.
func TestClosedBeforeTheTurn(t *testing.T) {
	client := newTable(t)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.fill()
	s := dynamostore.New(&interrupted{Client: client, by: func() {
		_, err := p.s.Close(t.Context(), sessionstore.CloseRequest{Session: p.id, Handler: lease, Drain: true})
		must(t, err)
	}}, dynamostore.Options{Table: table})
	checkOutcome(
		t, s.Deliver(t.Context(), p.id, []sessionstore.Packet{numbered(1, 100)}, wide), sessionstore.ErrConflict,
	)
	p.check()
}

// TestTurnWithinLimits: a turn takes no more packets than the limits do, whichever caller comes first.
func TestTurnWithinLimits(t *testing.T) {
	client := newTable(t)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.fill()
	limits := sessionstore.BufferLimits{Packets: len(p.want) + 1, Bytes: 1 << 20}
	s := dynamostore.New(&interrupted{Client: client, by: func() { p.add(1, 10) }}, dynamostore.Options{Table: table})
	err := s.Deliver(t.Context(), p.id, []sessionstore.Packet{numbered(1, 100)}, limits)
	checkOutcome(t, err, sessionstore.ErrConflict)
	if v, _ := sessionstore.Current(err); !limits.Exceeded(&v, []sessionstore.Packet{numbered(1, 100)}) {
		t.Errorf("refused with %d packets", len(v.Buffer))
	}
	p.check()
}

// meeting is a client whose first two writes of pages wait for each other.
type meeting struct {
	dynamostore.Client
	mu    sync.Mutex
	met   int
	begun chan struct{}
}

func (m *meeting) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	m.mu.Lock()
	if m.met++; m.met == 2 {
		close(m.begun)
	}
	m.mu.Unlock()
	select {
	case <-m.begun:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return m.Client.BatchWriteItem(ctx, in, o...)
}

// TestTwoTurns: of two that turn the same page one does, and the other appends behind it.
func TestTwoTurns(t *testing.T) {
	client := newTable(t)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.fill()
	s := dynamostore.New(&meeting{Client: client, begun: make(chan struct{})}, dynamostore.Options{Table: table})
	more := []sessionstore.Packet{numbered(1001, 100), numbered(1002, 100)}
	errs := make(chan error)
	for _, k := range more {
		go func() { errs <- s.Deliver(t.Context(), p.id, []sessionstore.Packet{k}, wide) }()
	}
	for range more {
		must(t, <-errs)
	}
	if n := p.pages(); n != 2 {
		t.Errorf("%d pages written, want one of each", n)
	}
	whole, err := p.s.Bodies(t.Context(), p.id, get(t, p.s, p.id).Buffer)
	must(t, err)
	if whole[len(whole)-1].ID == more[0].ID {
		more[0], more[1] = more[1], more[0]
	}
	p.want = append(p.want, more...)
	p.check()
	if it := p.item(); dynamotest.Size(it) > 900 {
		t.Errorf("the list was not turned: %d bytes", dynamotest.Size(it))
	}
	p.empty()
}

// TestManyAppenders: the caller that is refused for want of room finds it in the end, however many come at once.
func TestManyAppenders(t *testing.T) {
	const appenders, each = 32, 8
	client := newTable(t)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.fill()
	errs := make(chan error)
	for a := range appenders {
		go func() {
			for i := range each {
				if err := p.s.Deliver(
					t.Context(), p.id, []sessionstore.Packet{packet(fmt.Sprintf("4%d %d %80d", a, i, 0))}, wide,
				); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range appenders {
		must(t, <-errs)
	}
	whole, err := p.s.Bodies(t.Context(), p.id, get(t, p.s, p.id).Buffer)
	must(t, err)
	next := make([]int, appenders)
	for _, k := range whole[len(p.want):] {
		var a, i int
		if _, err := fmt.Sscanf(k.Frames[0], "4%d %d", &a, &i); err != nil || next[a] != i {
			t.Fatalf("%.20q where packet %d was to come", k.Frames[0], next[a])
		}
		next[a]++
		p.want = append(p.want, k)
	}
	if n := len(whole); n < appenders*each {
		t.Errorf("%d packets", n)
	}
	p.check()
	p.empty()
}

// TestReadBeforeATurn: a GET whose reading is older than a page goes on all the same, for its packets are where they
// were.
func TestReadBeforeATurn(t *testing.T) {
	client := newTable(t)
	for _, c := range []struct{ before, given, give int }{
		{0, 0, 0},
		{0, 0, 5},
		{0, 0, 1000},
		{0, 3, 0},
		{0, 3, 5},
		{0, 3, 1000},
		{60, 0, 5}, // from here on what was given ends within a page
		{60, 3, 0},
		{60, 3, 1000},
		{60, 17, 3},
		{60, 40, 9},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
			p.add(c.before, 100)
			p.fill()
			if c.given > 0 {
				p.get(c.given)
			}
			read := get(t, p.s, p.id)
			before := p.pages()
			p.add(120, 900)
			if p.pages() < before+20 {
				t.Fatal("no page of pages was turned")
			}
			p.answer(read, min(c.give, len(read.Pending())))
			p.check()
			if n := get(t, p.s, p.id).Given; n != min(c.give, len(read.Pending())) {
				t.Errorf("%d given", n)
			}
			// One that is stale by another answer is refused, page or not.
			err := p.s.Answer(t.Context(), sessionstore.AnswerRequest{Read: &read, T: "stale"})
			checkOutcome(t, err, sessionstore.ErrConflict)
			p.check()
			p.empty()
		})
	}
}

// TestUpgradeWithPages: what waits in pages is pushed in order, with what comes meanwhile behind it, and then the
// session is let go.
func TestUpgradeWithPages(t *testing.T) {
	client := newTable(t)
	p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
	p.add(200, 300)
	p.get(7)
	ctx := t.Context()
	must(t, p.s.Bind(ctx, p.id, sessionstore.Candidate{Conn: conn, Until: now.Add(1 << 40)}, now))
	v, err := p.s.Upgrade(ctx, p.id, conn, lease)
	must(t, err)
	pushed := v.Given
	for round := range 3 {
		rest, err := p.s.Bodies(ctx, p.id, v.Buffer[pushed:])
		must(t, err)
		for i, k := range rest {
			if k.ID != p.want[pushed+i].ID {
				t.Fatalf("round %d: packet %d is %.20q", round, pushed+i, k.Frames[0])
			}
		}
		pushed += len(rest)
		if round == 2 {
			break
		}
		p.add(50, 500) // pages are turned of what has been pushed
		v, _ = sessionstore.Current(p.s.Release(ctx, p.id, lease.Owner, pushed))
		if len(v.Buffer) != len(p.want) {
			t.Fatalf("round %d: %d packets, want %d", round, len(v.Buffer), len(p.want))
		}
	}
	must(t, p.s.Release(ctx, p.id, lease.Owner, pushed))
	p.want = nil
	p.check()
	if it := p.item(); it["b"] != nil || it["bn"] != nil || it["bs"] != nil || it["bw"] != nil {
		t.Errorf("left: %v", it)
	}
}

// TestEndWithPages: a close drops the buffer, or leaves it to be fetched, pages or not.
func TestEndWithPages(t *testing.T) {
	client := newTable(t)
	for _, drain := range []bool{false, true} {
		p := newPaged(t, dynamostore.New(client, dynamostore.Options{Table: table}), client)
		p.add(60, 200)
		p.get(20)
		_, err := p.s.Close(t.Context(), sessionstore.CloseRequest{Session: p.id, Handler: lease, Drain: drain})
		must(t, err)
		if drain {
			p.check()
			p.empty()
		} else {
			p.want = nil
			p.check()
			if it := p.item(); it["b"] != nil || it["bn"] != nil || it["bs"] != nil || it["bw"] != nil {
				t.Errorf("left: %v", it)
			}
		}
	}
}
