package socketio_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// vector is a packet as both parsers of the reference write it, made by e2e/node/msgpack-vectors.mjs.
type vector struct {
	Name string `json:"name"`
	// Exact says that a server has the packet from JSON, and writes the same bytes.
	Exact       bool     `json:"exact"`
	Text        string   `json:"text"`
	Attachments [][]byte `json:"attachments"`
	MsgPack     []byte   `json:"msgpack"`
}

func packed(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/msgpack.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Fatalf("%d vectors", len(all))
	}
	return all
}

// roomy takes the vectors with more attachments than clients of JSON do.
var roomy = socketio.Limits{MaxAttachments: 1000}

// What the parsers of the reference write of one packet is read as one packet, and written again as they did.
func TestMsgPackVectors(t *testing.T) {
	for _, v := range packed(t) {
		t.Run(v.Name, func(t *testing.T) {
			want, _, err := socketio.JSON.Decode(v.Text, false, roomy)
			if err == nil && want.Type.IsBinary() {
				want, err = want.Attach(v.Attachments)
			}
			if err != nil {
				t.Fatal(err)
			}
			got, attachments, err := socketio.MsgPack.Decode(string(v.MsgPack), true, socketio.Limits{})
			if err != nil || attachments != 0 {
				t.Fatalf("decode: %d attachments to come, %v", attachments, err)
			}
			if len(got.Attachments) == 0 && len(want.Attachments) == 0 {
				got.Attachments, want.Attachments = nil, nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded\n%s, want\n%s", show(got), show(want))
			}
			message, binary := socketio.MsgPack.Encode(want)
			if v.Exact && !sameBytes(message, v.MsgPack, want) || !binary {
				t.Errorf("encoded\n%s, want\n%s", hex.EncodeToString([]byte(message)), hex.EncodeToString(v.MsgPack))
			}
			again, _, err := socketio.MsgPack.Decode(message, true, socketio.Limits{})
			if len(again.Attachments) == 0 {
				again.Attachments = want.Attachments
			}
			if err != nil || !reflect.DeepEqual(again, want) {
				t.Errorf("decoded again\n%s, %v", show(again), err)
			}
		})
	}
}

func show(p socketio.Packet) string {
	return fmt.Sprintf("%s %s %d %t %s %x", p.Type, p.Namespace, p.ID, p.HasID, p.Data, p.Attachments)
}

// sameBytes compares a message with the reference's, where an id may come behind nsp.
func sameBytes(message string, want []byte, p socketio.Packet) bool {
	if !p.HasID {
		return message == string(want)
	}
	i := strings.LastIndex(string(want), "\xa2id")
	j := strings.LastIndex(string(want), "\xa3nsp")
	if j > i {
		return message == string(want)
	}
	return message == string(want[:j])+string(want[i:])+string(want[j:i])
}

