//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// What AWS Lambda takes, in bytes: of an invocation, of one without answer, and of an answer.
const (
	lambdaRequest = 6 << 20
	lambdaEvent   = 1 << 20
	lambdaAnswer  = 6<<20 + 100
)

// TestLargeAnswers is answers near what Lambda takes, on the functions of the template: to a polling client that
// fetches what has waited for long, without compression, and to callers of emit.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	s := stackClient{t, deploy(t, "ordered", "--app", "bench").url}
	for name, unit := range map[string]string{
		"the least in JSON": "a", "escaped for HTML": "<", "escaped in every JSON": `"`, "three bytes": "語",
	} {
		t.Run(name, func(t *testing.T) { s := stackClient{t, s.url}; s.pollsMuch(unit) })
	}
	t.Run("sockets", func(t *testing.T) { s := stackClient{t, s.url}; s.fetchesMuch() })
	t.Run("requests", func(t *testing.T) { s := stackClient{t, s.url}; s.asksMuch() })
	for _, function := range []string{"PollingFunction", "EmitFunction"} {
		if got := s.state(function).LargestAnswer; got < 4<<20 || got > lambdaAnswer {
			t.Errorf("%s: the largest answer has %d bytes, want between 4 MB and %d", function, got, lambdaAnswer)
		} else {
			t.Logf("%s: the largest answer has %d bytes of %d", function, got, lambdaAnswer)
		}
	}
}

// stackClient speaks to a stack as its clients and its owner do.
type stackClient struct {
	t   *testing.T
	url string
}

// do sends a request, whose answer is not to be compressed, and returns status, headers and body.
func (s stackClient) do(method, path, body string, header ...string) (int, http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(answer)
}

// invoke invokes emit; kind is the type of the invocation.
func (s stackClient) invoke(kind, payload string) (int, http.Header, string) {
	s.t.Helper()
	return s.do(http.MethodPost, "/2015-03-31/functions/EmitFunction/invocations", payload,
		"Authorization", "AWS4-HMAC-SHA256 test", "X-Amz-Invocation-Type", kind, "Content-Type", "application/json")
}

// emitted is the answer of emit.
type emitted struct {
	OK         bool
	Recipients int
	Errors     []string
	Sockets    []struct {
		ID    string
		Rooms []string
	}
	Next string
}

// emit carries out a request, which must succeed.
func (s stackClient) emit(request map[string]any) emitted {
	s.t.Helper()
	var payload bytes.Buffer
	e := json.NewEncoder(&payload)
	e.SetEscapeHTML(false)
	if err := e.Encode(request); err != nil {
		s.t.Fatal(err)
	}
	status, header, body := s.invoke("RequestResponse", payload.String())
	var a emitted
	if err := json.Unmarshal(
		[]byte(body), &a,
	); err != nil || status != http.StatusOK || header.Get("X-Amz-Function-Error") != "" ||
		!a.OK {
		s.t.Fatalf("emit: %d %s %.300s %v", status, header.Get("X-Amz-Function-Error"), body, err)
	}
	return a
}

// functionState is what localdev counts of a function.
type functionState struct {
	Function      string
	Errors        int
	LargestAnswer int
}

func (s stackClient) state(function string) functionState {
	s.t.Helper()
	var all struct{ Functions []functionState }
	_, _, body := s.do(http.MethodGet, "/localdev/state", "")
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(all.Functions, func(f functionState) bool { return f.Function == function })
	if i < 0 {
		s.t.Fatalf("no %s in %.300s", function, body)
	}
	return all.Functions[i]
}

// session is a client on polling, by the path of its requests, and its socket.
type session struct{ path, socket string }

const polling = "/socket.io/?EIO=4&transport=polling"

// connect opens a session and its socket.
func (s stackClient) connect() session {
	s.t.Helper()
	_, _, body := s.do(http.MethodGet, polling, "")
	var open, connected struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &open); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	k := session{path: polling + "&sid=" + open.SID}
	if status, _, body := s.do(http.MethodPost, k.path, "40"); status != http.StatusOK {
		s.t.Fatalf("%d %s", status, body)
	}
	_, _, body = s.do(http.MethodGet, k.path, "")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "40")), &connected); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	k.socket = connected.SID
	return k
}

const (
	// waiting is how many events wait for the client, 4 MiB with all that is around them: what a session's buffer may
	// hold.
	waiting = 40
	// packet is the length of one in bytes.
	packet = 104_000
)

