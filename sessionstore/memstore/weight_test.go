package memstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/memstore"
)

// A store that is full takes no further session and no further socket, and those that it has go on. Room that is
// made is used again.
func TestFull(t *testing.T) {
	s := memstore.New(memstore.Options{MaxBytes: 1 << 20})
	create := func(id string) error {
		return s.Create(t.Context(), sessionstore.NewSession{
			ID: sessionstore.SessionID(
				id,
			),
			Transport: sessionstore.Polling, Handshake: sessionstore.Handshake{URL: strings.Repeat("u", 10<<10)},
		})
	}
	k := sessionstore.NewSocket{ID: "k", Session: "0", Namespace: "/"}
	n := 0
	for ; ; n++ {
		err := create(fmt.Sprint(n))
		if errors.Is(err, sessionstore.ErrFull) && !sessionstore.InDoubt(err) {
			break
		}
		if n == 0 {
			err = errors.Join(err, s.PutSocket(t.Context(), k, conn, wideSocket))
		}
		if err != nil || n > 1000 {
			t.Fatalf("session %d: %v", n, err)
		}
	}
	if n < 80 || n > 100 {
		t.Errorf("%d sessions of some 11 KB in a store of 1 MB", n)
	}
	other := k
	other.Namespace = "/other"
	if err := s.PutSocket(t.Context(), other, conn, wideSocket); !errors.Is(err, sessionstore.ErrFull) {
		t.Errorf("a socket: %v", err)
	}
	lease := sessionstore.Lease{Owner: "me", Until: start}
	var errs []error
	for _, id := range []sessionstore.SessionID{"1", "2"} {
		_, err := s.Close(t.Context(), sessionstore.CloseRequest{Session: id, Handler: lease})
		errs = append(errs, err, s.Finish(t.Context(), id, "me", start)) // which drops the handshake
	}
	err := errors.Join(append(
		errs,
		s.Deliver(t.Context(), "0", []sessionstore.Packet{{ID: "p", Frames: []string{"4x"}}}, wide),
		s.Join(t.Context(), k.Row(), "r", conn, wideSocket),
		create("in their place"),
	)...)
	if err != nil {
		t.Error(err)
	}
	if got, want := s.Bytes(), s.Recount(); got != want {
		t.Errorf("holds %d bytes, and counts %d", want, got)
	}
}

func TestNoLimit(t *testing.T) {
	s := memstore.New(memstore.Options{MaxBytes: -1})
	for i := range 10 {
		h := sessionstore.Handshake{URL: strings.Repeat("u", 1<<10)}
		if err := s.Create(
			t.Context(), sessionstore.NewSession{ID: sessionstore.SessionID(fmt.Sprint(i)), Handshake: h},
		); err != nil {
			t.Error(err)
		}
	}
}