// What is longer than the vectors has headers of 16 and 32 bits.
func TestMsgPackHeaders(t *testing.T) {
	const many = 65536
	for _, c := range []struct {
		name, data, header string
		attachments        [][]byte
	}{
		{"text of 65,535 bytes", `["e","` + strings.Repeat("x", many-1) + `"]`, "daffff", nil},
		{"text of 65,536 bytes", `["e","` + strings.Repeat("x", many) + `"]`, "db00010000", nil},
		{"65,535 elements", `["e",[0` + strings.Repeat(",0", many-2) + `]]`, "dcffff", nil},
		{"65,536 elements", `["e",[0` + strings.Repeat(",0", many-1) + `]]`, "dd00010000", nil},
		{"65,536 members", `["e",{"k":0` + strings.Repeat(`,"k":0`, many-1) + `}]`, "df00010000", nil},
		{"65,536 bytes", `["e",{"_placeholder":true,"num":0}]`, "c600010000", [][]byte{make([]byte, many)}},
		{"65,535 bytes", `["e",{"_placeholder":true,"num":0}]`, "c5ffff", [][]byte{make([]byte, many-1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := socketio.Packet{
				Type: socketio.Event, Namespace: "/", Data: json.RawMessage(c.data), Attachments: c.attachments,
			}
			message, _ := socketio.MsgPack.Encode(p)
			want := "83a474797065" + "02" + "a464617461" + "92a165" + c.header
			if got := hex.EncodeToString([]byte(message[:len(want)/2])); got != want {
				t.Errorf("begins with %s, want %s", got, want)
			}
			if len(c.attachments) > 0 {
				p.Type = socketio.BinaryEvent
			}
			got, _, err := socketio.MsgPack.Decode(message, true, socketio.Limits{})
			if err != nil || !reflect.DeepEqual(got, p) {
				t.Errorf("decoded %.100s, %v", got.Data, err)
			}
		})
	}
}

// pack is a message as hex, without blanks.
func pack(t testing.TB, text string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Parts of packets in MessagePack, in hex.
const (
	packType  = "a474797065" // "type"
	packData  = "a464617461" // "data"
	packID    = "a26964"     // "id"
	packNsp   = "a36e7370"   // "nsp"
	packMain  = packNsp + "a12f"
	packEvent = packType + "02" + packData // an event, whose data follows
)

// What the reference reads and its own encoder does not write.
func TestMsgPackReads(t *testing.T) {
	main := func(typ socketio.PacketType, data string) socketio.Packet {
		p := socketio.Packet{Type: typ, Namespace: "/"}
		if data != "" {
			p.Data = json.RawMessage(data)
		}
		return p
	}
	withID := func(p socketio.Packet, id uint64) socketio.Packet {
		p.ID, p.HasID = id, true
		return p
	}
	binary := main(socketio.BinaryEvent, `["e",[5,{"_placeholder":true,"num":0}]]`)
	binary.Attachments = [][]byte{{7}}
	for _, c := range []struct {
		name, message string
		want          socketio.Packet
	}{
		{
			"nil for no data, as in Python",
			"83" + packType + "01" + packData + "c0" + packMain,
			main(socketio.Disconnect, ""),
		},
		{"nil for no auth", "83" + packType + "00" + packData + "c0" + packMain, main(socketio.Connect, "")},
		{"nil for no id", "84" + packEvent + "91a165" + packMain + packID + "c0", main(socketio.Event, `["e"]`)},
		{
			"id of floating point",
			"84" + packEvent + "91a165" + packMain + packID + "cb4008000000000000",
			withID(main(socketio.Event, `["e"]`), 3),
		},
		{
			"id with a sign",
			"84" + packEvent + "91a165" + packMain + packID + "d003",
			withID(main(socketio.Event, `["e"]`), 3),
		},
		{"type of 32 bits", "82" + packType + "ce00000001" + packMain, main(socketio.Disconnect, "")},
		{"map of 16 bits", "de0002" + packType + "01" + packMain, main(socketio.Disconnect, "")},
		{"map of 32 bits, name of 8", "df00000002" + "d90474797065" + "01" + packMain, main(socketio.Disconnect, "")},
		{"the last of two members", "83" + packType + "07" + packType + "01" + packMain, main(socketio.Disconnect, "")},
		{"a member of another kind", "83" + "01a178" + packType + "01" + packMain, main(socketio.Disconnect, "")},
		{
			"keys that are no texts",
			"83" + packEvent + "92a165" + "86 0101 c002 c303 ff04 cb3ff8000000000000 05 cc8006" + packMain,
			main(socketio.Event, `["e",{"1":1,"null":2,"true":3,"-1":4,"1.5":5,"128":6}]`),
		},
		{"other extensions", "83" + packEvent + "92a165" + "d40507" + packMain, binary},
		{
			"floating point of 32 bits",
			"83" + packEvent + "93a165" + "ca3f000000" + "ca7fc00000" + packMain,
			main(socketio.Event, `["e",0.5,null]`),
		},
		{
			"whole numbers of floating point",
			"83" + packEvent + "93a165" + "cb4008000000000000" + "cb7e37e43c8800759c" + packMain,
			main(socketio.Event, `["e",3,1e+300]`),
		},
		{"what is not UTF-8", "83" + packEvent + "92a165" + "a3ff61c3" + packMain, main(socketio.Event, `["e","�a�"]`)},
		{
			"a date that is none",
			"83" + packEvent + "92a165" + "d7007fffffffffffffff" + packMain,
			main(socketio.Event, `["e",null]`),
		},
		{
			"binary auth",
			"83" + packType + "00" + packData + "81a161c4020102" + packMain,
			main(socketio.Connect, `{"a":"AQI="}`),
		},
		{
			"a namespace that no server has",
			"82" + packType + "01" + packNsp + "a178",
			socketio.Packet{Type: socketio.Disconnect, Namespace: "x"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, attachments, err := socketio.MsgPack.Decode(pack(t, c.message), true, socketio.Limits{})
			if err != nil || attachments != 0 || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, %v, want %s", show(got), err, show(c.want))
			}
		})
	}
}

func TestMsgPackRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("91", n-1) + "c0" }
	bins := func(n string, count int) string { return "dc" + n + "a165" + strings.Repeat("c400", count) }
	for _, c := range []struct {
		name, message string
		want          error
	}{
		{"nothing", "", socketio.ErrMalformed},
		{"no map", "93020100", socketio.ErrMalformed},
		{"what begins nothing", "82" + packType + "c1" + packMain, socketio.ErrMalformed},
		{"more behind it", "82" + packType + "01" + packMain + "00", socketio.ErrMalformed},
		{"less members than it says", "83" + packType + "01" + packMain, socketio.ErrMalformed},
		{"4,294,967,295 members", "dfffffffff", socketio.ErrMalformed},
		{"an array longer than the message", "83" + packEvent + "ddffffffff" + packMain, socketio.ErrMalformed},
		{"a text longer than the message", "83" + packEvent + "91dbffffffff" + packMain, socketio.ErrMalformed},
		{"bytes longer than the message", "83" + packEvent + "91c6ffffffff" + packMain, socketio.ErrMalformed},
		{"an extension longer than the message", "83" + packEvent + "91c9ffffffff00" + packMain, socketio.ErrMalformed},
		{"half a number", "81" + packType + "cf0000", socketio.ErrMalformed},
		{"half a length", "81" + packType + "db00", socketio.ErrMalformed},
		{"half a count", "81" + packType + "dd00", socketio.ErrMalformed},

		{"no type", "81" + packMain, socketio.ErrUnknownType},
		{"a type of JSON", "83" + packType + "05" + packData + "91a165" + packMain, socketio.ErrUnknownType},
		{"a type below zero", "82" + packType + "ff" + packMain, socketio.ErrUnknownType},
		{"a text for a type", "82" + packType + "a132" + packMain, socketio.ErrUnknownType},
		{"half a type", "82" + packType + "cb3fe0000000000000" + packMain, socketio.ErrUnknownType},
		{"no namespace", "82" + packType + "01" + packData + "c0", socketio.ErrInvalidNamespace},
		{"an empty namespace", "82" + packType + "01" + packNsp + "a0", socketio.ErrInvalidNamespace},
		{"a number for a namespace", "82" + packType + "01" + packNsp + "01", socketio.ErrInvalidNamespace},
		{"a namespace that is not UTF-8", "82" + packType + "01" + packNsp + "a22fff", socketio.ErrInvalidNamespace},
		{"an id below zero", "84" + packEvent + "91a165" + packMain + packID + "ff", socketio.ErrInvalidID},
		{"a text for an id", "84" + packEvent + "91a165" + packMain + packID + "a131", socketio.ErrInvalidID},
		{"half an id", "84" + packEvent + "91a165" + packMain + packID + "cb3fe0000000000000", socketio.ErrInvalidID},
		{
			"an infinite id",
			"84" + packEvent + "91a165" + packMain + packID + "cb7ff0000000000000",
			socketio.ErrInvalidID,
		},

		{"an event without data", "82" + packType + "02" + packMain, socketio.ErrInvalidPayload},
		{"an event of nil", "83" + packEvent + "c0" + packMain, socketio.ErrInvalidPayload},
		{"an event of a map", "83" + packEvent + "80" + packMain, socketio.ErrInvalidPayload},
		{"an event of bytes", "83" + packEvent + "c400" + packMain, socketio.ErrInvalidPayload},
		{"an event without a name", "83" + packEvent + "90" + packMain, socketio.ErrInvalidPayload},
		{"nil for a name", "83" + packEvent + "91c0" + packMain, socketio.ErrInvalidPayload},
		{"bytes for a name", "83" + packEvent + "91c400" + packMain, socketio.ErrInvalidPayload},
		{"a reserved name", "83" + packEvent + "91a7636f6e6e656374" + packMain, socketio.ErrReservedEvent},
		{"an acknowledgement without data", "82" + packType + "03" + packMain, socketio.ErrInvalidPayload},
		{"auth that is no object", "83" + packType + "00" + packData + "a161" + packMain, socketio.ErrInvalidPayload},
		{"auth that is binary", "83" + packType + "00" + packData + "c40161" + packMain, socketio.ErrInvalidPayload},
		{"data of DISCONNECT", "83" + packType + "01" + packData + "90" + packMain, socketio.ErrInvalidPayload},
		{"an array for a key", "83" + packEvent + "92a165" + "819001" + packMain, socketio.ErrInvalidPayload},
		{"bytes for a key", "83" + packEvent + "92a165" + "81c4000" + "1" + packMain, socketio.ErrInvalidPayload},

		{"1,001 deep", "83" + packEvent + "92a165" + deep(1001) + packMain, socketio.ErrTooDeep},
		{
			"an extension that is too deep",
			"83" + packEvent + "92a165" + strings.Repeat("91", 999) + "d40507" + packMain,
			socketio.ErrTooDeep,
		},
		{"1,001 binaries", "83" + packEvent + bins("03ea", 1001) + packMain, socketio.ErrTooManyAttachments},
		{
			"a look-alike of an attachment, beside one",
			"83" + packEvent + "93a165" + "82ac5f706c616365686f6c646572c3a36e756d00" + "c400" + packMain,
			socketio.ErrIllegalAttachments,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, err := socketio.MsgPack.Decode(pack(t, c.message), true, socketio.Limits{})
			if !errors.Is(err, c.want) || !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Errorf("%s, %v, want %v", show(p), err, c.want)
			}
		})
	}
	for _, message := range []string{"", "0", `2["e"]`, "0/admin,"} {
		_, _, err := socketio.MsgPack.Decode(message, false, socketio.Limits{})
		if !errors.Is(err, socketio.ErrNotBinary) {
			t.Errorf("text %q: %v", message, err)
		}
	}
	if _, _, err := socketio.JSON.Decode(pack(t, "82"+packType+"00"+packMain), true, socketio.Limits{}); !errors.Is(
		err, socketio.ErrNotText,
	) {
		t.Errorf("MessagePack for JSON: %v", err)
	}
}

