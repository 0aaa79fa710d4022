package socketio_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// token returns the JSON of a Binary of this process.
func token(t testing.TB, b string) string {
	t.Helper()
	text, err := json.Marshal(socketio.Binary(b))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExtract(t *testing.T) {
	one, two := token(t, "\x01\x02\xff"), token(t, "two")
	bare := strings.Trim(one, `"`)
	for _, tt := range []struct {
		name, in, want string
		attachments    []string
	}{
		{"none", `["a",{"b":"c"}]`, `["a",{"b":"c"}]`, nil},
		{"alone", one, placed("0"), []string{"\x01\x02\xff"}},
		{"argument", `["a",` + one + `]`, `["a",` + placed("0") + `]`, []string{"\x01\x02\xff"}},
		{
			"in order", `[` + one + `,{"x":[` + two + `,1]},` + one + `]`,
			`[` + placed("0") + `,{"x":[` + placed("1") + `,1]},` + placed("2") + `]`,
			[]string{"\x01\x02\xff", "two", "\x01\x02\xff"},
		},
		{"empty", `[` + token(t, "") + `]`, `[` + placed("0") + `]`, []string{""}},
		{"longer string", `["a` + bare + `"]`, `["a` + bare + `"]`, nil},
		{"after an escaped quote", `["\"` + bare + `"]`, `["\"` + bare + `"]`, nil},
		{"after an escaped backslash", `["\\",` + one + `]`, `["\\",` + placed("0") + `]`, []string{"\x01\x02\xff"}},
		{"not base64", `["` + bare + `!"]`, `["` + bare + `!"]`, nil},
		{"key", `{` + one + `:` + two + `}`, `{` + one + `:` + placed("0") + `}`, []string{"two"}},
		{"a placeholder of the application", `[` + placed("0") + `]`, `[` + placed("0") + `]`, nil},
		{"no JSON", `[` + one + `,"x`, `[` + placed("0") + `,"x`, []string{"\x01\x02\xff"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, attachments := socketio.Extract(json.RawMessage(tt.in))
			var texts []string
			for _, a := range attachments {
				texts = append(texts, string(a))
			}
			if string(got) != tt.want || !reflect.DeepEqual(texts, tt.attachments) {
				t.Errorf("got  %s with %q\nwant %s with %q", got, texts, tt.want, tt.attachments)
			}
		})
	}
}

func TestExtractWithoutBinaryIsFree(t *testing.T) {
	data := json.RawMessage(`["message","hello"]`)
	allocs := testing.AllocsPerRun(10, func() {
		if got, _ := socketio.Extract(data); &got[0] != &data[0] {
			t.Fatal("the data was copied")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func TestSubstitute(t *testing.T) {
	attachments := [][]byte{{1, 2, 3, 4}, []byte("two")}
	for _, tt := range []struct{ name, in, want string }{
		{"none", `["a",{"b":1}]`, `["a",{"b":1}]`},
		{"one", `[` + placed("0") + `]`, `["AQIDBA=="]`},
		{"alone", placed("1"), `"dHdv"`},
		{
			"in the depth, out of order", `[{"x":[` + placed("1") + `]},` + placed("0") + `,1]`,
			`[{"x":["dHdv"]},"AQIDBA==",1]`,
		},
		{"white space and order of the keys", `[ { "num" : 1 , "_placeholder" : true } ]`, `[ "dHdv" ]`},
		{"more keys", `[{"_placeholder":true,"num":1,"x":{"y":2}}]`, `["dHdv"]`},
		{"escaped key", `[{"\u005fplaceholder":true,"n\u0075m":1}]`, `["dHdv"]`},
		{
			"last of repeated keys", `[{"_placeholder":true,"_placeholder":false,"num":1}]`,
			`[{"_placeholder":true,"_placeholder":false,"num":1}]`,
		},
		{"last of repeated numbers", `[{"_placeholder":true,"num":7,"num":1}]`, `["dHdv"]`},
		{
			"placeholder in a placeholder",
			`[{"_placeholder":true,"num":0,"x":` + placed("1") + `},` + placed("1") + `]`, `["AQIDBA==","dHdv"]`,
		},
		{
			"equal text in a string", `["{\"_placeholder\":true,\"num\":0}",` + placed("0") + `]`,
			`["{\"_placeholder\":true,\"num\":0}","AQIDBA=="]`,
		},
		{"in a key", `[{"{\"_placeholder\":true,\"num\":0}":1}]`, `[{"{\"_placeholder\":true,\"num\":0}":1}]`},
		{"as text", `[{"_placeholder":"true","num":0}]`, `[{"_placeholder":"true","num":0}]`},
		{"twice", `[` + placed("1") + `,` + placed("1") + `]`, `["dHdv","dHdv"]`},
		{
			"other spellings of numbers", `[` + placed("1.0") + `,` + placed("10e-1") + `,` + placed("-0") + `]`,
			`["dHdv","dHdv","AQIDBA=="]`,
		},
		{"between two attachments", `[` + placed("0.5") + `]`, `[null]`},
		{"other case", `[{"_Placeholder":true,"num":0}]`, `[{"_Placeholder":true,"num":0}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := socketio.Substitute(json.RawMessage(tt.in), attachments)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestSubstituteRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"no such attachment", `[` + placed("1") + `]`, socketio.ErrIllegalAttachments},
		{"negative", `[` + placed("-1") + `]`, socketio.ErrIllegalAttachments},
		{"number as text", `[` + placed(`"0"`) + `]`, socketio.ErrIllegalAttachments},
		{"beyond numbers", `[` + placed("1e999") + `]`, socketio.ErrIllegalAttachments},
		{"no number", `[{"_placeholder":true}]`, socketio.ErrIllegalAttachments},
		{"no JSON", `[` + placed("0"), socketio.ErrInvalidPayload},
		{"nothing", ``, socketio.ErrInvalidPayload},
		{"too deep", strings.Repeat("[", 10_001), socketio.ErrTooDeep},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := socketio.Substitute(json.RawMessage(tt.in), [][]byte{{1}})
			if !errors.Is(err, tt.want) || !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Errorf("got %s, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestSubstituteBounded names one attachment so often that its copies would fill the memory.
func TestSubstituteBounded(t *testing.T) {
	args := json.RawMessage(`[` + strings.Repeat(placed("0")+",", 1000) + `1]`)
	if _, err := socketio.Substitute(
		args, [][]byte{make([]byte, socketio.MaxSubstituted/1000)},
	); !errors.Is(
		err, socketio.ErrTooLarge,
	) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := socketio.Substitute(args, [][]byte{make([]byte, socketio.MaxSubstituted/2000)}); err != nil {
		t.Error(err)
	}
}

func TestAttach(t *testing.T) {
	for _, tt := range []struct{ name, data, want, attachments string }{
		{
			"in order", `["a",` + placed("0") + `,` + placed("1") + `]`,
			`["a",` + placed("0") + `,` + placed("1") + `]`, "[one two]",
		},
		{
			"out of order", `["a",` + placed("1") + `,` + placed("0") + `]`,
			`["a",` + placed("0") + `,` + placed("1") + `]`, "[two one]",
		},
		{"one is not used", `["a",` + placed("1") + `]`, `["a",` + placed("0") + `]`, "[two]"},
		{"none is used", `["a"]`, `["a"]`, "[]"},
		{
			"one twice", `["a",` + placed("1") + `,` + placed("1") + `]`,
			`["a",` + placed("0") + `,` + placed("0") + `]`, "[two]",
		},
		{
			"other spellings", `["a",{"num":1e0,"x":1,"_placeholder":true},` + placed("0.5") + `]`,
			`["a",` + placed("0") + `,null]`, "[two]",
		},
		{"no payload", "", "", "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, n, err := socketio.Decode("52-"+tt.data, socketio.Limits{})
			if err != nil || n != 2 {
				t.Fatalf("%d, %v", n, err)
			}
			got, err := p.Attach([][]byte{[]byte("one"), []byte("two")})
			if err != nil || string(got.Data) != tt.want || fmt.Sprintf("%s", got.Attachments) != tt.attachments {
				t.Errorf("got %s with %s, %v; want %s with %s", got.Data, got.Attachments, err, tt.want, tt.attachments)
			}
		})
	}
	if _, err := (socketio.Packet{Data: json.RawMessage(`[` + placed("0") + `]`)}).Attach(
		nil,
	); !errors.Is(
		err, socketio.ErrIllegalAttachments,
	) {
		t.Errorf("without attachments: %v", err)
	}
}

// TestBinaryThere and back: what a handler returns as Binary, another reads as []byte or Binary.
func TestBinaryThereAndBack(t *testing.T) {
	type message struct {
		Name  string
		Image socketio.Binary
		Thumb []byte
	}
	sent := []message{
		{Name: "a", Image: socketio.Binary{0, 1, 0xfb, 0xff}},
		{Name: "b"},
		{Name: "c", Image: socketio.Binary{}},
	}
	args, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	data, attachments := socketio.Extract(args)
	if len(attachments) != 2 {
		t.Fatalf("%d attachments in %s, want 2", len(attachments), data)
	}
	p := socketio.Packet{Type: socketio.BinaryAck, ID: 1, HasID: true, Data: data, Attachments: attachments}
	got, n, err := socketio.Decode(p.Encode(), socketio.Limits{})
	if err != nil || n != 2 {
		t.Fatalf("decoded %+v with %d attachments, %v", got, n, err)
	}
	back, err := socketio.Substitute(got.Data, attachments)
	if err != nil {
		t.Fatal(err)
	}
	var received []message
	if err := json.Unmarshal(back, &received); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(received, sent) {
		t.Errorf("got %+v, want %+v", received, sent)
	}
	var plain []struct{ Image []byte }
	if err := json.Unmarshal(back, &plain); err != nil || !bytes.Equal(plain[0].Image, sent[0].Image) {
		t.Errorf("as []byte got %v, %v; want %v", plain, err, sent[0].Image)
	}
}

func TestBinaryRefuses(t *testing.T) {
	for _, in := range []string{`1`, `{}`, `"!"`, token(t, "abc")} {
		var b socketio.Binary
		if err := json.Unmarshal([]byte(in), &b); err == nil {
			t.Errorf("%s was read as %v, want an error", in, b)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte("abc"), `"x"`)
	f.Add([]byte{}, `["\\","\"",{"a":1}]`)
	f.Fuzz(func(t *testing.T, attachment []byte, other string) {
		if !json.Valid([]byte(other)) || strings.Contains(other, "placeholder") || strings.Contains(other, `\u`) {
			return
		}
		binary := token(t, string(attachment))
		in := `[` + other + `,` + binary + `,` + other + `]`
		out, attachments := socketio.Extract(json.RawMessage(in))
		if len(attachments) != 1 || !bytes.Equal(attachments[0], attachment) {
			t.Fatalf("%s: attachments %q, want %q", in, attachments, attachment)
		}
		back, err := socketio.Substitute(out, attachments)
		if err != nil {
			t.Fatal(err)
		}
		want := `[` + other + `,"` + base64.StdEncoding.EncodeToString(attachment) + `",` + other + `]`
		if string(back) != want {
			t.Fatalf("got %s, want %s", back, want)
		}
	})
}

func FuzzSubstitute(f *testing.F) {
	f.Add(`[` + placed("0") + `]`)
	f.Add(`[{"x":{"_placeholder":true,"num":1,"y":[]}}]`)
	f.Fuzz(func(t *testing.T, args string) {
		got, err := socketio.Substitute(json.RawMessage(args), [][]byte{{1}, {2}})
		if err != nil {
			if !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Fatalf("Substitute(%q): %v does not match ErrInvalidPacket", args, err)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("Substitute(%q) = %q, no JSON", args, got)
		}
		if again, err := socketio.Substitute(got, nil); err != nil || string(again) != string(got) {
			t.Fatalf("Substitute(%q) left placeholders in %q: %v", args, got, err)
		}
	})
}
