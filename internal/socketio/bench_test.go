package socketio_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// BenchmarkDecode reads packets of clients, checks of their JSON included.
func BenchmarkDecode(b *testing.B) {
	for _, bm := range []struct{ name, text string }{
		{"echo", `212["echo",{"text":"hello, world","n":42}]`},
		{"4KB of text", `2["message","` + strings.Repeat("x", 4096) + `"]`},
		{"4KB of numbers", `2["message",[` + strings.Repeat("12345.5,", 511) + `0]]`},
		{"binary", `51-["a",` + placed("0") + `]`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bm.text)))
			for b.Loop() {
				if _, _, err := socketio.Decode(bm.text, socketio.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJSONValid is what the checks of BenchmarkDecode would cost by encoding/json alone.
func BenchmarkJSONValid(b *testing.B) {
	data := []byte(`["message","` + strings.Repeat("x", 4096) + `"]`)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if !json.Valid(data) {
			b.Fatal("not valid")
		}
	}
}

// BenchmarkEncode writes an acknowledgement.
func BenchmarkEncode(b *testing.B) {
	p := socketio.Packet{
		Type: socketio.Ack, Namespace: "/chat", ID: 12, HasID: true, Data: json.RawMessage(`["hello, world"]`),
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Encode()
	}
}

// BenchmarkParser writes and reads an event, by each parser: a small one, and one with 1 KB of binary data, which is in
// the message by msgpack alone.
func BenchmarkParser(b *testing.B) {
	small := socketio.Packet{
		Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`["echo",{"text":"hello, world","n":42}]`),
	}
	picture := socketio.Packet{
		Type: socketio.Event, Namespace: "/", Data: json.RawMessage(`["picture",` + placed("0") + `]`),
		Attachments: [][]byte{make([]byte, 1024)},
	}
	for _, parser := range []socketio.Parser{socketio.JSON, socketio.MsgPack} {
		for _, bm := range []struct {
			name string
			p    socketio.Packet
		}{{"event", small}, {"1KB of bytes", picture}} {
			message, binary := parser.Encode(bm.p)
			b.Run("encode/"+parser.String()+"/"+bm.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					parser.Encode(bm.p)
				}
			})
			b.Run("decode/"+parser.String()+"/"+bm.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := parser.Decode(message, binary, socketio.Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkEcho is all of the codec that one event and its answer need.
func BenchmarkEcho(b *testing.B) {
	const text = `2["echo",{"text":"hello, world","n":42}]`
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := socketio.Decode(text, socketio.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		name, args, err := socketio.EventName(p.Data)
		if err != nil {
			b.Fatal(err)
		}
		data, _ := socketio.Extract(args)
		p.Data = socketio.EventData(name, data)
		p.Encode()
	}
}

// BenchmarkSubstitute puts an attachment of 1 KB into the arguments of an event that came with it.
func BenchmarkSubstitute(b *testing.B) {
	args, attachments := json.RawMessage(`["a",`+placed("0")+`]`), [][]byte{make([]byte, 1024)}
	b.ReportAllocs()
	b.SetBytes(1024)
	for b.Loop() {
		if _, err := socketio.Substitute(args, attachments); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExtract takes an attachment of 1 KB out of what the application emits.
func BenchmarkExtract(b *testing.B) {
	args := json.RawMessage(`["a",` + token(b, strings.Repeat("x", 1024)) + `]`)
	b.ReportAllocs()
	b.SetBytes(1024)
	for b.Loop() {
		if _, attachments := socketio.Extract(args); len(attachments) != 1 {
			b.Fatal(len(attachments))
		}
	}
}
