package emulator_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// serveForBench runs a server that echoes.
func serveForBench(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := emulator.New(emulator.Config{Endpoint: "http://" + l.Addr().String() + "/local", Limits: emulator.AWS()})
	s.Route(emulator.API{Path: "/socket.io/", Sets: []emulator.Handlers{set{message: echo}}})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			b.Error(err)
		}
		<-served
	})
	return l.Addr().String()
}

// BenchmarkMessage is a frame and its route response, client included (which does not allocate).
func BenchmarkMessage(b *testing.B) {
	addr := serveForBench(b)
	conn, br, _, err := ws.Dial(context.Background(), "ws://"+addr+"/socket.io/")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if br == nil {
		br = bufio.NewReader(conn)
	}
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`421["echo","hello world"]`))))
	answer := make([]byte, len(frame)-4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(br, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequest is a POST and its answer, client included (which does not allocate).
func BenchmarkRequest(b *testing.B) {
	conn, err := net.Dial("tcp", serveForBench(b))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	request := []byte(
		"POST /socket.io/?EIO=4&transport=polling&t=abcdefgh&sid=AAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
			"Accept: */*\r\nUser-Agent: node-XMLHttpRequest\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 6\r\n\r\n4hello",
	)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) <= 2 {
				break
			}
			if strings.HasPrefix(string(line[:min(len(line), 12)]), "HTTP/1.1 5") {
				b.Fatal(http.StatusText(http.StatusInternalServerError))
			}
		}
		if _, err := br.Discard(len("ok")); err != nil {
			b.Fatal(err)
		}
	}
}
