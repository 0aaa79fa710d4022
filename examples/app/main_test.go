package main

import (
	"testing"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/nonsticktest"
)

type auth struct{ Token, Name string }

func TestSay(t *testing.T) {
	io := nonsticktest.New(t, register)
	ann, bob := io.Connect(auth{token, "Ann"}), io.Connect(auth{token, "Bob"})
	if n := nonsticktest.Ask[int](ann, "say", "hello"); n != 5 {
		t.Errorf("acknowledged with %d", n)
	}
	for _, c := range []*nonsticktest.Client{ann, bob} {
		said := nonsticktest.Next[nonstick.Args2[string, string]](c, "said")
		if said.First != "Ann" || said.Second != "hello" {
			t.Errorf("said %+v", said)
		}
	}
}

func TestRefused(t *testing.T) {
	io := nonsticktest.New(t, register)
	if _, err := io.TryConnect("/", auth{"guess", "Eve"}); err == nil || err.Error() != "unauthorized" {
		t.Errorf("a client without the token: %v", err)
	}
	ann := io.Connect(auth{token, "Ann"})
	if told := nonsticktest.Ask[nonstick.Error](ann, "say", ""); told.Message != "say something" {
		t.Errorf("nothing said: %+v", told)
	}
}
