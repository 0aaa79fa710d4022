package engineio_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

func decodeAs(c engineio.Codec, body string, binary bool) (packets []engineio.Packet, err error) {
	for p, err := range c.DecodePayload(body, binary) {
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// TestVersion3BothWays has what the parser of the reference (parser-v3 of engine.io 6.6.12) makes of the same packets.
func TestVersion3BothWays(t *testing.T) {
	binary := engineio.Packet{Type: engineio.Message, Data: "\x01\x02\x03\x04", Binary: true}
	for _, tt := range []struct {
		name    string
		codec   engineio.Codec
		packets []engineio.Packet
		want    string
	}{
		{"text", engineio.V3, []engineio.Packet{message("hello"), message("€")}, "6:4hello2:4€"},
		{"UTF-16 units", engineio.V3, []engineio.Packet{message("🙂é")}, "4:4🙂é"},
		{"a colon", engineio.V3, []engineio.Packet{message("1:a")}, "4:41:a"},
		{"no text", engineio.V3, []engineio.Packet{{Type: engineio.Pong}, message("")}, "1:31:4"},
		{"binary as text", engineio.V3Text, []engineio.Packet{message("a"), binary}, "2:4a10:b4AQIDBA=="},
		{
			"binary", engineio.V3,
			[]engineio.Packet{message("€"), binary},
			"\x00\x04\xff4€\x01\x05\xff\x04\x01\x02\x03\x04",
		},
		{
			"a long one", engineio.V3,
			[]engineio.Packet{binary, message(strings.Repeat("x", 122))},
			"\x01\x05\xff\x04\x01\x02\x03\x04\x00\x01\x02\x03\xff4" + strings.Repeat("x", 122),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames := make([]string, len(tt.packets))
			for i, p := range tt.packets {
				frames[i] = p.Encode()
			}
			got := tt.codec.EncodePayload(frames)
			if got != tt.want {
				t.Errorf("EncodePayload(%q) = %q, want %q", frames, got, tt.want)
			}
			isBinary := tt.want[0] <= 1
			if engineio.IsBinary(got) != isBinary {
				t.Errorf("IsBinary(%q) = %v", got, !isBinary)
			}
			back, err := decodeAs(tt.codec, got, isBinary)
			if err != nil || !slices.Equal(back, tt.packets) {
				t.Errorf("DecodePayload(%q) = %+v, %v; want %+v", got, back, err, tt.packets)
			}
		})
	}
}

func TestVersion3Refuses(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		binary     bool
		before     int
		want       error
	}{
		{"nothing", "", false, 0, engineio.ErrEmptyPacket},
		{"no length", "4hello", false, 0, engineio.ErrLength},
		{"an empty length", ":4a", false, 0, engineio.ErrLength},
		{"a length that is none", "2:4ax:4b", false, 1, engineio.ErrLength},
		{"a length below zero", "-1:4a", false, 0, engineio.ErrLength},
		{"too long", "3:4a", false, 0, engineio.ErrLength},
		{"a length above all limits", "99999999999:4a", false, 0, engineio.ErrLength},
		{"rest of a length", "2:4a12", false, 1, engineio.ErrLength},
		{"half a character", "2:4🙂", false, 0, engineio.ErrLength},
		{"an unknown type", "2:9a", false, 0, engineio.ErrUnknownType},
		{"version 4", "4a\x1e4b", false, 0, engineio.ErrLength},
		{"nothing, binary", "", true, 0, engineio.ErrEmptyPacket},
		{"no end of a length", "\x00\x01\x02", true, 0, engineio.ErrLength},
		{"no length, binary", "\x00\xff4", true, 0, engineio.ErrLength},
		{"no digit", "\x00\x0a\xff4aaaaaaaaa", true, 0, engineio.ErrLength},
		{"too long, binary", "\x01\x02\xff\x04\x01\x01\x09\xff\x04", true, 1, engineio.ErrLength},
		{"a length of many digits", "\x01" + strings.Repeat("\x09", 40) + "\xff\x04", true, 0, engineio.ErrLength},
		{"text that is none", "\x00\x02\xff4\xe9", true, 0, engineio.ErrParse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeAs(engineio.V3, tt.body, tt.binary)
			if !errors.Is(err, tt.want) || !errors.Is(err, engineio.ErrParse) || len(got) != tt.before {
				t.Errorf("DecodePayload(%q) = %+v, %v; want %d packets, %v", tt.body, got, err, tt.before, tt.want)
			}
		})
	}
}

