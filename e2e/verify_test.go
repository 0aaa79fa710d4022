//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// verifier is the program that finds out what holds at a deployment, built once.
var verifier = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "verify")
	out, err := exec.Command("go", "build", "-o", path, "../scripts/verify").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

// verified is what the program reports.
type verified struct {
	Wrong   []string `json:"wrong"`
	Results []struct{ Group, Name, Status, Seen string }
}

// verify runs the program against localdev, which must be one with the application cases.
func verify(t *testing.T, httpURL, webSocketURL string, args ...string) (verified, error) {
	t.Helper()
	program, err := verifier()
	if err != nil {
		t.Fatalf("build it: %v\n%s", err, program)
	}
	file := filepath.Join(t.TempDir(), "report.md")
	cmd := exec.CommandContext(t.Context(), program, append([]string{
		"--http", httpURL, "--websocket", webSocketURL, "--report", file,
	}, args...)...)
	cmd.Dir = ".." // where it looks for official clients
	said, err := cmd.CombinedOutput()
	text, readErr := os.ReadFile(file + ".json")
	var v verified
	if readErr == nil {
		readErr = json.Unmarshal(text, &v)
	}
	if readErr != nil {
		t.Fatalf("no report: %v\n%s", readErr, said)
	}
	return v, err
}

// What holds at the template is what must, and what AWS alone can answer is as this emulation assumes.
func TestVerify(t *testing.T) {
	for _, inbound := range []string{"ordered", "concurrent"} {
		t.Run(inbound, func(t *testing.T) {
			t.Parallel()
			args := []string{"--for", "2s", "--only", "behaviours,exactness,questions"}
			deployment := []string{"--app", "cases", "--parameter", "PingInterval=5s", "--parameter", "PingTimeout=15s"}
			if inbound == "ordered" {
				deployment = append(deployment, "--parameter", "Edge=on")
			} else {
				args = []string{"--for", "2s", "--only", "questions"}
			}
			url := deploy(t, inbound, deployment...).url
			v, err := verify(t, url, "ws"+strings.TrimPrefix(url, "http")+"/socket.io", args...)
			if err != nil || len(v.Wrong) > 0 {
				t.Errorf("%v, wrong is %q", err, v.Wrong)
			}
			asked := 0
			for _, r := range v.Results {
				switch r.Status {
				case "ok":
					asked++
				case "not asked":
				default:
					t.Errorf("%s, %s: %s: %s", r.Group, r.Name, r.Status, r.Seen)
				}
			}
			if asked < 15 {
				t.Errorf("%d were asked", asked)
			}
		})
	}
}

// spoilt is the template with a mistake, in a folder of its own.
func spoilt(t *testing.T, from, to string) string {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("template.yaml has no %q", from)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"functions", "infra"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "template.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A deployment that is wrong is told what is wrong, and where.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	const response = "  WebSocketRouteResponse: # without it what the function answers to a frame is thrown away\n" +
		"    Type: AWS::ApiGatewayV2::RouteResponse\n    Condition: InboundConcurrent\n"
	for _, c := range []struct {
		name, from, to, inbound, want string
	}{
		{
			"no route response", response, strings.Replace(response, "InboundConcurrent", "InboundOrdered", 1),
			"concurrent", "no route response: ",
		},
		{
			"another stage to push to", `.${AWS::URLSuffix}/v1"` + "\n        NONSTICK_WEBSOCKET_URL",
			`.${AWS::URLSuffix}/v2"` + "\n        NONSTICK_WEBSOCKET_URL", "ordered", "wrong stage",
		},
		{
			"no right to push", "- &connections\n                Effect: Allow",
			"- &connections\n                Effect: Deny",
			"ordered", "WebSocketRole lacks execute-api:ManageConnections",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			url := "http://" + addr
			s := start(
				t, "localdev with a spoilt template", binary, "--template", spoilt(t, c.from, c.to), "--app", "cases",
				"--addr",
				addr, "--inbound", c.inbound, "--built", builtFunctions(t), "--logs", t.TempDir(),
			)
			s.lacksRights = true // on purpose
			s.waitHealthyFor(t, url, templateTime)
			v, err := verify(t, url, "ws"+strings.TrimPrefix(url, "http")+"/socket.io")
			if err == nil || len(v.Wrong) != 1 || !strings.Contains(v.Wrong[0], c.want) {
				t.Errorf("%v, wrong is %q, want %q", err, v.Wrong, c.want)
			}
		})
	}
	t.Run("the URL of another stage", func(t *testing.T) {
		t.Parallel()
		polling, webSocket := startTwoHosts(
			t, "/v2", "--app", "cases", "--template", "template.yaml", "--built", builtFunctions(t), "--logs",
			t.TempDir(),
		)
		v, err := verify(t, polling, webSocket)
		if err == nil || len(v.Wrong) != 1 || !strings.Contains(v.Wrong[0], "wrong stage: ") {
			t.Errorf("%v, wrong is %q", err, v.Wrong)
		}
	})
}
