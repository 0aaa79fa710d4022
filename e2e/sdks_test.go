package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// sdkTime bounds a run of all cases by one program.
const sdkTime = 2 * time.Minute

// sdkPython has boto3 and the AWS CLI: what the examples need too.
const sdkPython = "../.cache/emit-examples/bin/python"

// sdkCase is an error that users of an SDK catch: what is asked, and what they see.
type sdkCase struct {
	Name       string          `json:"name"`
	Service    string          `json:"service"`
	Stage      string          `json:"stage,omitempty"`
	Operation  string          `json:"operation"`
	Parameters json.RawMessage `json:"parameters"`
	// Class and Code are of boto3, Code of the command line too, JS of the SDK for JavaScript; Query, if that
	// differs, of the same with the query protocol: it did not know all errors of all operations.
	Class string `json:"class"`
	Code  string `json:"code"`
	JS    string `json:"js"`
	Query string `json:"query"`
	// Token is the session token of a function that asks with its credentials; empty: of a developer.
	Token string `json:"token"`
	// Says is in the message of the error.
	Says string `json:"says"`
}

// sdkAnswer is what a program tells of a case.
type sdkAnswer struct {
	By, Name, Class, Code, JS, Message string
	OfItsClass, Query                  bool
}

// seen reports whether a program saw what its users are to see.
func (c sdkCase) seen(a sdkAnswer) bool {
	if !strings.Contains(a.Message, c.Says) {
		return false
	}
	switch a.By {
	case "boto3":
		return a.Class == c.Class && a.Code == c.Code
	case "the AWS CLI":
		return a.Code == c.Code
	}
	want := c.JS
	if a.Query && c.Query != "" {
		want = c.Query
	}
	return a.JS == want && a.OfItsClass
}

// platform is a localdev --template with what the cases are about.
type platform struct {
	t      *testing.T
	url    string
	values map[string]string // of the words in braces
}

// startPlatform starts the functions of localdev's own tests, one of which takes no call.
func startPlatform(t *testing.T) *platform {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := start(
		t, "localdev --template", binary, "--addr", addr, "--template", "localdev/laptop/testdata/stack/template.yaml",
		"--parameter", "HttpConcurrency=0", "--logs", t.TempDir(),
	)
	s.lacksRights = true // of its functions some cases ask for more than they may
	s.waitHealthyFor(t, "http://"+addr, templateTime)
	p := &platform{t, "http://" + addr, map[string]string{"queues": "http://" + addr + "/000000000000"}}
	p.values["queue"], p.values["purged"] = p.values["queues"]+"/Dead", p.values["queues"]+"/Work"
	return p
}

// prepare has what the cases are about: for each program anew, since a client that does not read is cut after 30 s,
// and a purge is forgotten after a minute. So their cases come first.
func (p *platform) prepare() {
	p.t.Helper()
	p.prepareQueues()
	p.values["connection"], p.values["full"] = p.connect(), p.connect()
	p.fill(p.values["full"])
}

// prepareQueues has a receipt of a message that is no longer in flight, and a queue that has just been purged.
func (p *platform) prepareQueues() {
	p.t.Helper()
	c := sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &p.url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
	queue, purged := p.values["queue"], p.values["purged"]
	if _, err := c.SendMessage(
		p.t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: new("x")},
	); err != nil {
		p.t.Fatal(err)
	}
	got, err := c.ReceiveMessage(
		p.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, VisibilityTimeout: 1, WaitTimeSeconds: 5},
	)
	if err != nil || len(got.Messages) != 1 {
		p.t.Fatalf("received %+v, %v", got, err)
	}
	p.values["back"] = *got.Messages[0].ReceiptHandle
	if _, err := c.ChangeMessageVisibility(
		p.t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: &queue, ReceiptHandle: got.Messages[0].ReceiptHandle},
	); err != nil {
		p.t.Fatal(err)
	}
	_, err = c.PurgeQueue(p.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &purged})
	if _, recent := errors.AsType[*types.PurgeQueueInProgress](err); err != nil && !recent {
		p.t.Fatal(err)
	}
}

