package engineio_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/gateway/engineio"
)

func message(data string) engineio.Packet {
	return engineio.Packet{Type: engineio.Message, Data: data}
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
			got, err := engineio.DecodePayload(tt.body, len(tt.packets))
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
		{"one too many", "4a\x1e4b\x1e4c\x1e4d", nil, engineio.ErrTooManyPackets},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := engineio.DecodePayload(tt.body, 3)
			if !errors.Is(err, tt.want) || !errors.Is(err, engineio.ErrParse) || !slices.Equal(got, tt.before) {
				t.Errorf("DecodePayload(%q) = %+v, %v; want %+v, %v", tt.body, got, err, tt.before, tt.want)
			}
		})
	}
}

func TestPayloadWithoutLimit(t *testing.T) {
	got, err := engineio.DecodePayload(strings.Repeat("4\x1e", 999)+"4", 0)
	if err != nil || len(got) != 1000 {
		t.Errorf("got %d packets, %v; want 1000", len(got), err)
	}
}

func TestPayloadLimitAllocatesNothing(t *testing.T) {
	body := strings.Repeat("4\x1e", 100_000)
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := engineio.DecodePayload(body, 1000); !errors.Is(err, engineio.ErrTooManyPackets) {
			t.Fatalf("got %v, want ErrTooManyPackets", err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

func FuzzDecodePayload(f *testing.F) {
	f.Add("4a\x1ebAQ==\x1e6")
	f.Add("4a\x1e")
	f.Fuzz(func(t *testing.T, body string) {
		packets, err := engineio.DecodePayload(body, 100)
		if len(packets) > 100 {
			t.Fatalf("%d packets are over the limit", len(packets))
		}
		if err != nil {
			return
		}
		frames := make([]string, len(packets))
		for i, p := range packets {
			frames[i] = p.Encode()
		}
		again, err := engineio.DecodePayload(engineio.EncodePayload(frames), 100)
		if err != nil || !slices.Equal(again, packets) {
			t.Fatalf("%q: %+v came back as %+v, %v", body, packets, again, err)
		}
	})
}

func BenchmarkDecodePayload(b *testing.B) {
	body := strings.Repeat("42[\"message\",\"hello\"]\x1e", 15) + "3"
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := engineio.DecodePayload(body, 64); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodePayload(b *testing.B) {
	frames := slices.Repeat([]string{`42["message","hello"]`}, 16)
	b.ReportAllocs()
	for b.Loop() {
		engineio.EncodePayload(frames)
	}
}
