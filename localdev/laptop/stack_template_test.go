//go:build unix

package laptop

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// launchOurs runs the template of the repository, which builds its functions and starts DynamoDB Local.
func launchOurs(t *testing.T, args ...string) *process {
	t.Helper()
	p := launch(t, append([]string{"--template", "../../template.yaml", "--logs", t.TempDir()}, args...)...)
	t.Cleanup(func() {
		select {
		case p.signals <- os.Interrupt:
		default:
		}
		p.wait(t)
	})
	return p
}

// One start serves all: to build five functions takes a while.
func TestOurTemplate(t *testing.T) {
	p := launchOurs(t, "--app", "protocol")
	t.Run("polling", func(t *testing.T) {
		for _, path := range []string{"socket.io/", "engine.io/"} {
			if status, body := p.get(
				t, path+"?EIO=4&transport=polling",
			); status != 200 ||
				!strings.HasPrefix(body, `0{"sid":"`) {
				t.Errorf("%s = %d %q, want an open packet", path, status, body)
			}
		}
	})
	t.Run("the queued open packet, and a route response", func(t *testing.T) {
		conn := open(t, p, "engine.io/")
		write(t, conn, "4hello")
		if got := text(t, conn); got != "4hello" {
			t.Errorf("echo = %q", got)
		}
		conn = open(t, p, "socket.io/")
		write(t, conn, "40")
		if got := text(t, conn); !strings.HasPrefix(got, `40{"sid":"`) {
			t.Errorf("answer = %q, want a CONNECT", got)
		}
	})
	t.Run("the heartbeat runs", func(t *testing.T) {
		eventually(t, "it is called", func() bool { return p.function(t, "HeartbeatFunction").Invocations > 0 })
	})
	t.Run("logs have our lines, and none of Lambda's about calls that went well", func(t *testing.T) {
		b, err := os.ReadFile(filepath.Join(p.logs(t), "WebSocketFunction.log"))
		if err != nil || strings.Contains(string(b), "REPORT RequestId: ") ||
			!strings.Contains(string(b), `{"Function":"WebSocketFunction",`) {
			t.Errorf("log = %s, %v", b, err)
		}
	})
	t.Run("events of SAM", func(t *testing.T) { testEvents(t, p) })
	t.Run("loops", func(t *testing.T) { testLoops(t, p) })
	for _, f := range p.state(t).Functions {
		if f.Errors > 0 || f.Crashes > 0 || f.Throttles > 0 {
			t.Errorf("stats = %+v, want no trouble", f)
		}
	}
}

// testEvents gives every event of the folder sam to its function. The heartbeat works for long, so the test does not
// wait for it.
func testEvents(t *testing.T, p *process) {
	files, err := filepath.Glob("../sam/events/*.json")
	if err != nil || len(files) < 9 {
		t.Fatalf("events: %v, %v", files, err)
	}
	c := lambda.New(lambda.Options{Region: "us-east-1", BaseEndpoint: &p.url, Credentials: credentials})
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		kind := types.InvocationTypeRequestResponse
		if name == "HeartbeatFunction" {
			kind = types.InvocationTypeEvent
		}
		begin := time.Now()
		res, err := c.Invoke(
			t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: payload, InvocationType: kind},
		)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var answer struct {
			Status int   `json:"statusCode"`
			OK     *bool `json:"ok"`
		}
		if kind == types.InvocationTypeRequestResponse && json.Unmarshal(res.Payload, &answer) != nil ||
			res.FunctionError != nil ||
			answer.Status >= 500 ||
			answer.OK != nil && !*answer.OK {
			t.Errorf("%s: answer = %s", file, res.Payload)
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("%s took %s", file, d)
		}
	}
}

// Parameters that CloudFormation would refuse are refused before anything is built or started: each kind that would
// deploy functions that do not start, or that do not do what was meant.
func TestRefusedParameters(t *testing.T) {
	for _, tt := range []struct{ parameters, want string }{
		{"CorsOrigin=*,CorsCredentials=true", "rule CredentialsNeedOrigins"},
		{"PingInterval=10m", `PingInterval: "10m" is refused by the AllowedPattern`},
		{"PingTimeout=61m", `PingTimeout: "61m" is refused by the AllowedPattern`},
		{"ConnectTimeout=99999999999999999999s", "ConnectTimeout: "},
		{"LargeRoom=1.5", `LargeRoom: "1.5" is refused by the AllowedPattern`},
		{"HeartbeatSessions=2000000000", "HeartbeatSessions: "},
		{"HeartbeatConcurrency=1", "HeartbeatConcurrency: "},
		{"App=nothing", `App: "nothing" is not among the allowed values: AllowedValues chat`},
		{"JwtIssuer=https://issuer.example", "rule IssuerNeedsAudience"},
		{"JwtAudience=a", "rule AudienceNeedsIssuer"},
		{"CorsOrigin=https://a.example/", "CorsOrigin: "},
		{"PollingProvisioned=1", "rule ProvisionedNeedsRelease"},
	} {
		t.Run(tt.parameters, func(t *testing.T) {
			args := []string{
				"--addr", "127.0.0.1:0", "--template", "../../template.yaml", "--built", t.TempDir(),
			} // nothing is built there
			for _, p := range strings.Split(tt.parameters, ",") {
				args = append(args, "--parameter", p)
			}
			var out, errOut bytes.Buffer
			code := run(args, environment{}.lookup, &out, &errOut, nil)
			if code != exitFailed || !strings.Contains(errOut.String(), tt.want) || out.Len() > 0 {
				t.Errorf("exit code = %d, it said %s, want %q", code, errOut.String(), tt.want)
			}
		})
	}
}

// What no parameter says, but an option, is for the functions to refuse: that is said at the start, with the name of
// the variable.
func TestFunctionsThatCannotStart(t *testing.T) {
	p := launchOurs(t, "--ping-interval", "10m")
	eventually(t, "every function is named that cannot start", func() bool {
		said := p.stderr.String()
		return strings.Count(said, "function cannot start with what it got") == 5 &&
			strings.Contains(said, "NONSTICK_PING_INTERVAL") &&
			strings.Contains(said, "HeartbeatFunction")
	})
}