// named finds the id of a connection in the frame by which API Gateway tells of an error.
var named = regexp.MustCompile(`"connectionId":"([^"]+)"`)

// connect opens a WebSocket that reads one frame, and no more. It returns its id.
func (p *platform) connect() string {
	p.t.Helper()
	conn, _, _, err := ws.Dial(p.t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/v1")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(templateTime)); err != nil {
		p.t.Fatal(err)
	}
	if err := wsutil.WriteClientText(conn, []byte("no order")); err != nil {
		p.t.Fatal(err)
	}
	frame, err := wsutil.ReadServerText(conn)
	found := named.FindSubmatch(frame)
	if err != nil || found == nil {
		p.t.Fatalf("frame %s, %v, want the error frame", frame, err)
	}
	return string(found[1])
}

// fill pushes until the client's buffers are full.
func (p *platform) fill(connection string) {
	p.t.Helper()
	body := strings.Repeat("x", 128<<10)
	for range 1000 {
		req, err := http.NewRequestWithContext(
			p.t.Context(), http.MethodPost, p.url+"/v1/@connections/"+connection, strings.NewReader(body),
		)
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 x")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	p.t.Fatal("a client that does not read is never full")
}

// word is what stands for a value in the table, or for so many bytes.
var word = regexp.MustCompile(`\{([a-z]+|[0-9]+)\}`)

// cases reads the table, with the values of this run, and writes it to a file for the programs.
func (p *platform) cases() (cases []sdkCase, file string) {
	p.t.Helper()
	b, err := os.ReadFile("sdks/errors.json")
	if err != nil {
		p.t.Fatal(err)
	}
	b = word.ReplaceAllFunc(b, func(w []byte) []byte {
		name := string(w[1 : len(w)-1])
		if n, err := strconv.Atoi(name); err == nil {
			return bytes.Repeat([]byte("x"), n)
		}
		if p.values[name] == "" {
			p.t.Errorf("the table says {%s}, which is nothing", name)
		}
		return []byte(p.values[name])
	})
	if err := json.Unmarshal(b, &cases); err != nil {
		p.t.Fatal(err)
	}
	file = filepath.Join(p.t.TempDir(), "cases.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return cases, file
}

// ask has a program ask for all cases.
func (p *platform) ask(t *testing.T, program string, args ...string) []sdkAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(
		os.Environ(), "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_REGION=us-east-1",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s (installed by make tools): %v\n%.2000s", program, err, problems.String())
	}
	var all []sdkAnswer
	for line := range strings.Lines(string(out)) {
		var a sdkAnswer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%.300s: %v", line, err)
		}
		all = append(all, a)
	}
	return all
}

// Each error of an emulated service arrives as the exception that the users of boto3, of the AWS CLI and of the SDK
// for JavaScript catch.
func TestSDKErrors(t *testing.T) {
	p := startPlatform(t)
	for _, run := range []struct {
		name, program, script string
		by                    int // programs that tell of each case, at least
	}{
		{"python", sdkPython, "sdks/boto.py", 2},
		{"node", "node", "node/sdks.mjs", 1},
	} {
		t.Run(run.name, func(t *testing.T) {
			p.prepare()
			cases, file := p.cases()
			byName := map[string]sdkCase{}
			for _, c := range cases {
				byName[c.Name] = c
			}
			answers := p.ask(t, run.program, run.script, p.url, file)
			for _, a := range answers {
				c := byName[a.Name]
				if !c.seen(a) {
					t.Errorf(
						"%s, %s: %s%s %s: %.300s, want %s %s or %s: %s", c.Name, a.By, a.Class, a.JS, a.Code, a.Message,
						c.Class, c.Code, c.JS, c.Says,
					)
				}
			}
			if len(answers) < run.by*len(cases) {
				t.Errorf("%d answers to %d cases", len(answers), len(cases))
			}
		})
	}
}
