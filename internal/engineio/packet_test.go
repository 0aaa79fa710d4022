package engineio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

// vectors pass both directions of the codec.
var vectors = []struct {
	name   string
	frame  string
	packet engineio.Packet
}{
	{"open", `0{"sid":"x"}`, engineio.Packet{Type: engineio.Open, Data: `{"sid":"x"}`}},
	{"close", engineio.CloseFrame, engineio.Packet{Type: engineio.Close}},
	{"ping", engineio.PingFrame, engineio.Packet{Type: engineio.Ping}},
	{"probe ping", engineio.ProbePing, engineio.Packet{Type: engineio.Ping, Data: "probe"}},
	{"pong", engineio.PongFrame, engineio.Packet{Type: engineio.Pong}},
	{"probe pong", engineio.ProbePong, engineio.Packet{Type: engineio.Pong, Data: "probe"}},
	{"upgrade", engineio.UpgradeFrame, engineio.Packet{Type: engineio.Upgrade}},
	{"noop", engineio.NoopFrame, engineio.Packet{Type: engineio.Noop}},
	{"empty message", "4", engineio.Packet{Type: engineio.Message}},
	{"message", "4hello", engineio.Packet{Type: engineio.Message, Data: "hello"}},
	{"message of many scripts", "4€ñ漢🙂", engineio.Packet{Type: engineio.Message, Data: "€ñ漢🙂"}},
	{"message that looks binary", "4bAQID", engineio.Packet{Type: engineio.Message, Data: "bAQID"}},
	{"binary", "bAQIDBA==", engineio.Packet{Type: engineio.Message, Data: "\x01\x02\x03\x04", Binary: true}},
	{"empty binary", "b", engineio.Packet{Type: engineio.Message, Binary: true}},
	{
		"binary with all of the alphabet", "b+/+/",
		engineio.Packet{Type: engineio.Message, Data: "\xfb\xff\xbf", Binary: true},
	},
}

func TestPacketBothWays(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			got, err := engineio.Decode(v.frame)
			if err != nil || got != v.packet {
				t.Errorf("Decode(%q) = %+v, %v; want %+v", v.frame, got, err, v.packet)
			}
			if got := v.packet.Encode(); got != v.frame {
				t.Errorf("Encode(%+v) = %q, want %q", v.packet, got, v.frame)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, frame string
		want        error
	}{
		{"nothing", "", engineio.ErrEmptyPacket},
		{"type 7", "7", engineio.ErrUnknownType},
		{"slash, before 0", "/", engineio.ErrUnknownType},
		{"letter", "abc", engineio.ErrUnknownType},
		{"space", " 4", engineio.ErrUnknownType},
		{"byte order mark", "\uFEFF4hello", engineio.ErrUnknownType},
		{"zero byte", "\x00", engineio.ErrUnknownType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engineio.Decode(tt.frame)
			if !errors.Is(err, tt.want) || !errors.Is(err, engineio.ErrParse) {
				t.Errorf("Decode(%q) = %+v, %v; want %v", tt.frame, got, err, tt.want)
			}
		})
	}
}

func TestEncodeHelpers(t *testing.T) {
	if got, want := engineio.EncodeMessage("2[]"), "42[]"; got != want {
		t.Errorf("EncodeMessage = %q, want %q", got, want)
	}
	if got, want := engineio.EncodeBinary([]byte{1, 2, 3, 4}), "bAQIDBA=="; got != want {
		t.Errorf("EncodeBinary = %q, want %q", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.frame)
	}
	f.Add("\uFEFF4")
	f.Add("bAQ==\n")
	f.Fuzz(func(t *testing.T, frame string) {
		p, err := engineio.Decode(frame)
		if err != nil {
			if !errors.Is(err, engineio.ErrParse) {
				t.Fatalf("Decode(%q): %v does not match ErrParse", frame, err)
			}
			return
		}
		again := p.Encode()
		// Base64 has several spellings of one value: compare text only where there is one.
		if !p.Binary && again != frame {
			t.Fatalf("%q came back as %q", frame, again)
		}
		if q, err := engineio.Decode(again); err != nil || q != p {
			t.Fatalf("%q: %+v came back as %+v, %v", frame, p, q, err)
		}
	})
}

// BenchmarkDecodeMessage reads a message of 200 bytes.
func BenchmarkDecodeMessage(b *testing.B) {
	frame := "4" + strings.Repeat("x", 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engineio.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodeBinary writes 1 KB of binary data as base64.
func BenchmarkEncodeBinary(b *testing.B) {
	data := make([]byte, 1024)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		engineio.EncodeBinary(data)
	}
}

// BenchmarkDecodeBinary reads 1 KB of binary data in base64.
func BenchmarkDecodeBinary(b *testing.B) {
	frame := engineio.EncodeBinary(make([]byte, 1024))
	b.ReportAllocs()
	b.SetBytes(1024)
	for b.Loop() {
		if p, err := engineio.Decode(frame); err != nil || !p.Binary {
			b.Fatal(p.Binary, err)
		}
	}
}
