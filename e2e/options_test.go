package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/localdev/laptop"
)

// clientFiles is where the reference has the files of its client.
const clientFiles = "node_modules/socket.io/client-dist"

// withOptions serves an application with options in this process, and returns its URL.
func withOptions(t *testing.T, register func(*nonstick.Server), args ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	var log output
	program := laptop.Program{Name: "options", Apps: []laptop.App{{App: nonstick.App("", func(io *nonstick.Server) {
		io.Pages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, "other")
		}))
		nonstick.On(io, "echo", func(ctx context.Context, s *nonstick.Socket, what nonstick.Args) error {
			return s.Emit(ctx, "echo", what)
		})
		register(io)
	})}}}
	go func() {
		defer close(ended)
		program.Run(
			append([]string{"--addr", addr, "--client", clientFiles}, args...),
			func(string) (string, bool) { return "", false }, &log, &log, signals,
		)
	}()
	t.Cleanup(func() {
		signals <- os.Interrupt
		<-ended
		if t.Failed() {
			t.Logf("log of %s:\n%s", addr, log.tail())
		}
	})
	url := "http://" + addr
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	for healthy(ctx, url) != nil {
		select {
		case <-ended:
			t.Fatalf("ended at its start: %s", log.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return url
}

// referencesWith starts the reference once for each of the options, in JSON, and returns the URLs.
func referencesWith(t *testing.T, options []string) []string {
	t.Helper()
	cmd := exec.Command("node", "node/options-server.mjs", "["+strings.Join(options, ",")+"]")
	var stderr output
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	var urls []string
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &urls)
	}
	if err != nil {
		t.Fatalf("reference: %v\n%s", err, stderr.tail())
	}
	return urls
}

// ask is a request: "GET /path", and headers as "name: value". A WebSocket is asked for with "WS /path".
type ask struct {
	line    string
	headers []string
	body    string
}

func get(path string, headers ...string) ask { return ask{line: "GET " + path, headers: headers} }
func options(path string, headers ...string) ask {
	return ask{line: "OPTIONS " + path, headers: headers}
}
func webSocket(path string, headers ...string) ask { return ask{line: "WS " + path, headers: headers} }

const (
	byPolling   = "/socket.io/?EIO=4&transport=polling"
	byWebSocket = "/socket.io/?EIO=4&transport=websocket"
)

// answer is what is compared.
type answer struct {
	status  int
	headers http.Header
	body    string
}

func (a answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.status)
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(a.headers[name], " | "))
	}
	return fmt.Sprintf("%s\n%.300s", b.String(), a.body)
}

// secret are the ids of sessions.
var secret = regexp.MustCompile(`("sid":"|[a-z]+=)[A-Za-z0-9_-]{20}("|;)`)

// send sends a request on a connection of its own.
func send(t *testing.T, base string, a ask) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	method, path, _ := strings.Cut(a.line, " ")
	headers := a.headers
	if method == "WS" {
		method = http.MethodGet
		headers = append(slices.Clone(headers), "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	} else {
		headers = append(slices.Clone(headers), "Connection: close")
	}
	if a.body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(a.body)), "Content-Type: text/plain")
	}
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n%s", method, path, conn.RemoteAddr(),
		strings.Join(headers, "\r\n"), a.body)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", a.line, err)
	}
	defer res.Body.Close()
	got := answer{status: res.StatusCode, headers: res.Header}
	if res.StatusCode != http.StatusSwitchingProtocols {
		got.body = readBody(t, res)
	}
	got.tidy()
	return got
}

// readBody undoes the content coding.
func readBody(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var plain io.Reader = bytes.NewReader(body)
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		plain, err = gzip.NewReader(plain)
	case "deflate":
		plain, err = zlib.NewReader(plain)
	}
	if err == nil {
		body, err = io.ReadAll(plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// tidy takes away what is of one server, one connection or one session alone.
func (a *answer) tidy() {
	for _, name := range []string{
		"Date", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding", "Sec-Websocket-Accept", "Upgrade",
	} {
		a.headers.Del(name)
	}
	for name, values := range a.headers {
		for i := range values {
			values[i] = secret.ReplaceAllString(values[i], "${1}SID${2}")
		}
		if len(a.body) == 0 && name == "Content-Type" && a.status < http.StatusBadRequest {
			a.headers.Del(name) // of net/http
		}
	}
	a.headers.Set("Vary", strings.TrimPrefix(
		strings.TrimSuffix(a.headers.Get("Vary"), "Accept-Encoding"), ", ")) // ours tells caches of the client's files
	if vary := strings.TrimSuffix(a.headers.Get("Vary"), ", "); vary == "" {
		a.headers.Del("Vary")
	} else {
		a.headers.Set("Vary", vary)
	}
	a.body = secret.ReplaceAllString(a.body, "${1}SID${2}")
}

// optionCase is an option of Socket.IO, as the reference has it in JSON, and as ours has it, with what clients ask.
type optionCase struct {
	name    string
	options string
	ours    func(*nonstick.Server)
	asks    []ask
	// want has, for some of what is asked, a part of what is answered: so that both may not be wrong together.
	want map[int]string
}

// TestOptions asks the reference and ours the same, for each option of HTTP, and compares the answers.
func TestOptions(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(corsCases, transportCases, answerCases, clientCases())
	var all []string
	for _, c := range cases {
		all = append(all, c.options)
	}
	references := referencesWith(t, all)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ours := withOptions(t, c.ours)
			for n, a := range c.asks {
				got, want := send(t, ours, a), send(t, references[i], a)
				if got.String() != want.String() || got.body != want.body {
					t.Errorf("%s %v\n--- got\n%v\n--- the reference\n%v", a.line, a.headers, got, want)
				}
				if part := c.want[n]; !strings.Contains(want.String(), part) {
					t.Errorf("%s %v: the reference says\n%v, want %q in it", a.line, a.headers, want, part)
				}
			}
		})
	}
}

var errNoAnswer = errors.New("no answer")
