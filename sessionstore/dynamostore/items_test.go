package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// scan reads the whole table.
func scan(t *testing.T, c *dynamodb.Client) []map[string]types.AttributeValue {
	t.Helper()
	in := &dynamodb.ScanInput{TableName: new(table), ConsistentRead: new(true)}
	var all []map[string]types.AttributeValue
	for {
		out, err := c.Scan(t.Context(), in)
		must(t, err)
		all = append(all, out.Items...)
		if len(out.LastEvaluatedKey) == 0 {
			return all
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func text(it map[string]types.AttributeValue, name string) string {
	switch v := it[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	default:
		return ""
	}
}

// find returns the item whose keys begin as said.
func find(t *testing.T, items []map[string]types.AttributeValue, pk, sk string) map[string]types.AttributeValue {
	t.Helper()
	for _, it := range items {
		if strings.HasPrefix(text(it, "PK"), pk) && strings.HasPrefix(text(it, "SK"), sk) {
			return it
		}
	}
	t.Fatalf("no item %s %s", pk, sk)
	return nil
}

// everything stores one of each kind of item.
func everything(t *testing.T, s sessionstore.Store) sessionstore.Session {
	t.Helper()
	ctx := t.Context()
	v := polling(t, s)
	must(t, s.Deliver(ctx, v.ID, []sessionstore.Packet{packet("4" + strings.Repeat("x", 700<<10))}, wide))
	must(t, s.Deliver(ctx, v.ID, hundred(20), wide))
	must(t, s.PutPartial(ctx, v.ID, sessionstore.Partial{
		Want: 3, Count: 1, Packets: []sessionstore.Packet{packet("51-"), packet("b" + strings.Repeat("x", 100<<10))},
		Deadline: now.Add(time.Minute),
	}, now))
	must(t, s.PutConnection(ctx, sessionstore.ConnectionRow{Conn: conn, Session: v.ID, ExpiresAt: now}))
	asked := sessionstore.Ask{Namespace: "/", ID: sessionstore.AskID(1, 1), ExpiresAt: now.Add(time.Minute)}
	must(t, s.PutAsk(ctx, asked, now))
	must(t, s.PutAnswer(ctx, asked, sessionstore.AskAnswer{Socket: "a", Answer: []string{"43[]"}}))
	must(t, s.PutTimer(ctx, sessionstore.Timer{At: now, Name: "t"}))
	must(t, s.PutAck(ctx, sessionstore.Ack{Session: v.ID, ID: 1}, now))
	must(t, s.PutAck(ctx, sessionstore.Ack{Session: v.ID, ID: 2, ExpiresAt: now.Add(time.Minute)}, now))
	_, err := s.AnswerAck(
		ctx, sessionstore.Ack{Session: v.ID, ID: 1, Answer: []string{"461-1[]", "b" + strings.Repeat("x", 600<<10)}},
		now,
	)
	must(t, err)
	must(t, s.LeaseShard(ctx, 0, lease, now))
	_, err = s.PutChild(ctx, "tenants", sessionstore.Child{Name: "/tenant-1", Put: "me", SeenAt: now})
	must(t, err)
	must(t, s.Create(ctx, sessionstore.NewSession{ID: newID(), Transport: sessionstore.WebSocket, Conn: conn}))
	must(t, s.Create(ctx, outbox(v, sessionstore.Lease{})))
	must(t, s.Link(ctx, sessionstore.Socket{ID: "l", Session: v.ID, Namespace: "/l", Outbox: "~o"}))
	return v
}

// TestTimeToLive: nothing that a crash could leave behind stays for ever.
func TestTimeToLive(t *testing.T) {
	client := newTable(t)
	s := dynamostore.New(client, dynamostore.Options{Table: table, RowLife: 40 * 24 * time.Hour})
	v := everything(t, s)
	kinds, pages := make(map[string]bool), false
	for _, it := range scan(t, client) {
		kind := text(it, "PK")[:2] + " " + text(it, "SK")[:1]
		kinds[text(it, "PK")[:2]] = true
		seconds, err := strconv.ParseInt(text(it, "ttl"), 10, 64)
		in := time.Until(time.Unix(seconds, 0))
		switch {
		case kind == "W# A":
			if err == nil {
				t.Errorf("a shard's lease ends in %v", in)
			}
		case kind[:2] == "Q#" || kind[:2] == "T#": // handed in, and kept for a while
			at := time.Unix(seconds, 0)
			if at.Before(now) || at.After(now.Add(sessionstore.TimerKept+time.Minute)) {
				t.Errorf("%s ends at %v", kind, at)
			}
		case text(it, "SK") == "2" || kind == "C# A": // handed in
			if at := time.Unix(seconds, 0); at.Before(now) || at.After(now.Add(time.Minute)) {
				t.Errorf("%s ends at %v", kind, at)
			}
		case text(it, "SK") == "AP":
			if in < 59*time.Minute || in > time.Hour+time.Second {
				t.Errorf("a partial packet ends in %v", in)
			}
		case strings.HasPrefix(text(it, "SK"), "B#"), strings.HasPrefix(text(it, "SK"), "P#"):
			pages = pages || strings.HasPrefix(text(it, "SK"), "P#")
			if in < 23*time.Hour || in > 25*time.Hour {
				t.Errorf("%s ends in %v", kind, in)
			}
		default:
			if in < 39*24*time.Hour || in > 41*24*time.Hour {
				t.Errorf("%s ends in %v", kind, in)
			}
		}
	}
	if !pages {
		t.Error("no page was looked at")
	}
	if want := []string{"S#", "C#", "D#", "H#", "W#", "N#", "R#", "K#", "Q#", "T#"}; len(kinds) != len(want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}

	_, err := s.Close(t.Context(), sessionstore.CloseRequest{Session: v.ID, Handler: lease})
	must(t, err)
	must(t, s.Finish(t.Context(), v.ID, lease.Owner, now.Add(1500*time.Millisecond)))
	got := text(find(t, scan(t, client), "S#"+string(v.ID), "A"), "ttl")
	if want := strconv.FormatInt(now.Unix()+2, 10); got != want {
		t.Errorf("a closed session ends at %s, want %s: not before its time", got, want)
	}
}

// TestSessionSize: the item that each write is billed by is small when idle, and bounded when it is not.
func TestSessionSize(t *testing.T) {
	client := newTable(t)
	s := dynamostore.New(client, dynamostore.Options{Table: table})
	v := polling(t, s)
	if n := dynamotest.Size(find(t, scan(t, client), "S#"+string(v.ID), "A")); n > 600 {
		t.Errorf("%d bytes when idle", n)
	}
	var want []string
	for i := range 60 {
		p := packet(fmt.Sprintf("4%03d%s", i, strings.Repeat("x", 900)))
		want = append(want, p.Frames[0])
		must(t, s.Deliver(t.Context(), v.ID, []sessionstore.Packet{p}, wide))
	}
	if n := dynamotest.Size(find(t, scan(t, client), "S#"+string(v.ID), "A")); n > 12<<10 {
		t.Errorf("%d bytes with 60 packets of 900", n)
	}
	whole, err := s.Bodies(t.Context(), v.ID, get(t, s, v.ID).Buffer[2:])
	must(t, err)
	for i, p := range whole {
		if p.Frames[0] != want[i] {
			t.Fatalf("packet %d is %.10q", i, p.Frames[0])
		}
	}

	// What is acknowledged makes room within the item again.
	for range 2 {
		read := get(t, s, v.ID)
		must(
			t,
			s.Answer(
				t.Context(),
				sessionstore.AnswerRequest{Read: &read, T: sessionstore.NewID(), Give: len(read.Pending())},
			),
		)
	}
	must(t, s.Deliver(t.Context(), v.ID, []sessionstore.Packet{packet("4" + strings.Repeat("y", 900))}, wide))
	if b := get(t, s, v.ID).Buffer; len(b) != 1 || b[0].Frames == nil {
		t.Errorf("%d packets, stored apart though there is room", len(b))
	}
}

// TestLargestAnswer: an answer of 400 packets, the most there is, is acknowledged with one expression.
func TestLargestAnswer(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	v := polling(t, s)
	packets := make([]sessionstore.Packet, 500)
	for i := range packets {
		packets[i] = packet("4" + strconv.Itoa(i))
	}
	must(t, s.Deliver(t.Context(), v.ID, packets, wide))
	for _, give := range []int{400, 101} {
		read := get(t, s, v.ID)
		must(t, s.Answer(t.Context(), sessionstore.AnswerRequest{Read: &read, T: sessionstore.NewID(), Give: give}))
	}
	got := get(t, s, v.ID)
	whole, err := s.Bodies(t.Context(), v.ID, got.Buffer)
	must(t, err)
	if len(whole) != 101 || got.Given != 101 || whole[1].ID != packets[400].ID {
		t.Errorf("%d packets, %d given", len(whole), got.Given)
	}
}

func TestLargeAnswers(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	for _, n := range []int{10, 100 << 10, 900 << 10} {
		for _, continuation := range []string{"", "c"} {
			a := sessionstore.Ack{Session: newID(), Namespace: "/", ID: 1, Continuation: continuation}
			must(t, s.PutAck(t.Context(), a, now))
			a.Answer = []string{"461-1[]", "b" + strings.Repeat("é", n/2)}
			got, err := s.AnswerAck(t.Context(), a, now)
			must(t, err)
			if continuation == "" {
				a.ExpiresAt = now.Add(sessionstore.AckRead).UTC()
			}
			if !reflect.DeepEqual(got, a) {
				t.Errorf("answered %d bytes", n)
			}
			got, err = s.Ack(t.Context(), a.Session, 1)
			if continuation == "" && (err != nil || !slices.Equal(got.Answer, a.Answer)) {
				t.Errorf("%d bytes: error %v, or another answer", n, err)
			}
			if continuation != "" && !errors.Is(err, sessionstore.ErrNotFound) {
				t.Errorf("with a continuation: %v, %v", got, err)
			}
		}
	}
}

// TestLargestKept: what the contract takes at most fits into an item, whatever its characters are.
func TestLargestKept(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	most := sessionstore.SocketLimits{Auth: 1 << 30, Data: 1 << 30}
	v := polling(t, s)
	for i, c := range []string{"x", "é", `"`} {
		text := strings.Repeat(c, sessionstore.MaxKept/len(c))
		k := sessionstore.NewSocket{
			ID: sessionstore.SocketID(
				sessionstore.NewID(),
			),
			Session: v.ID, Namespace: sessionstore.Namespace(fmt.Sprint("/large", i)), Auth: text,
			Data: map[string]string{"": text},
		}
		must(t, s.PutSocket(t.Context(), k, conn, most))
		auth, err := s.Auth(t.Context(), k.Row())
		must(t, err)
		data, err := s.Data(t.Context(), k.Row())
		must(t, err)
		if auth != text || !reflect.DeepEqual(data, k.Data) {
			t.Errorf("%s: auth of %d bytes, data %d", c, len(auth), len(data[""]))
		}
	}
}

// TestForeignIDs: ids of a client's making find nothing, instead of failing.
func TestForeignIDs(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	for _, id := range []string{"", "#", "\xff", strings.Repeat("x", 5000)} {
		_, err := s.Get(t.Context(), sessionstore.SessionID(id), now)
		checkOutcome(t, err, sessionstore.ErrNotFound)
		_, err = s.Member(t.Context(), "/", sessionstore.SocketID(id))
		checkOutcome(t, err, sessionstore.ErrNotFound)
	}
}

// TestNotUTF8: what DynamoDB cannot keep is replaced, and lengths still agree.
func TestNotUTF8(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	v := polling(t, s)
	must(
		t,
		s.Deliver(
			t.Context(), v.ID, []sessionstore.Packet{packet("4\xff"), packet("4" + strings.Repeat("x\xfe", 2000))},
			wide,
		),
	)
	whole, err := s.Bodies(t.Context(), v.ID, get(t, s, v.ID).Buffer[2:])
	must(t, err)
	if whole[0].Frames[0] != "4\uFFFD" || whole[1].Frames[0] != "4"+strings.Repeat("x\uFFFD", 2000) {
		t.Errorf("frames %q %.20q", whole[0].Frames, whole[1].Frames)
	}
}

// TestCreateTable: many processes may make the table at once.
func TestCreateTable(t *testing.T) {
	client := newClient(t)
	errs := make(chan error)
	for range 8 {
		go func() { errs <- dynamostore.CreateTable(t.Context(), client, table) }()
	}
	for range 8 {
		must(t, <-errs)
	}
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: new(table)})
	must(t, err)
	if d := ttl.TimeToLiveDescription; d.TimeToLiveStatus != types.TimeToLiveStatusEnabled ||
		*d.AttributeName != "ttl" {
		t.Errorf("time to live: %+v", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dynamostore.CreateTable(ctx, client, table); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
