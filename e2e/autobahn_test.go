package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/internal/direct"
	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// autobahnTime is how long a run of cases may take.
const autobahnTime = 2 * time.Minute

// echo answers each frame with itself.
type echo struct{}

func (echo) HTTP(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return events.APIGatewayV2HTTPResponse{StatusCode: 404}, nil
}

func (echo) WebSocket(
	_ context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: e.Body}, nil
}

// startEcho starts an emulator and returns the URL of its WebSocket API.
func startEcho(t *testing.T, limits emulator.Limits, emptyFrames bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := emulator.New(emulator.Config{
		Endpoint: "http://" + l.Addr().String() + "/v1", Limits: limits, Binary: direct.Binary,
	})
	s.Route(emulator.API{Path: "/", Sets: []emulator.Handlers{echo{}}, EmptyFrames: emptyFrames})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("stop the emulator: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "ws://" + l.Addr().String() + "/?EIO=4" // whose binary frames are the message alone
}

// caseResult is what became of a case.
type caseResult struct {
	ID       string
	Passed   bool
	Behavior string
	Code     int
	Why      string
}

// end is how a case ended, in the words of the table.
func (r caseResult) end() string {
	switch {
	case r.Passed:
		return "passed"
	case r.Behavior == "UNIMPLEMENTED":
		return "not compressed"
	case r.Code == 1003 || r.Code == 1009:
		return strconv.Itoa(r.Code)
	default:
		return "no answer"
	}
}

// runCases runs cases, so many at a time.
func runCases(t *testing.T, url string, parallel int, cases, without string) []caseResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), autobahnTime)
	defer cancel()
	cmd := exec.CommandContext(
		ctx, "../.cache/autobahn/bin/python", "autobahn/run.py", url, strconv.Itoa(parallel), cases, without,
	)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run Autobahn's cases (installed by make tools): %v\n%s", err, problems.String())
	}
	var all []caseResult
	for line := range strings.Lines(string(out)) {
		var r caseResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// exception is a row of the table of cases that do not pass.
type exception struct {
	cases []string // ids and globs
	end   string
	met   bool
}

// autobahnTable reads the table in docs/emulation.md, and how many cases pass of how many.
func autobahnTable(t *testing.T) (table []*exception, passed, all int) {
	t.Helper()
	b, err := os.ReadFile("../docs/emulation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "### Autobahn's cases")
	section, _, ok2 := strings.Cut(section, "\n## ")
	counts := strings.Fields(section[strings.Index(section, "itself:")+len("itself:"):])
	passed, err = strconv.Atoi(counts[0])
	if err != nil || !ok || !ok2 {
		t.Fatalf("docs/emulation.md does not say how many cases pass: %v", err)
	}
	if all, err = strconv.Atoi(counts[2]); err != nil {
		t.Fatalf("docs/emulation.md does not say of how many cases: %v", err)
	}
	for line := range strings.Lines(section) {
		columns := strings.Split(line, "|")
		if len(columns) != 5 || strings.Contains(line, "---") || strings.TrimSpace(columns[1]) == "cases" {
			continue
		}
		e := &exception{end: strings.TrimSpace(columns[2])}
		for id := range strings.SplitSeq(columns[1], ",") {
			e.cases = append(e.cases, strings.ReplaceAll(strings.TrimSpace(id), `\`, ""))
		}
		table = append(table, e)
	}
	if len(table) == 0 {
		t.Fatal("docs/emulation.md has no table of cases")
	}
	return table, passed, all
}

// wantedEnd is how a case has to end.
func wantedEnd(table []*exception, id string) string {
	for _, e := range table {
		for _, pattern := range e.cases {
			if ok, _ := path.Match(pattern, id); ok { // the patterns are of the table, and right
				e.met = true
				return e.end
			}
		}
	}
	return "passed"
}

// slowCase waits a minute for an answer that does not come.
const slowCase = "9.7.1"

// Every case of Autobahn's passes, but for those that the table in docs/emulation.md names, which end as it says.
func TestAutobahn(t *testing.T) {
	table, passed, all := autobahnTable(t)
	url := startEcho(t, emulator.AWS(), false)
	good, n := 0, 1 // the slow one
	for _, r := range runCases(t, url, 4, "*", slowCase) {
		n++
		want := wantedEnd(table, r.ID)
		if r.end() != want { // the cases give the server a second, which a busy machine may not have
			r = runCases(t, url, 1, r.ID, "")[0]
		}
		if r.end() != want {
			t.Errorf("case %s: %s, want %s: %s", r.ID, r.end(), want, r.Why)
		}
		if r.Passed {
			good++
		}
	}
	if good != passed || n != all {
		t.Errorf("%d of %d cases pass, docs/emulation.md says %d of %d", good, n, passed, all)
	}
	for _, e := range table {
		if !e.met {
			t.Errorf("the row of %v in docs/emulation.md is about no case", e.cases)
		}
	}
}

// What does not pass because of a limit, or of what is assumed, passes without.
func TestAutobahnWithoutLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		limits emulator.Limits
		cases  string
	}{
		"empty frames": {emulator.AWS(), "1.1.1,6.1.1,6.1.2," + slowCase},
		"no limits":    {emulator.Native(1 << 20), "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*"},
	} {
		t.Run(name, func(t *testing.T) {
			url := startEcho(t, tt.limits, true)
			for _, r := range runCases(t, url, 4, tt.cases, "") {
				if !r.Passed {
					r = runCases(t, url, 1, r.ID, "")[0]
				}
				if !r.Passed {
					t.Errorf("case %s: %s", r.ID, r.Why)
				}
			}
		})
	}
}
