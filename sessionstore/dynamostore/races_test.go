package dynamostore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
	k := sessionstore.Socket{ID: "winner", Session: newID(), Namespace: "/", Rooms: []sessionstore.Room{"r"}}
	must(t, s.PutSocket(t.Context(), k, conn))
	checkOutcome(t, s.PutSocket(t.Context(), k, conn), sessionstore.ErrExists)
	if n := members(t, s, "r"); n != 1 {
		t.Errorf("%d members", n)
	}
	_, err := s.Member(t.Context(), "/", k.ID)
	must(t, err)

	loser := k
	loser.ID = "loser"
	checkOutcome(t, s.PutSocket(t.Context(), loser, conn), sessionstore.ErrExists)
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
	must(t, s.PutAck(t.Context(), a))
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
	k := sessionstore.Socket{ID: "k", Session: newID(), Namespace: "/"}
	for i := range 40 {
		k.Rooms = append(k.Rooms, sessionstore.Room(fmt.Sprint("r", i)))
	}
	c.next(nil, throttled, throttled, throttled, throttled, throttled)
	checkOutcome(t, s.PutSocket(t.Context(), k, conn), errDoubt)
	c.next()
	if n := members(t, s, "r0") + members(t, s, "r39"); n != 1 {
		t.Errorf("rows of %d batches of 2", n)
	}
}
