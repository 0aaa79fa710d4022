package engineio_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

func message(data string) engineio.Packet {
	return engineio.Packet{Type: engineio.Message, Data: data}
}

// decodeAll returns the packets before a bad one, and the error.
func decodeAll(body string) (packets []engineio.Packet, err error) {
	for p, err := range engineio.DecodePayload(body) {
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

func TestPayloadBothWays(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		packets    []engineio.Packet
	}{
		{"one", "4a", []engineio.Packet{message("a")}},
		{"two", "4a\x1e4b", []engineio.Packet{message("a"), message("b")}},
		{"text, binary, noop", "4a\x1ebAQ==\x1e6", []engineio.Packet{
			message("a"),
			{Type: engineio.Message, Data: "\x01", Binary: true},
			{Type: engineio.Noop},
		}},
		{"closing", "6\x1e1", []engineio.Packet{{Type: engineio.Noop}, {Type: engineio.Close}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeAll(tt.body)
			if err != nil || !slices.Equal(got, tt.packets) {
				t.Errorf("DecodePayload(%q) = %+v, %v; want %+v", tt.body, got, err, tt.packets)
			}
			frames := make([]string, len(tt.packets))
			for i, p := range tt.packets {
				frames[i] = p.Encode()
			}
			if got := engineio.EncodePayload(frames); got != tt.body {
				t.Errorf("EncodePayload(%q) = %q, want %q", frames, got, tt.body)
			}
		})
	}
}

func TestDecodePayloadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		before     []engineio.Packet
		want       error
	}{
		{"empty body", "", nil, engineio.ErrEmptyPacket},
		{"bad second", "4a\x1eabc\x1e4c", []engineio.Packet{message("a")}, engineio.ErrUnknownType},
		{"separator at the end", "4a\x1e", []engineio.Packet{message("a")}, engineio.ErrEmptyPacket},
		{"separator at the start", "\x1e4a", nil, engineio.ErrEmptyPacket},
		{"two separators", "4a\x1e\x1e4b", []engineio.Packet{message("a")}, engineio.ErrEmptyPacket},
		{"byte order mark", "\uFEFF4a", nil, engineio.ErrUnknownType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeAll(tt.body)
			if !errors.Is(err, tt.want) || !errors.Is(err, engineio.ErrParse) || !slices.Equal(got, tt.before) {
				t.Errorf("DecodePayload(%q) = %+v, %v; want %+v, %v", tt.body, got, err, tt.before, tt.want)
			}
		})
	}
}

// Bytes are limited, packets are not: a body of very many takes no memory before they are asked for, nor behind a bad
// one.
func TestPayloadOfManyPackets(t *testing.T) {
	body := strings.Repeat("4\x1e", 99_999) + "4"
	n := 0
	allocs := testing.AllocsPerRun(1, func() {
		n = 0
		for _, err := range engineio.DecodePayload(body) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	})
	if n != 100_000 || allocs > 10 {
		t.Errorf("%d packets with %v allocations, want 100,000 with hardly any", n, allocs)
	}
	for range engineio.DecodePayload(body) {
		break // the caller may stop
	}
}

func FuzzDecodePayload(f *testing.F) {
	f.Add("4a\x1ebAQ==\x1e6")
	f.Add("4a\x1e")
	f.Fuzz(func(t *testing.T, body string) {
		packets, err := decodeAll(body)
		if err != nil {
			return
		}
		frames := make([]string, len(packets))
		for i, p := range packets {
			frames[i] = p.Encode()
		}
		again, err := decodeAll(engineio.EncodePayload(frames))
		if err != nil || !slices.Equal(again, packets) {
			t.Fatalf("%q: %+v came back as %+v, %v", body, packets, again, err)
		}
	})
}

// BenchmarkDecodePayload reads the body of a POST with 16 packets.
func BenchmarkDecodePayload(b *testing.B) {
	body := strings.Repeat("42[\"message\",\"hello\"]\x1e", 15) + "3"
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		for _, err := range engineio.DecodePayload(body) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkEncodePayload writes the answer to a GET with 16 packets.
func BenchmarkEncodePayload(b *testing.B) {
	frames := slices.Repeat([]string{`42["message","hello"]`}, 16)
	b.ReportAllocs()
	for b.Loop() {
		engineio.EncodePayload(frames)
	}
}
