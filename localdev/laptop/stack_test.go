//go:build unix

package laptop

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/queue"
)

const stackTemplate = "testdata/stack/template.yaml"

// built is a folder with the functions of the template, all the same program; it is removed by TestMain.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "localdev-test-*")
	if err != nil {
		return "", err
	}
	builtDir = dir
	return dir, buildProbe(dir)
})

// builtDir is the folder, if there is one.
var builtDir string

func buildProbe(dir string) error {
	for i, id := range []string{"HttpFunction", "WebSocketFunction", "WorkFunction", "LoopFunction"} {
		to := filepath.Join(dir, id)
		if i == 0 {
			if err := lambda.Build(context.Background(), "../lambda/testdata/probe", to); err != nil {
				return err
			}
			continue
		}
		if err := os.Symlink("HttpFunction", to); err != nil {
			return err
		}
	}
	return nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	os.Exit(code)
}

// launchStack runs localdev with the template of testdata.
func launchStack(t *testing.T, args ...string) *process {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p := launch(t, append([]string{"--template", stackTemplate, "--built", dir, "--logs", t.TempDir()}, args...)...)
	t.Cleanup(func() {
		select {
		case p.signals <- os.Interrupt:
		default:
		}
		p.wait(t)
	})
	return p
}

// order is what the function is told to do.
func order(pairs ...any) string {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// post tells the function of the HTTP API.
func (p *process) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	res, err := http.Post(p.url+path, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestStackHTTP(t *testing.T) {
	p := launchStack(t)
	const internal = `{"message":"Internal Server Error"}`
	tests := []struct {
		name, path, order string
		status            int
		body              string
	}{
		{"answer", "api/x", order("text", "hello"), 200, `"hello"`},
		{"other route", "socket.io/x", order("text", "hello"), 200, `"hello"`},
		{"no route", "elsewhere", order("text", "hello"), 404, `{"message":"Not Found"}`},
		{"error", "api/x", order("do", "error"), 500, internal},
		{"crash", "api/x", order("do", "crash"), 500, internal},
		{"panic", "api/x", order("do", "panic"), 500, internal},
		{"timeout of the function", "api/x", order("sleep", 5000), 500, internal},
		{"memory", "api/x", order("do", "memory", "mb", 300), 500, internal},
		{"afterwards", "api/x", order("text", "hello"), 200, `"hello"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := p.post(t, tt.path, tt.order); status != tt.status || body != tt.body {
				t.Errorf("answer = %d %s, want %d %s", status, body, tt.status, tt.body)
			}
		})
	}
	if status, body := p.get(t, "healthz"); status != 200 || body != "ok\n" {
		t.Errorf("healthz = %d %q", status, body)
	}
	log, err := os.ReadFile(filepath.Join(p.logs(t), "HttpFunction.log"))
	if err != nil || !strings.Contains(string(log), "Status: timeout") ||
		!strings.Contains(string(log), "Error Type: Runtime.ExitError") {
		t.Errorf("log = %s, %v", log, err)
	}
}

// logs is the folder that localdev said it keeps logs in.
func (p *process) logs(t *testing.T) string {
	t.Helper()
	_, dir, ok := strings.Cut(p.said, "logs of the functions in ")
	if !ok {
		t.Fatalf("it said %q, and nothing of logs", p.said)
	}
	return strings.TrimRight(dir, ")\n")
}

// state is what /localdev/state tells.
type state struct {
	Functions []lambda.Stats
	Account   lambda.AccountStats
	Queues    []queue.Stats
}

func (p *process) state(t *testing.T) state {
	t.Helper()
	var s state
	_, body := p.get(t, "localdev/state")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("state %s: %v", body, err)
	}
	return s
}

// function returns the counts of one.
func (p *process) function(t *testing.T, name string) lambda.Stats {
	t.Helper()
	for _, f := range p.state(t).Functions {
		if f.Function == name {
			return f
		}
	}
	t.Fatalf("no function %s", name)
	return lambda.Stats{}
}

func TestStackThrottles(t *testing.T) {
	p := launchStack(t, "--parameter", "HttpConcurrency=1", "--concurrency", "2")
	var mu sync.Mutex
	got := map[int]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			status, _ := p.post(t, "api/x", order("sleep", 400))
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	all.Wait()
	if got[200] != 1 || got[503] != 3 {
		t.Errorf("answers = %v, want one 200 and three 503", got)
	}
	if s := p.function(t, "HttpFunction"); s.Throttles != 3 || s.Concurrency != 1 {
		t.Errorf("stats = %+v", s)
	}
	conn := p.dial(t, "socket.io/")
	for range 3 {
		write(t, conn, order("sleep", 400, "text", "mine"))
	}
	frames := []string{}
	for range 3 {
		frames = append(frames, text(t, conn)[:6])
	}
	slices.Sort(frames)
	if want := []string{`"mine"`, `"mine"`, `{"mess`}; !slices.Equal(frames, want) {
		t.Errorf("frames = %v, want two answers and an error frame", frames)
	}
}

// Functions for which nothing is reserved share the account's concurrency.
func TestStackAccount(t *testing.T) {
	p := launchStack(t, "--account-concurrency", "1", "--account-connects", "1")
	conn := p.dial(t, "socket.io/")
	write(t, conn, order("sleep", 1500, "text", "mine"))
	eventually(t, "one function is at work", func() bool { return p.function(t, "WebSocketFunction").Busy == 1 })
	if status, _ := p.post(t, "api/x", order("text", "x")); status != 503 {
		t.Errorf("another function answered %d", status)
	}
	if got := text(t, conn); got != `"mine"` {
		t.Errorf("frame %s", got)
	}
	if status, _ := p.post(t, "api/x", order("text", "x")); status != 200 {
		t.Errorf("afterwards it answered %d", status)
	}
	if got := p.state(t).Account; got.Concurrency != 1 || got.Throttles != 1 || got.Peak != 1 {
		t.Errorf("account %+v", got)
	}
}

// dial opens a WebSocket on which the client says nothing first.
func (p *process) dial(t *testing.T, path string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(p.url, "http")+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if br != nil {
		conn = buffered{conn, br}
	}
	return conn
}

func write(t *testing.T, conn net.Conn, frame string) {
	t.Helper()
	if err := wsutil.WriteClientText(conn, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func TestStackWebSocket(t *testing.T) {
	p := launchStack(t)
	for _, path := range []string{"socket.io/?EIO=4", "v1", "v1/"} {
		conn := p.dial(t, path)
		write(t, conn, order("text", "hello"))
		if got := text(t, conn); got != `"hello"` {
			t.Errorf("%s: frame = %s", path, got)
		}
	}
	_, _, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"elsewhere")
	if status, ok := err.(ws.StatusError); !ok || int(status) != 403 { //nolint:errorlint // as the package returns it
		t.Errorf("other path: %v, want 403", err)
	}
	conn := p.dial(t, "v1")
	for name, bad := range map[string]string{
		"error": order("do", "error"), "crash": order("do", "crash"), "timeout": order("sleep", 5000), "no JSON": "x",
	} {
		write(t, conn, bad)
		if got := text(t, conn); !strings.HasPrefix(got, `{"message":"Internal server error","connectionId":"`) {
			t.Errorf("%s: frame = %s, want the error frame", name, got)
		}
	}
	write(t, conn, order("text", "still here"))
	if got := text(t, conn); got != `"still here"` {
		t.Errorf("frame = %s", got)
	}
}

// An empty route response sends nothing, or an empty frame, as it is told.
func TestStackEmptyResponse(t *testing.T) {
	empty := order("do", "empty")
	for how, want := range map[string]string{"nothing": `"after"`, "frame": ""} {
		t.Run(how, func(t *testing.T) {
			conn := launchStack(t, "--empty-response", how).dial(t, "v1")
			write(t, conn, empty)
			if how == "nothing" {
				write(t, conn, order("text", "after"))
			}
			if got := text(t, conn); got != want {
				t.Errorf("frame = %q, want %q", got, want)
			}
		})
	}
}

// Each API of a template has its host, and its functions and its user are told which.
func TestStackTwoHosts(t *testing.T) {
	p := launchStack(t, "--hosts", "two")
	at := webSocketHost.FindStringSubmatch(p.said)
	if at == nil || at[2] != "v1" {
		t.Fatalf("it said %q, and nothing of the second host", p.said)
	}
	second := &process{url: "http" + strings.TrimPrefix(at[1], "ws") + "/"}
	if want := regexp.MustCompile(
		`Outputs of the template:\n  Page +` + p.url + `\n  Socket +` + at[0][len("WebSocket API on "):] + "\nNonstick",
	); !want.MatchString(
		p.said,
	) {
		t.Errorf("it said %q, want %s", p.said, want)
	}
	for name, want := range map[string]string{
		"ENDPOINT": second.url + "v1", "AWS_ENDPOINT_URL": strings.TrimSuffix(p.url, "/"),
	} {
		if _, got := p.post(t, "api/x", order("do", "env", "text", name)); got != strconv.Quote(want) {
			t.Errorf("%s = %s, want %q", name, got, want)
		}
	}
	for _, path := range []string{"v1", "v1/"} {
		conn := second.dial(t, path)
		write(t, conn, order("text", "hello"))
		if got := text(t, conn); got != `"hello"` {
			t.Errorf("%s: frame = %s", path, got)
		}
	}
	for _, url := range []string{p.url + "v1", second.url + "socket.io/?EIO=4", second.url} {
		if got := upgrade(t, "ws"+strings.TrimPrefix(url, "http")); got != 403 && got != 404 {
			t.Errorf("WebSocket at %s: %d", url, got)
		}
	}
	if status, body := second.post(t, "api/x", order("text", "hello")); status != 403 {
		t.Errorf("the HTTP API at the other's host: %d %s", status, body)
	}
}

// Frames that go straight to a function are handled at once.
func TestStackInbound(t *testing.T) {
	p := launchStack(t)
	conn := p.dial(t, "v1")
	write(t, conn, order("text", "slow", "sleep", 500))
	write(t, conn, order("text", "fast"))
	if got, want := []string{text(t, conn), text(t, conn)}, []string{`"fast"`, `"slow"`}; !slices.Equal(got, want) {
		t.Errorf("frames = %v, want %v", got, want)
	}
}

func TestStackEnvironment(t *testing.T) {
	dynamoDB := answering(
		t, 400,
		`{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}`,
	)
	p := launchStack(t, "--ping-interval", "300ms", "--app", "chat", "--dynamodb-endpoint", dynamoDB.URL)
	for name, want := range map[string]string{
		"NONSTICK_PING_INTERVAL": "300ms", "NONSTICK_APP": "chat", "NONSTICK_PING_TIMEOUT": "",
		"ENDPOINT":         strings.TrimSuffix(p.url, "/") + "/v1",
		"AWS_ENDPOINT_URL": strings.TrimSuffix(p.url, "/"), "AWS_REGION": "us-east-1",
	} {
		if _, got := p.post(t, "api/x", order("do", "env", "text", name)); got != strconv.Quote(want) {
			t.Errorf("%s = %s, want %q", name, got, want)
		}
	}
	// DynamoDB is behind what counts and asks for rights.
	status, body := p.post(t, "api/x", order(
		"do", "call", "method", "POST", "of", "AWS_ENDPOINT_URL_DYNAMODB", "path", "/",
		"target", "DynamoDB_20120810.ListTables", "request", "{}",
	))
	if status != http.StatusOK || !strings.Contains(body, "400 ") ||
		!strings.Contains(body, "The security token included in the request is invalid.") {
		t.Errorf("the endpoint of DynamoDB answers %d %s", status, body)
	}
}

// credentials are those of local clients.
var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

// sqs is the SDK's client.
func (p *process) sqs() *sqs.Client {
	return sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: &p.url, Credentials: credentials})
}

// lines are those of a file that functions write to.
func lines(file string) []string {
	b, _ := os.ReadFile(file)
	return strings.Fields(string(b))
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

// send sends orders to a queue of the stack.
func (p *process) send(t *testing.T, name, group string, orders ...string) {
	t.Helper()
	c := p.sqs()
	out, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range orders {
		in := &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: &o}
		if group != "" {
			in.MessageGroupId, in.MessageDeduplicationId = &group, new(rand.Text())
		}
		if _, err := c.SendMessage(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStackQueues(t *testing.T) {
	p := launchStack(t)
	file := filepath.Join(t.TempDir(), "notes")
	t.Run("one of a batch fails for ever, and ends among the dead", func(t *testing.T) {
		t.Parallel()
		p.send(t, "Work", "", order("do", "note", "file", file, "text", "good"), order("do", "error"))
		eventually(t, "a dead letter", func() bool {
			s := p.state(t)
			return s.Queues[1].Queue == "Dead" && s.Queues[1].Visible == 1 && s.Queues[0].Hidden == 0
		})
		if got := lines(file); !slices.Equal(got, []string{"good"}) {
			t.Errorf("notes = %v", got)
		}
	})
	t.Run("groups keep their order, whatever the function takes", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for i := range 6 {
			for _, group := range []string{"a", "b", "c"} {
				p.send(
					t, "Ordered.fifo", group,
					order("do", "note", "file", filepath.Join(dir, group), "text", strconv.Itoa(i), "sleep", 60-10*i),
				)
			}
		}
		for _, group := range []string{"a", "b", "c"} {
			eventually(t, "all of group "+group, func() bool { return len(lines(filepath.Join(dir, group))) == 6 })
			if got := lines(filepath.Join(dir, group)); !slices.IsSorted(got) {
				t.Errorf("group %s: %v", group, got)
			}
		}
	})
}

func TestStackInvoke(t *testing.T) {
	p := launchStack(t)
	c := sdklambda.New(sdklambda.Options{Region: "us-east-1", BaseEndpoint: &p.url, Credentials: credentials})
	res, err := c.Invoke(
		t.Context(),
		&sdklambda.InvokeInput{FunctionName: new("WorkFunction"), Payload: []byte(order("text", "hello"))},
	)
	if err != nil || string(res.Payload) != `"hello"` {
		t.Errorf("result = %+v, %v", res, err)
	}
}

func TestStackRefusals(t *testing.T) {
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(
		bad,
		[]byte(
			"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: .\n      Runtime: nodejs22.x\n      Handler: x\n",
		),
		0o600,
	); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(
		broken,
		[]byte(
			"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: nowhere\n      Runtime: provided.al2023\n      Handler: x\n",
		),
		0o600,
	); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no template", []string{"--template", "nowhere.yaml"}, exitFailed, "nowhere.yaml"},
		{
			"runtime",
			[]string{"--template", bad, "--built", dir},
			exitFailed,
			"bad.yaml:3: F: the runtime nodejs22.x is not emulated",
		},
		{"no code", []string{"--template", broken}, exitFailed, "function F: lambda: build"},
		{
			"not built",
			[]string{"--template", stackTemplate, "--built", t.TempDir()},
			exitFailed,
			"function HttpFunction is not built",
		},
		{
			"unknown parameter",
			[]string{"--template", stackTemplate, "--built", dir, "--parameter", "Nobody=1"},
			exitFailed, "no parameter Nobody",
		},
		{
			"parameter without value",
			[]string{"--template", stackTemplate, "--parameter", "Nobody"},
			exitUsage,
			"NAME=VALUE",
		},
		{"memory", []string{"--template", stackTemplate, "--store", "memory"}, exitUsage, "--store memory"},
		{"instances", []string{"--template", stackTemplate, "--instances", "2"}, exitUsage, "--instances"},
		{
			"more reserved than the account lets",
			[]string{
				"--template", stackTemplate, "--built", dir, "--account-concurrency", "100", "--parameter",
				"HttpConcurrency=1",
			},
			exitFailed, "1 of the account's 100, 100 of which must be left",
		},
		{
			"account without a template",
			[]string{"--account-requests", "10"},
			exitUsage,
			"--account-requests: is of --template",
		},
		{"concurrency alone", []string{"--concurrency", "2"}, exitUsage, "--concurrency"},
		{"concurrency", []string{"--template", stackTemplate, "--concurrency", "0"}, exitUsage, `--concurrency "0"`},
		{"inbound", []string{"--inbound", "sideways"}, exitUsage, "--inbound"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := run(append([]string{"--addr", "127.0.0.1:0"}, tt.args...), environment{}.lookup, &out, &errOut, nil)
			if code != tt.code || !strings.Contains(errOut.String(), tt.want) {
				t.Errorf("exit code = %d, it said %s, want %d and %q", code, errOut.String(), tt.code, tt.want)
			}
		})
	}
}

// What is missing for DynamoDB Local is said, and what to do without it.
func TestStackWithoutJava(t *testing.T) {
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(bash, filepath.Join(path, "bash")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path)
	var out, errOut bytes.Buffer
	args := []string{
		"--addr", "127.0.0.1:0", "--template", stackTemplate, "--built", dir, "--logs", t.TempDir(), "--parameter",
		"WithTable=yes",
	}
	code := run(args, environment{}.lookup, &out, &errOut, nil)
	if said := errOut.String(); code != exitFailed || !strings.Contains(said, "start DynamoDB Local") ||
		!strings.Contains(said, "java is needed") {
		t.Errorf("exit code = %d, it said %s", code, said)
	}
}
