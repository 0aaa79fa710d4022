package socketio_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

func placed(num string) string { return `{"_placeholder":true,"num":` + num + `}` }

// vectors pass both directions of the codec.
var vectors = []struct {
	name        string
	text        string
	packet      socketio.Packet
	attachments int
}{
	{"connect", "0", socketio.Packet{Type: socketio.Connect, Namespace: "/"}, 0},
	{
		"connect with credentials", `0{"token":"x"}`,
		socketio.Packet{Type: socketio.Connect, Namespace: "/", Data: json.RawMessage(`{"token":"x"}`)},
		0,
	},
	{"connect to a namespace", "0/admin,", socketio.Packet{Type: socketio.Connect, Namespace: "/admin"}, 0},
	{
		"connect to a namespace with credentials", `0/admin,{}`,
		socketio.Packet{Type: socketio.Connect, Namespace: "/admin", Data: json.RawMessage(`{}`)},
		0,
	},
	{"connect with an id", "07", socketio.Packet{Type: socketio.Connect, Namespace: "/", ID: 7, HasID: true}, 0},
	{
		"a query belongs to the namespace", "0/admin?a=b,",
		socketio.Packet{Type: socketio.Connect, Namespace: "/admin?a=b"},
		0,
	},
	{"a namespace beyond ASCII", "0/ümlaut🙂,", socketio.Packet{Type: socketio.Connect, Namespace: "/ümlaut🙂"}, 0},
	{"disconnect", "1", socketio.Packet{Type: socketio.Disconnect, Namespace: "/"}, 0},
	{"disconnect from a namespace", "1/admin,", socketio.Packet{Type: socketio.Disconnect, Namespace: "/admin"}, 0},
	{"event of nothing", "2", socketio.Packet{Type: socketio.Event, Namespace: "/"}, 0},
	{
		"event of nothing but an id", "212",
		socketio.Packet{Type: socketio.Event, Namespace: "/", ID: 12, HasID: true},
		0,
	},
	{
		"event", `2["hello",1]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`["hello",1]`)},
		0,
	},
	{
		"event in a namespace", `2/admin,["a,b"]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/admin", Data: json.RawMessage(`["a,b"]`)},
		0,
	},
	{
		"event with an id", `2/admin,456["hello"]`,
		socketio.Packet{
			Type: socketio.Event, Namespace: "/admin", ID: 456, HasID: true, Data: json.RawMessage(`["hello"]`),
		},
		0,
	},
	{
		"event with id 0", `20["hello"]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/", HasID: true, Data: json.RawMessage(`["hello"]`)},
		0,
	},
	{
		"event with the highest id", `29007199254740991["hello"]`,
		socketio.Packet{
			Type: socketio.Event, Namespace: "/", ID: socketio.MaxID, HasID: true, Data: json.RawMessage(`["hello"]`),
		},
		0,
	},
	{
		"event with a number for a name", `2[-1.5e3,null]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`[-1.5e3,null]`)},
		0,
	},
	{
		"event with white space", "2[ \"a\" ,\n{ } ] ",
		socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage("[ \"a\" ,\n{ } ] ")},
		0,
	},
	{
		"event with an empty name", `2[""]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`[""]`)},
		0,
	},
	{
		"text that looks like a placeholder in a plain event", `2["a",` + placed("9") + `]`,
		socketio.Packet{Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`["a",` + placed("9") + `]`)},
		0,
	},
	{
		"ack", `312["ok"]`,
		socketio.Packet{Type: socketio.Ack, Namespace: "/", ID: 12, HasID: true, Data: json.RawMessage(`["ok"]`)},
		0,
	},
	{
		"ack without arguments", `3/admin,12[]`,
		socketio.Packet{Type: socketio.Ack, Namespace: "/admin", ID: 12, HasID: true, Data: json.RawMessage(`[]`)},
		0,
	},
	{
		"an ack may start with a reserved name", `31["connect"]`,
		socketio.Packet{Type: socketio.Ack, Namespace: "/", ID: 1, HasID: true, Data: json.RawMessage(`["connect"]`)},
		0,
	},
	{
		"connect error", `4{"message":"no"}`,
		socketio.Packet{Type: socketio.ConnectError, Namespace: "/", Data: json.RawMessage(`{"message":"no"}`)},
		0,
	},
	{
		"connect error as text", `4/admin,"no"`,
		socketio.Packet{Type: socketio.ConnectError, Namespace: "/admin", Data: json.RawMessage(`"no"`)},
		0,
	},
	{
		"binary event", `51-["a",` + placed("0") + `]`,
		socketio.Packet{Type: socketio.BinaryEvent, Namespace: "/", Data: json.RawMessage(`["a",` + placed("0") + `]`)},
		1,
	},
	{
		"binary event with everything", `510-/nsp,12["a",` + placed("9") + `,{"x":[` + placed("0") + `]}]`,
		socketio.Packet{
			Type: socketio.BinaryEvent, Namespace: "/nsp", ID: 12, HasID: true,
			Data: json.RawMessage(`["a",` + placed("9") + `,{"x":[` + placed("0") + `]}]`),
		},
		10,
	},
	{
		"binary event that uses no attachment", `52-["a"]`,
		socketio.Packet{Type: socketio.BinaryEvent, Namespace: "/", Data: json.RawMessage(`["a"]`)},
		2,
	},
	{
		"not a placeholder: another value", `51-["a",{"_placeholder":1,"num":7}]`,
		socketio.Packet{
			Type: socketio.BinaryEvent, Namespace: "/", Data: json.RawMessage(`["a",{"_placeholder":1,"num":7}]`),
		},
		1,
	},
	{
		"binary ack", `61-/nsp,3[` + placed("0") + `]`,
		socketio.Packet{
			Type: socketio.BinaryAck, Namespace: "/nsp", ID: 3, HasID: true,
			Data: json.RawMessage(`[` + placed("0") + `]`),
		},
		1,
	},
}

func TestPacketBothWays(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			got, attachments, err := socketio.Decode(v.text, socketio.Limits{})
			if err != nil || attachments != v.attachments || !reflect.DeepEqual(got, v.packet) {
				t.Errorf(
					"Decode(%q) = %+v, %d, %v; want %+v, %d", v.text, got, attachments, err, v.packet, v.attachments,
				)
			}
			p := v.packet
			p.Attachments = make([][]byte, v.attachments)
			if got := p.Encode(); got != v.text {
				t.Errorf("Encode(%+v) = %q, want %q", p, got, v.text)
			}
		})
	}
}

// TestDecodeSpellings has what Decode reads and Encode spells otherwise.
func TestDecodeSpellings(t *testing.T) {
	for _, tt := range []struct{ name, text, canonical string }{
		{"no comma after the last namespace", "0/custom", "0/custom,"},
		{"no comma on disconnect", "1/custom", "1/custom,"},
		{"main namespace spelled out", `2/,["a"]`, `2["a"]`},
		{"main namespace spelled out at the end", "0/", "0"},
		{"zeros before the id", `2007["a"]`, `27["a"]`},
		{"a blank for a type", ` {"a":1}`, `0{"a":1}`},
		{"a blank for an id", `2 ["a"]`, `20["a"]`},
		{"blanks around the id", "2\t 1\ufeff[\"a\"]", `21["a"]`},
		{"a blank between digits: no id", `21 2["a"]`, `2["a"]`},
		{"an id past the integers of JavaScript", `29007199254740993["a"]`, `29007199254740992["a"]`},
		{"an id past 63 bits", `218446744073709549568["a"]`, `218446744073709550000["a"]`},
		{"an id past 64 bits: none", `218446744073709551616["a"]`, `2["a"]`},
		{"an id past any number: none", `2` + strings.Repeat("9", 400) + `["a"]`, `2["a"]`},
		{"ack without payload", `31`, `31`},
		{"ack without anything", `3`, `3`},
		{"connect error without payload", `4`, `4`},
		{"control characters in the namespace", "0/a\n\x00,", "0/a\n\x00,"},
		{"a namespace of any length", "0/" + strings.Repeat("x", 5000), "0/" + strings.Repeat("x", 5000) + ","},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _, err := socketio.Decode(tt.text, socketio.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Encode(); got != tt.canonical {
				t.Errorf("%q came back as %q, want %q", tt.text, got, tt.canonical)
			}
		})
	}
	if got := (socketio.Packet{Type: socketio.Connect}).Encode(); got != "0" {
		t.Errorf("without a namespace got %q, want 0", got)
	}
}

// TestAttachmentCounts has what JavaScript's Number reads as 1 or 10.
func TestAttachmentCounts(t *testing.T) {
	for text, want := range map[string]int{
		"1": 1, "01": 1, "+1": 1, " 1": 1, "1 ": 1, "\ufeff1": 1, "1.0": 1, "1.": 1, ".1e1": 1, "1e0": 1, "0x1": 1,
		"0X1": 1,
		"0b1": 1, "0o1": 1, "0xa": 10, "1e1": 10, "1E+1": 10, "0b1010": 10, "0o12": 10, "\u2003\n10\u3000": 10,
	} {
		p, n, err := socketio.Decode("5"+text+`-/a,3["a"]`, socketio.Limits{})
		if err != nil || n != want || p.Namespace != "/a" || p.ID != 3 {
			t.Errorf("%q: got %d, %+v, %v; want %d", text, n, p, err, want)
		}
	}
	if p, n, err := socketio.Decode("51-", socketio.Limits{}); err != nil || n != 1 || p.Data != nil {
		t.Errorf("without payload: got %d, %+v, %v", n, p, err)
	}
}

var refused = []struct {
	name, text string
	want       error
}{
	{"nothing", "", socketio.ErrUnknownType},
	{"type 7", "7", socketio.ErrUnknownType},
	{"letter", "a", socketio.ErrUnknownType},
	{"slash, before 0", "/", socketio.ErrUnknownType},

	{"no attachments", `5["a"]`, socketio.ErrIllegalAttachments},
	{"empty attachments", `5-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments without their end", "51", socketio.ErrIllegalAttachments},
	{"zero attachments", `50-["a"]`, socketio.ErrIllegalAttachments},
	{"half an attachment", `51.5-["a"]`, socketio.ErrIllegalAttachments},
	{"negative attachments", `5-1-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments of an ack", `6-[]`, socketio.ErrIllegalAttachments},
	{"one attachment too many", `511-["a"]`, socketio.ErrTooManyAttachments},
	{"attachments past any integer", `5` + strings.Repeat("9", 40) + `-["a"]`, socketio.ErrTooManyAttachments},
	{"attachments past any number", `5` + strings.Repeat("9", 400) + `-["a"]`, socketio.ErrIllegalAttachments},
	{"ten attachments too many", `52e1-["a"]`, socketio.ErrTooManyAttachments},
	{"blank attachments", `5 -["a"]`, socketio.ErrIllegalAttachments},
	{"attachments in digits of another script", `5１-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments with a separator", `51_0-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments as a big integer", `51n-["a"]`, socketio.ErrIllegalAttachments},
	{"endless attachments", `5Infinity-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments of strconv's words", `5inf-["a"]`, socketio.ErrIllegalAttachments},
	{"a base and nothing", `50x-["a"]`, socketio.ErrIllegalAttachments},
	{"a signed base", `5+0x1-["a"]`, socketio.ErrIllegalAttachments},
	{"half an exponent", `51e-["a"]`, socketio.ErrIllegalAttachments},
	{"attachments after a line separator of other languages", "5\u00851-[\"a\"]", socketio.ErrIllegalAttachments},

	{"placeholder out of range", `51-["a",` + placed("1") + `]`, socketio.ErrIllegalAttachments},
	{"negative placeholder", `51-["a",` + placed("-1") + `]`, socketio.ErrIllegalAttachments},
	{"placeholder as text", `51-["a",` + placed(`"0"`) + `]`, socketio.ErrIllegalAttachments},
	{
		"placeholder past any integer", `51-["a",` + placed(strings.Repeat("9", 40)) + `]`,
		socketio.ErrIllegalAttachments,
	},
	{"placeholder without a number", `51-["a",{"_placeholder":true}]`, socketio.ErrIllegalAttachments},
	{"placeholder with an escaped key", `51-["a",{"\u005fplaceholder":true,"num":1}]`, socketio.ErrIllegalAttachments},
	{"placeholder in the depth", `51-["a",{"x":[{"y":` + placed("1") + `}]}]`, socketio.ErrIllegalAttachments},

	{"namespace not UTF-8", "0/a\xffb,", socketio.ErrInvalidNamespace},

	{"letters in the id", `2abc["a"]`, socketio.ErrInvalidPayload},
	{"letters after the id", `21a["a"]`, socketio.ErrInvalidPayload},
	{"negative id", `2-1["a"]`, socketio.ErrInvalidPayload},

	{"connect with text", `0"x"`, socketio.ErrInvalidPayload},
	{"connect with null", `0null`, socketio.ErrInvalidPayload},
	{"connect with an array", `0[]`, socketio.ErrInvalidPayload},
	{"disconnect with an object", `1{}`, socketio.ErrInvalidPayload},
	{"event with an object", `2{"a":1}`, socketio.ErrInvalidPayload},
	{"event with text", `2"a"`, socketio.ErrInvalidPayload},
	{"event without a name", `2[]`, socketio.ErrInvalidPayload},
	{"event named null", `2[null]`, socketio.ErrInvalidPayload},
	{"event named true", `2[true]`, socketio.ErrInvalidPayload},
	{"event named by an object", `2[{}]`, socketio.ErrInvalidPayload},
	{"event named by an array", `2[["a"]]`, socketio.ErrInvalidPayload},
	{"event named by an attachment", `51-[` + placed("0") + `]`, socketio.ErrInvalidPayload},
	{"ack with an object", `31{}`, socketio.ErrInvalidPayload},
	{"connect error with an array", `4[]`, socketio.ErrInvalidPayload},
	{"connect error with true", `4/a,true`, socketio.ErrInvalidPayload},

	{"array without its end", `2["a"`, socketio.ErrInvalidPayload},
	{"text without its end", `2["a`, socketio.ErrInvalidPayload},
	{"something after the array", `2["a"]x`, socketio.ErrInvalidPayload},
	{"two arrays", `2["a"]["b"]`, socketio.ErrInvalidPayload},
	{"comma at the end", `2["a",]`, socketio.ErrInvalidPayload},
	{"no comma", `2["a" "b"]`, socketio.ErrInvalidPayload},
	{"bad escape", `2["\x"]`, socketio.ErrInvalidPayload},
	{"short escape", `2["\u12"]`, socketio.ErrInvalidPayload},
	{"line break in text", "2[\"a\nb\"]", socketio.ErrInvalidPayload},
	{"bad number", `2["a",01]`, socketio.ErrInvalidPayload},
	{"bad word", `2["a",nul]`, socketio.ErrInvalidPayload},
	{"key without quotes", `2["a",{b:1}]`, socketio.ErrInvalidPayload},
	{"payload not UTF-8", "2[\"a\xff\"]", socketio.ErrInvalidPayload},

	{"reserved: connect", `2["connect"]`, socketio.ErrReservedEvent},
	{"reserved: connect_error", `2["connect_error"]`, socketio.ErrReservedEvent},
	{"reserved: disconnect", `2["disconnect",1]`, socketio.ErrReservedEvent},
	{"reserved: disconnecting", `2["disconnecting"]`, socketio.ErrReservedEvent},
	{"reserved: newListener", `2["newListener"]`, socketio.ErrReservedEvent},
	{"reserved: removeListener", `2[ "removeListener"]`, socketio.ErrReservedEvent},
	{"reserved with an escape", `2["\u0063onnect"]`, socketio.ErrReservedEvent},
	{"reserved in a binary event", `51-["connect",` + placed("0") + `]`, socketio.ErrReservedEvent},

	{"arrays too deep", `2["a",` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `]`, socketio.ErrTooDeep},
	{
		"objects too deep", `2["a",` + strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat("}", 1000) + `]`,
		socketio.ErrTooDeep,
	},
	{"a megabyte of brackets", `2["a",` + strings.Repeat("[", 1<<20), socketio.ErrTooDeep},
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			p, n, err := socketio.Decode(tt.text, socketio.Limits{})
			if !errors.Is(err, tt.want) || !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Errorf("Decode(%.80q) = %+v, %v; want %v", tt.text, p, err, tt.want)
			}
			if n != 0 || !reflect.DeepEqual(p, socketio.Packet{}) {
				t.Errorf("a refused packet left %+v with %d attachments", p, n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	nested := func(depth int) string {
		return `2["a",` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `]`
	}
	for _, tt := range []struct {
		name, text string
		limits     socketio.Limits
		want       error
	}{
		{"depth at the default", nested(1000), socketio.Limits{}, nil},
		{"depth over the default", nested(1001), socketio.Limits{}, socketio.ErrTooDeep},
		{"depth at the limit", nested(3), socketio.Limits{MaxDepth: 3}, nil},
		{"depth over the limit", nested(4), socketio.Limits{MaxDepth: 3}, socketio.ErrTooDeep},
		{"depth at the hard limit", nested(10_000), socketio.Limits{MaxDepth: 1 << 30}, nil},
		{"depth over the hard limit", nested(10_001), socketio.Limits{MaxDepth: 1 << 30}, socketio.ErrTooDeep},
		{"attachments at the limit", `52-["a"]`, socketio.Limits{MaxAttachments: 2}, nil},
		{"attachments over the limit", `53-["a"]`, socketio.Limits{MaxAttachments: 2}, socketio.ErrTooManyAttachments},
		{"more attachments than the default", `5100-["a"]`, socketio.Limits{MaxAttachments: 100}, nil},
		{"negative is default", `510-["a"]`, socketio.Limits{MaxAttachments: -1, MaxDepth: -1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := socketio.Decode(tt.text, tt.limits); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPacketTypeString(t *testing.T) {
	for _, tt := range []struct {
		in     socketio.PacketType
		want   string
		binary bool
	}{
		{socketio.Connect, "CONNECT", false},
		{socketio.Disconnect, "DISCONNECT", false},
		{socketio.Event, "EVENT", false},
		{socketio.Ack, "ACK", false},
		{socketio.ConnectError, "CONNECT_ERROR", false},
		{socketio.BinaryEvent, "BINARY_EVENT", true},
		{socketio.BinaryAck, "BINARY_ACK", true},
		{7, "packet type 7", false},
	} {
		if got := tt.in.String(); got != tt.want || tt.in.IsBinary() != tt.binary {
			t.Errorf("%d: got %s, binary %v; want %s, %v", tt.in, got, tt.in.IsBinary(), tt.want, tt.binary)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text)
	}
	for _, r := range refused {
		if len(r.text) < 1000 {
			f.Add(r.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, n, err := socketio.Decode(text, socketio.Limits{})
		if err != nil {
			if !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Fatalf("Decode(%q): %v does not match ErrInvalidPacket", text, err)
			}
			return
		}
		if p.Data != nil && !json.Valid(p.Data) {
			t.Fatalf("Decode(%q) let %q pass", text, p.Data)
		}
		whole := p
		whole.Attachments = make([][]byte, n)
		again, m, err := socketio.Decode(whole.Encode(), socketio.Limits{})
		if err != nil || m != n || !reflect.DeepEqual(again, p) {
			t.Fatalf("%q: %+v came back as %+v, %v", text, p, again, err)
		}
	})
}
