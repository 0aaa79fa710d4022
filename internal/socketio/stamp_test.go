package socketio_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

func TestStamp(t *testing.T) {
	for _, tt := range []struct{ name, packet, want string }{
		{"no arguments", `2["ev"]`, `2["ev","1.x"]`},
		{"one argument", `2["ev",1]`, `2["ev",1,"1.x"]`},
		{"an array at the end", `2["ev",[]]`, `2["ev",[],"1.x"]`},
		{"a bracket in a string at the end", `2["ev","]"]`, `2["ev","]","1.x"]`},
		{"brackets and quotes in the name", `2["[\"],[\"a\\",1]`, `2["[\"],[\"a\\",1,"1.x"]`},
		{"a name that is a number", `2[7]`, `2[7,"1.x"]`},
		{"an empty name", `2[""]`, `2["","1.x"]`},
		{"a namespace", `2/chat,["ev"]`, `2/chat,["ev","1.x"]`},
		{"a namespace with brackets", `2/[12],["ev"]`, `2/[12],["ev","1.x"]`},
		{"an attachment", `51-["ev",{"_placeholder":true,"num":0}]`, `51-["ev",{"_placeholder":true,"num":0},"1.x"]`},
		{
			"attachments in a namespace with a dash", `52-/a-b,["ev",{"_placeholder":true,"num":0}]`,
			`52-/a-b,["ev",{"_placeholder":true,"num":0},"1.x"]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := socketio.Stamp(tt.packet, "1.x"); !ok || got != tt.want {
				t.Errorf("got %s, %v, want %s", got, ok, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, packet string }{
		{"an event that asks", `212["ev"]`},
		{"an event that asks, in a namespace", `2/chat,0["ev"]`},
		{"an event with attachments that asks", `51-3["ev",{"_placeholder":true,"num":0}]`},
		{"a namespace with brackets, asks", `2/[12],3["ev"]`},
		{"an acknowledgement", `312["ev"]`},
		{"an acknowledgement with attachments", `61-3[{"_placeholder":true,"num":0}]`},
		{"CONNECT", `0{"sid":"a","pid":"b"}`},
		{"CONNECT of what looks like an event", `0["a"]`},
		{"DISCONNECT", `1/chat,`},
		{"CONNECT_ERROR", `4["a"]`},
		{"nothing", ``},
		{"a type", `2`},
		{"a bracket", `]`},
		{"no array", `2{"a":[]}`},
		{"a namespace that does not end", `2/["ev"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := socketio.Stamp(tt.packet, "1.x"); ok || got != tt.packet {
				t.Errorf("got %s, %v, want it unchanged", got, ok)
			}
		})
	}
}

// What is stamped is the packet that it was, with one argument more.
func FuzzStamp(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text, "1.x")
	}
	for _, text := range []string{
		`2["a]",["]"]]`, `2/[,["ev"]`, `25["ev"]`, `51-/a-b,["ev",{"_placeholder":true,"num":0}]`,
	} {
		f.Add(text, "zz:3.0")
	}
	f.Fuzz(func(t *testing.T, text, offset string) {
		p, attachments, err := socketio.Decode(text, socketio.Limits{})
		if quoted, qerr := json.Marshal(offset); err != nil || qerr != nil || string(quoted) != `"`+offset+`"` {
			return
		}
		if p.Type == socketio.Event || p.Type == socketio.BinaryEvent { // written as the server writes its own
			name, args, err := socketio.EventName(p.Data)
			if err != nil {
				return
			}
			p.Data = socketio.EventData(name, args)
		}
		p.Attachments = make([][]byte, attachments)
		encoded := p.Encode()
		stamped, ok := socketio.Stamp(encoded, offset)
		if want := (p.Type == socketio.Event || p.Type == socketio.BinaryEvent) && !p.HasID; ok != want {
			t.Fatalf("Stamp(%q): %v, want %v", encoded, ok, want)
		}
		if !ok {
			if stamped != encoded {
				t.Fatalf("%q became %q, which is not told", encoded, stamped)
			}
			return
		}
		again, n, err := socketio.Decode(stamped, socketio.Limits{MaxDepth: 1 << 20})
		if err != nil || n != attachments || again.Type != p.Type || again.Namespace != p.Namespace || again.HasID {
			t.Fatalf("%q became %q: %+v, %v", encoded, stamped, again, err)
		}
		before, err := socketio.SplitArray(p.Data)
		if err != nil {
			t.Fatal(err)
		}
		after, err := socketio.SplitArray(again.Data)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, json.RawMessage(`"`+offset+`"`))
		if !slices.EqualFunc(before, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q became %q: arguments %s, want %s", encoded, stamped, after, before)
		}
	})
}
