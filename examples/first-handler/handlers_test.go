package main

import (
	"testing"

	"github.com/nonstick-io/nonstick/nonsticktest"
)

func TestSay(t *testing.T) {
	io := nonsticktest.New(t, register)
	ann, bob := io.Connect(nil), io.Connect(nil)
	if n := nonsticktest.Ask[int](ann, "say", "hello"); n != 5 {
		t.Errorf("acknowledged with %d", n)
	}
	if text := nonsticktest.Next[string](bob, "said"); text != "hello" {
		t.Errorf("bob was told %q", text)
	}
}