// pollsMuch has a polling client find 4 MiB of one character, and fetch it whole.
func (s stackClient) pollsMuch(unit string) {
	s.t.Helper()
	k := s.connect()
	inJSON := len(unit)
	if unit == `"` {
		inJSON = len(`\"`)
	}
	text := strings.Repeat(unit, packet/inJSON)
	for i := range waiting {
		if a := s.emit(
			map[string]any{"rooms": []string{k.socket}, "event": "html", "args": []any{i, text}},
		); a.Recipients != 1 {
			s.t.Fatalf("event %d: %+v", i, a)
		}
	}
	left, gets := 0, 0
	for next := 0; next < waiting; gets++ {
		status, header, body := s.do(http.MethodGet, k.path, "")
		if status != http.StatusOK || header.Get("Content-Encoding") != "" {
			s.t.Fatalf("GET %d: %d %s %.100s", gets, status, header.Get("Content-Encoding"), body)
		}
		left += len(body)
		for p := range strings.SplitSeq(body, "\x1e") {
			if p == "2" { // a ping
				continue
			}
			var event []json.RawMessage
			var got string
			if err := json.Unmarshal(
				[]byte(strings.TrimPrefix(p, "42")), &event,
			); err != nil || len(event) != 3 || string(event[1]) != fmt.Sprint(next) ||
				json.Unmarshal(event[2], &got) != nil ||
				got != text {
				s.t.Fatalf("event %d is %.100s, %v", next, p, err)
			}
			next++
		}
	}
	s.t.Logf("%d events, %d bytes left in %d answers", waiting, left, gets)
	if want := waiting * packet * 99 / 100; left < want || gets > 2 {
		s.t.Errorf("%d bytes left in %d answers, want at least %d in 1, or in 2 with a ping between", left, gets, want)
	}
}

// fetchesMuch has sockets in rooms whose names take six times their length in JSON, more than an answer has space for.
func (s stackClient) fetchesMuch() {
	s.t.Helper()
	const sockets, rooms = 6, 400
	want := map[string]bool{}
	for range sockets {
		want[s.connect().socket] = true
	}
	for _, list := range [][2]int{{0, rooms / 2}, {rooms / 2, rooms}} {
		var names []string
		for n := list[0]; n < list[1]; n++ {
			names = append(names, fmt.Sprint(n, strings.Repeat("\x01", 500)))
		}
		ids := make([]string, 0, sockets)
		for id := range want {
			ids = append(ids, id)
		}
		if a := s.emit(map[string]any{"rooms": ids, "join": names}); a.Recipients != sockets {
			s.t.Fatalf("joined: %+v", a)
		}
	}
	var got []string
	pages := 0
	for after := ""; ; pages++ {
		a := s.emit(map[string]any{"rooms": []string{"0" + strings.Repeat("\x01", 500)}, "fetch": 1000, "after": after})
		for _, k := range a.Sockets {
			got = append(got, k.ID)
			if !want[k.ID] || len(k.Rooms) != rooms {
				s.t.Errorf("%s in %d rooms", k.ID, len(k.Rooms))
			}
		}
		if after = a.Next; after == "" {
			break
		}
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != sockets || pages == 0 {
		s.t.Errorf("fetched %q, want %d sockets on several pages", got, sockets)
	}
}

// asksMuch invokes with as much as Lambda takes, and with more.
func (s stackClient) asksMuch() {
	s.t.Helper()
	request := func(size int) string {
		begin, end := `{"fetch":1,"rooms":[`, `"x"]}`
		return begin + strings.Repeat(" ", size-len(begin)-len(end)) + end
	}
	for _, tt := range []struct {
		kind         string
		size, status int
		answer       string
	}{
		{"RequestResponse", lambdaRequest, http.StatusOK, `"ok":true`},
		{"RequestResponse", lambdaRequest + 1, http.StatusRequestEntityTooLarge, "smaller than the limit"},
		{"Event", lambdaEvent, http.StatusAccepted, ""},
		{"Event", lambdaEvent + 1, http.StatusRequestEntityTooLarge, "smaller than the limit"},
	} {
		if status, _, body := s.invoke(
			tt.kind, request(tt.size),
		); status != tt.status ||
			!strings.Contains(body, tt.answer) {
			s.t.Errorf("%s of %d bytes: %d %.200s, want %d", tt.kind, tt.size, status, body, tt.status)
		}
	}
}