// What is of no type is ignored in a binary packet, and so is a packet of no length.
func TestVersion3Forgives(t *testing.T) {
	noop := engineio.Packet{Type: engineio.Noop}
	for _, tt := range []struct {
		body   string
		binary bool
		want   []engineio.Packet
	}{
		{"0:2:4a", false, []engineio.Packet{message("a")}},
		{"2:b92:4a", false, []engineio.Packet{noop, message("a")}},
		{"1:b", false, []engineio.Packet{noop}},
		{"6:b2AQ==", false, []engineio.Packet{{Type: engineio.Ping, Data: "\x01"}}},
		{"\x01\x01\xff\x09\x01\x00\xff", true, []engineio.Packet{noop, noop}},
		{"\x00\x06\xffb4AQ==", true, []engineio.Packet{{Type: engineio.Message, Data: "\x01", Binary: true}}},
	} {
		got, err := decodeAs(engineio.V3, tt.body, tt.binary)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("DecodePayload(%q) = %+v, %v; want %+v", tt.body, got, err, tt.want)
		}
	}
}

func TestCodecOf(t *testing.T) {
	for raw, want := range map[string]engineio.Codec{
		"EIO=4": engineio.V4, "EIO=4&j=0&b64=1": engineio.V4,
		"EIO=3": engineio.V3, "": engineio.V3, "EIO=5": engineio.V3,
		"EIO=3&b64=1": engineio.V3Text, "EIO=3&j=2": engineio.V3Text, "EIO=3&b64=": engineio.V3,
	} {
		if got := engineio.CodecOf(engineio.ParseQuery(raw)); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// The frames of a WebSocket: text, what stands for a binary frame, and the binary frame.
func TestFrames(t *testing.T) {
	for _, tt := range []struct {
		codec               engineio.Codec
		frame, text, binary string
	}{
		{engineio.V4, "4b", "4b", ""},
		{engineio.V4, "bAQI=", "bAQI=", "\x01\x02"},
		{engineio.V4, "b", "b", ""},
		{engineio.V3, "4b", "4b", ""},
		{engineio.V3, "3probe", "3probe", ""},
		{engineio.V3, "bAQI=", "b4AQI=", "\x04\x01\x02"},
		{engineio.V3Text, "b", "b4", "\x04"},
	} {
		text := tt.codec.Encode(tt.frame)
		raw, isBinary := tt.codec.BinaryFrame(text)
		if text != tt.text || raw != tt.binary || isBinary != (tt.frame[0] == 'b') {
			t.Errorf("%q of %q: %q, binary %q", tt.codec, tt.frame, text, raw)
		}
		if isBinary && tt.codec.TextFrame([]byte(raw)) != tt.text {
			t.Errorf("%q: %q as text", tt.codec, raw)
		}
		p, err := tt.codec.Decode(text)
		if err != nil || p.Encode() != tt.frame {
			t.Errorf("%q: Decode(%q) = %+v, %v", tt.codec, text, p, err)
		}
	}
	for _, frame := range []string{"", "b", "b9AQ==", "bAQI=", "4a"} {
		if raw, ok := engineio.V3.BinaryFrame(frame); ok {
			t.Errorf("%q stands for %q", frame, raw)
		}
	}
	for _, raw := range []string{"", "\x07a", "\xff"} {
		if p, err := engineio.V3.Decode(engineio.V3.TextFrame([]byte(raw))); err != nil || p.Type != engineio.Noop {
			t.Errorf("%q: %+v, %v", raw, p, err)
		}
	}
}

// A body of very many packets takes no memory before they are asked for.
func TestVersion3OfManyPackets(t *testing.T) {
	for _, body := range []string{strings.Repeat("1:4", 50_000), strings.Repeat("\x00\x01\xff4", 50_000)} {
		allocs := testing.AllocsPerRun(1, func() {
			for _, err := range engineio.V3.DecodePayload(body, body[0] == 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if allocs > 10 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

func FuzzDecodePayload3(f *testing.F) {
	for _, body := range []string{"6:4hello2:4€", "10:b4AQIDBA==", "4:4🙂é", "0:", "99:4"} {
		f.Add(body, false)
	}
	f.Add("\x00\x04\xff4€\x01\x05\xff\x04\x01\x02\x03\x04", true)
	f.Fuzz(func(t *testing.T, body string, binary bool) {
		if !binary {
			body = strings.ToValidUTF8(body, "\uFFFD") // as apigw makes it
		}
		packets, err := decodeAs(engineio.V3, body, binary)
		if err != nil {
			if !errors.Is(err, engineio.ErrParse) {
				t.Fatalf("%q: %v does not match ErrParse", body, err)
			}
			return
		}
		var frames []string
		for _, p := range packets {
			if p.Type == engineio.Message {
				frames = append(frames, p.Encode())
			}
		}
		for _, codec := range []engineio.Codec{engineio.V3, engineio.V3Text} {
			payload := codec.EncodePayload(frames)
			again, err := decodeAs(codec, payload, engineio.IsBinary(payload))
			if len(frames) == 0 {
				continue
			}
			if err != nil || len(again) != len(frames) {
				t.Fatalf("%q: %q came back as %+v, %v", body, frames, again, err)
			}
			for i, p := range again {
				if p.Encode() != frames[i] {
					t.Fatalf("%q: %q came back as %q", body, frames[i], p.Encode())
				}
			}
		}
	})
}
