// Package nonsticktest tests the handlers of an application without a server, a network or a client of JavaScript: in
// the process of the test, on a store in memory.
//
//	func TestSay(t *testing.T) {
//		io := nonsticktest.New(t, register)
//		ann, bob := io.Connect(map[string]string{"token": "secret"}), io.Connect(nil)
//		if n := nonsticktest.Ask[int](ann, "say", "hello"); n != 5 {
//			t.Errorf("acknowledged with %d", n)
//		}
//		if text := nonsticktest.Next[string](bob, "said"); text != "hello" {
//			t.Errorf("bob was told %q", text)
//		}
//	}
//
// Clients speak Socket.IO on WebSocket. They are never pinged, and never time out. What real clients and transports
// do is for tests from outside.
package nonsticktest