// As deep as the limit, and as many as the limit.
func TestMsgPackAtTheLimits(t *testing.T) {
	for name, message := range map[string]string{
		"1,000 deep":     "83" + packEvent + "92a165" + strings.Repeat("91", 999) + "c0" + packMain,
		"1,000 binaries": "83" + packEvent + "dc03e9a165" + strings.Repeat("c400", 1000) + packMain,
	} {
		if _, _, err := socketio.MsgPack.Decode(pack(t, message), true, socketio.Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no JSON, or has a placeholder without its attachment, becomes a packet that no client takes.
func TestMsgPackOfNoJSON(t *testing.T) {
	for _, data := range []string{`["e"`, `["e",]`, `x`, `["e",{"_placeholder":true,"num":1}]`} {
		p := socketio.Packet{
			Type: socketio.Event, Namespace: "/", Data: json.RawMessage(data), Attachments: [][]byte{{1}},
		}
		message, _ := socketio.MsgPack.Encode(p)
		if _, _, err := socketio.MsgPack.Decode(message, true, socketio.Limits{}); !errors.Is(
			err, socketio.ErrInvalidPayload,
		) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestParserOf(t *testing.T) {
	for _, p := range socketio.Parsers() {
		if got, err := socketio.ParserOf(p.String()); err != nil || got != p {
			t.Errorf("%s: %v, %v", p, got, err)
		}
	}
	if p, err := socketio.ParserOf(""); err != nil || p != socketio.JSON {
		t.Errorf("the default is %v, %v", p, err)
	}
	if _, err := socketio.ParserOf("xml"); !errors.Is(err, socketio.ErrParser) {
		t.Errorf("xml: %v", err)
	}
}

// A text behind the arguments of an event, on both sides of the lengths at which a header grows.
func TestStampBinary(t *testing.T) {
	for _, args := range []int{0, 13, 14, 15, 65534, 65535} {
		list := `["e"` + strings.Repeat(`,1`, args)
		p := socketio.Packet{Type: socketio.Event, Namespace: "/n", Data: json.RawMessage(list + `]`)}
		message, _ := socketio.MsgPack.Encode(p)
		stamped, ok := socketio.StampBinary(message, "at:7")
		got, _, err := socketio.MsgPack.Decode(stamped, true, socketio.Limits{})
		if want := list + `,"at:7"]`; !ok || err != nil || string(got.Data) != want || got.Namespace != "/n" {
			t.Errorf("%d arguments: %.100s, %t, %v", args, got.Data, ok, err)
		}
	}
	for name, p := range map[string]socketio.Packet{
		"asks":       {Type: socketio.Event, Data: json.RawMessage(`["e"]`), HasID: true},
		"answer":     {Type: socketio.Ack, Data: json.RawMessage(`["e"]`), HasID: true},
		"connect":    {Type: socketio.Connect},
		"disconnect": {Type: socketio.Disconnect},
		"no array":   {Type: socketio.Event, Data: json.RawMessage(`1`)},
	} {
		message, _ := socketio.MsgPack.Encode(p)
		if got, ok := socketio.StampBinary(message, "x"); ok || got != message {
			t.Errorf("%s was stamped", name)
		}
	}
	if got, ok := socketio.StampBinary("\x93", "x"); ok || got != "\x93" {
		t.Error("what is no packet was stamped")
	}
}

// Whatever a client sends, a packet that is taken is one that the other parser could have brought: it is written by
// both, and read again as it was.
func FuzzMsgPackDecode(f *testing.F) {
	for _, text := range []string{
		"82" + packType + "00" + packMain, "83" + packEvent + "91a165" + packMain,
		"84" + packType + "03" + packData + "91c40161" + packID + "05" + packMain,
		"83" + packEvent + "94a165d7000000000000000000d40000c70100ff" + packMain,
		"83" + packEvent + "92a16582a161d40000a162cb3ff8000000000000" + packMain,
		"83" + packEvent + "92a165d40507" + packMain, "dfffffffff", "",
	} {
		f.Add(pack(f, text))
	}
	f.Fuzz(func(t *testing.T, message string) {
		p, _, err := socketio.MsgPack.Decode(message, true, socketio.Limits{MaxDepth: 50})
		if err != nil {
			if !errors.Is(err, socketio.ErrInvalidPacket) {
				t.Fatalf("an error that no caller knows: %v", err)
			}
			return
		}
		if p.Data != nil && !json.Valid(p.Data) {
			t.Fatalf("no JSON: %s", p.Data)
		}
		if p.Namespace[0] == '/' && !strings.Contains(p.Namespace, ",") {
			got, attachments, err := socketio.JSON.Decode(p.Encode(), false, roomy)
			if err != nil || attachments != len(p.Attachments) || string(got.Data) != string(p.Data) {
				t.Fatalf("by JSON: %+v, %v", got, err)
			}
		}
		written, _ := socketio.MsgPack.Encode(p)
		again, _, err := socketio.MsgPack.Decode(written, true, socketio.Limits{MaxDepth: 50})
		if err != nil {
			t.Fatalf("%x is not read again: %v", written, err)
		}
		if twice, _ := socketio.MsgPack.Encode(again); twice != written {
			t.Fatalf("%x was written as %x, then as %x", message, written, twice)
		}
		stamped, ok := socketio.StampBinary(message, "offset")
		if !ok {
			return
		}
		if _, _, err := socketio.MsgPack.Decode(stamped, true, socketio.Limits{MaxDepth: 50}); err != nil {
			t.Fatalf("stamped %x: %v", stamped, err)
		}
	})
}
