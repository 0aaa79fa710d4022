package dynamostore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

func members(t *testing.T, s sessionstore.Store, room sessionstore.Room) int {
	t.Helper()
	n := 0
	for _, err := range s.Members(t.Context(), "/", room, sessionstore.Range{}) {
		must(t, err)
		n++
	}
	return n
}

// TestSamePutAgain: a socket that was put after all, by a call in doubt, keeps its rows; the rows of a loser go.
func TestSamePutAgain(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	k := sessionstore.NewSocket{ID: "winner", Session: newID(), Namespace: "/", Rooms: []sessionstore.Room{"r"}}
	must(t, s.PutSocket(t.Context(), k, conn, wideSocket))
	checkOutcome(t, s.PutSocket(t.Context(), k, conn, wideSocket), sessionstore.ErrExists)
	if n := members(t, s, "r"); n != 1 {
		t.Errorf("%d members", n)
	}
	_, err := s.Member(t.Context(), "/", k.ID)
	must(t, err)

	loser := k
	loser.ID = "loser"
	checkOutcome(t, s.PutSocket(t.Context(), loser, conn, wideSocket), sessionstore.ErrExists)
	if n := members(t, s, "r"); n != 1 {
		t.Errorf("%d members after a lost put", n)
	}
	_, err = s.Member(t.Context(), "/", loser.ID)
	checkOutcome(t, err, sessionstore.ErrNotFound)
}

// TestLateAnswer: the loser's large answer does not get into the winner's.
func TestLateAnswer(t *testing.T) {
	s := dynamostore.New(newTable(t), dynamostore.Options{Table: table})
	a := sessionstore.Ack{Session: newID(), ID: 1, Answer: []string{"461-1[]", "b" + strings.Repeat("w", 100<<10)}}
	must(t, s.PutAck(t.Context(), a, now))
	_, err := s.AnswerAck(t.Context(), a, now)
	must(t, err)
	late := a
	late.Answer = []string{"461-1[]", "b" + strings.Repeat("l", 100<<10)}
	_, err = s.AnswerAck(t.Context(), late, now)
	checkOutcome(t, err, sessionstore.ErrNotFound)
	got, err := s.Ack(t.Context(), a.Session, 1)
	must(t, err)
	if !slices.Equal(got.Answer, a.Answer) {
		t.Errorf("the answer is %.20q", got.Answer[1])
	}
}

// TestOneBatchOfMany: of several batches some were written, so the whole is in doubt.
func TestOneBatchOfMany(t *testing.T) {
	s, c := newFaulty(t)
	k := sessionstore.NewSocket{ID: "k", Session: newID(), Namespace: "/"}
	for i := range 40 {
		k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprint("r", i)))
	}
	c.next(nil, throttled, throttled, throttled, throttled, throttled)
	checkOutcome(t, s.PutSocket(t.Context(), k, conn, wideSocket), errDoubt)
	c.next()
	rooms, err := s.RoomsOf(t.Context(), k.Row())
	must(t, err)
	if n := len(rooms); n != 25 && n != 15 {
		t.Errorf("rows of %d rooms, want those of one batch", n)
	}
}

// TestClearSockets: whatever a crash in the middle of a call leaves goes with the session.
func TestClearSockets(t *testing.T) {
	for _, rooms := range []int{0, 1, 40} {
		k := sessionstore.NewSocket{ID: "k", Namespace: "/", Auth: "{}", Data: map[string]string{"a": "1"}}
		for i := range rooms {
			k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprint("r", i)))
		}
		for _, c := range []struct {
			name string
			run  func(s *dynamostore.Store, k sessionstore.NewSocket) error
			put  bool
		}{
			{"put", func(s *dynamostore.Store, k sessionstore.NewSocket) error {
				return s.PutSocket(t.Context(), k, conn, wideSocket)
			}, false},
			{"remove", func(s *dynamostore.Store, k sessionstore.NewSocket) error {
				_, err := s.RemoveSocket(t.Context(), k.Row())
				return err
			}, true},
			{"join", func(s *dynamostore.Store, k sessionstore.NewSocket) error {
				err := s.Join(t.Context(), k.Row(), "another", conn, wideSocket)
				if err == nil {
					_, err = s.RemoveSocket(t.Context(), k.Row())
				}
				return err
			}, true},
		} {
			for after := range 4 {
				s, client := newFaulty(t)
				k.Session = newID()
				if c.put {
					must(t, s.PutSocket(t.Context(), k, conn, wideSocket))
				}
				client.next(append(make([]fault, after), reset, reset, reset, reset, reset, reset, reset, reset)...)
				err := c.run(s, k)
				client.next()
				_, _ = s.RemoveSocket(t.Context(), k.Row()) // if its row is there
				must(t, s.ClearSockets(t.Context(), k.Session))
				rest := items(t, client, k.Session)
				for _, room := range append(k.Rooms, "another") {
					if n := members(t, s, room); n != 0 {
						rest = append(rest, fmt.Sprint("member of ", room))
					}
				}
				if len(rest) > 0 {
					t.Errorf("%s with %d rooms, crash after %d calls (%v): left %v", c.name, rooms, after, err, rest)
				}
			}
		}
	}
}

// items are the sort keys in a session's partition.
func items(t *testing.T, c dynamostore.Client, id sessionstore.SessionID) []string {
	t.Helper()
	condition := "PK = :pk"
	out, err := c.Query(t.Context(), &dynamodb.QueryInput{
		TableName: new(table), KeyConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": &types.AttributeValueMemberS{Value: "S#" + string(id)},
		},
	})
	must(t, err)
	var keys []string
	for _, it := range out.Items {
		keys = append(keys, it["SK"].(*types.AttributeValueMemberS).Value)
	}
	return keys
}
