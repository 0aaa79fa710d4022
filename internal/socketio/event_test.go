package socketio_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

func TestEventBothWays(t *testing.T) {
	for _, tt := range []struct{ name, data, event, args string }{
		{"no arguments", `["ev"]`, "ev", `[]`},
		{"one argument", `["ev",1]`, "ev", `[1]`},
		{"several", `["ev",1,"b",{"c":[]},null]`, "ev", `[1,"b",{"c":[]},null]`},
		{"comma in the name", `["a,b",1]`, "a,b", `[1]`},
		{"bracket in the name", `["a]",1]`, "a]", `[1]`},
		{"quote and backslash in the name", `["a\"\\",1]`, `a"\`, `[1]`},
		{"name that HTML would escape", `["<&>"]`, "<&>", `[]`},
		{"name beyond ASCII", `["ß漢🙂",1]`, "ß漢🙂", `[1]`},
		{"empty name", `["",1]`, "", `[1]`},
		{"bracket at the end of an argument", `["ev","]"]`, "ev", `["]"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, args, err := socketio.EventName(json.RawMessage(tt.data))
			if err != nil || name != tt.event || string(args) != tt.args {
				t.Errorf("EventName(%s) = %q, %s, %v; want %q, %s", tt.data, name, args, err, tt.event, tt.args)
			}
			if got := socketio.EventData(tt.event, json.RawMessage(tt.args)); string(got) != tt.data {
				t.Errorf("EventData(%q, %s) = %s, want %s", tt.event, tt.args, got, tt.data)
			}
		})
	}
}

func TestEventNameSpellings(t *testing.T) {
	for _, tt := range []struct{ name, data, event, args string }{
		{"white space", " [ \"ev\" , 1 ] \n", "ev", `[ 1 ]`},
		{"white space, no arguments", "[ \"ev\" ]\t", "ev", `[]`},
		{"escapes", `["\u0065v\n",1]`, "ev\n", `[1]`},
		{"number", `[12,1]`, "12", `[1]`},
		{"number with an exponent", `[-1.5e+3]`, "-1500", `[]`},
		{"number with a fraction", `[1.50]`, "1.5", `[]`},
		{"number, very large", `[1E21]`, "1e+21", `[]`},
		{"number, very small", `[0.00000010]`, "1e-7", `[]`},
		{"number below zero of no size", `[-0.0]`, "0", `[]`},
		{"number beyond the range", `[-1e400]`, "-Infinity", `[]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, args, err := socketio.EventName(json.RawMessage(tt.data))
			if err != nil || name != tt.event || string(args) != tt.args {
				t.Errorf("EventName(%s) = %q, %s, %v; want %q, %s", tt.data, name, args, err, tt.event, tt.args)
			}
		})
	}
}

func TestEventNameRefuses(t *testing.T) {
	for _, data := range []string{
		"", " ", "[", "[]", "{}", `"ev"`, `["ev`, `["ev"`, `["ev",`, `["ev",]`, `["ev",1`, `["ev" 1]`, `["ev":1]`,
		`[null]`, `[true,1]`, `[["ev"]]`, `[-]`, `[,1]`, `["\x"]`,
	} {
		if name, args, err := socketio.EventName(json.RawMessage(data)); !errors.Is(err, socketio.ErrInvalidPayload) {
			t.Errorf("EventName(%q) = %q, %s, %v; want ErrInvalidPayload", data, name, args, err)
		}
	}
}

func TestEventNameLeavesDataAlone(t *testing.T) {
	data := json.RawMessage(`["ev",1]`)
	_, args, err := socketio.EventName(data)
	if err != nil {
		t.Fatal(err)
	}
	args[1] = '9'
	if string(data) != `["ev",1]` {
		t.Errorf("the event has become %s", data)
	}
}

func TestEventDataSpellings(t *testing.T) {
	for _, tt := range []struct{ name, event, args, want string }{
		{"nil", "ev", "", `["ev"]`},
		{"null", "ev", "null", `["ev"]`},
		{"white space", "ev", " [ 1, 2 ] ", `["ev",1, 2 ]`},
		{"white space, no arguments", "ev", "[ ]", `["ev"]`},
		{"control character", "a\x01b", "[]", `["a\u0001b"]`},
		{"not UTF-8", "a\xff", "[]", `["a` + `\ufffd` + `"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := socketio.EventData(tt.event, json.RawMessage(tt.args)); string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSplitArray(t *testing.T) {
	for _, tt := range []struct {
		name, array string
		want        []string
	}{
		{"empty", "[]", nil},
		{"empty with space", " [ \n] ", nil},
		{"one", "[1]", []string{"1"}},
		{
			"several", `["a,b" , {"c":[1,2]},[3], null,-1.5,true,false ]`,
			[]string{`"a,b"`, `{"c":[1,2]}`, `[3]`, "null", "-1.5", "true", "false"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := socketio.SplitArray(json.RawMessage(tt.array))
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, e := range got {
				parts = append(parts, string(e))
			}
			if !slices.Equal(parts, tt.want) {
				t.Errorf("got %q, want %q", parts, tt.want)
			}
		})
	}
}

func TestSplitArrayRefuses(t *testing.T) {
	for _, array := range []string{
		"", "1", "{}", "[", "[1", "[1,", "[1,]", "[,]", "[1 2]", "[1]]", "[1]x", `["a]`, "null",
	} {
		if got, err := socketio.SplitArray(json.RawMessage(array)); !errors.Is(err, socketio.ErrInvalidPayload) {
			t.Errorf("SplitArray(%q) = %q, %v; want ErrInvalidPayload", array, got, err)
		}
	}
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	if _, err := socketio.SplitArray(json.RawMessage(deep)); !errors.Is(err, socketio.ErrTooDeep) {
		t.Errorf("got %v, want ErrTooDeep", err)
	}
}

func TestIsReserved(t *testing.T) {
	for _, name := range []string{"", "Connect", "connect ", "connection", "message", "error", "ping"} {
		if socketio.IsReserved(name) {
			t.Errorf("%q is reserved, want it free", name)
		}
	}
	for _, name := range []string{
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
	} {
		if !socketio.IsReserved(name) {
			t.Errorf("%q is free, want it reserved", name)
		}
	}
}

// FuzzSplitArray holds the scanner against encoding/json: both must find the same texts valid, with the
// same elements.
func FuzzSplitArray(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[1,"a",{"b":null}]`, `[-0.1e+5]`, `["\ud83d\ude42"]`, "[\"\x7f\"]", `[01]`, `[1.]`, `[+1]`, `[{"a":1,}]`,
		`[tru]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := socketio.SplitArray(json.RawMessage(text))
		var want []json.RawMessage
		jsonErr := json.Unmarshal([]byte(text), &want)
		if null := strings.TrimSpace(text) == "null"; null {
			return // encoding/json takes it for an empty slice
		}
		if (err == nil) != (jsonErr == nil) {
			t.Fatalf("SplitArray(%q): %v, encoding/json: %v", text, err, jsonErr)
		}
		if err != nil {
			return
		}
		equal := slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) })
		if !equal {
			t.Fatalf("SplitArray(%q) = %q, want %q", text, got, want)
		}
	})
}

// FuzzEvent splits and joins whatever Decode lets pass.
func FuzzEvent(f *testing.F) {
	f.Add(`["ev",1,{"a":[]}]`)
	f.Add(`[ "\u0065v" , "x" ]`)
	f.Fuzz(func(t *testing.T, text string) {
		name, args, err := socketio.EventName(json.RawMessage(text)) // must not panic on anything
		p, _, decodeErr := socketio.Decode("2"+text, socketio.Limits{})
		if decodeErr != nil || len(p.Data) == 0 { // an event of nothing has no name
			return
		}
		data := string(p.Data) // text may start with an id
		if data != text {
			name, args, err = socketio.EventName(p.Data)
		}
		if err != nil {
			t.Fatalf("EventName(%q): %v", data, err)
		}
		again := socketio.EventData(name, args)
		name2, args2, err := socketio.EventName(again)
		if err != nil || name2 != name || strings.TrimSpace(string(args2)[1:]) != strings.TrimSpace(string(args)[1:]) ||
			!json.Valid(again) {
			t.Fatalf("%q: %q, %s came back as %q, %s, %v", data, name, args, name2, args2, err)
		}
	})
}
