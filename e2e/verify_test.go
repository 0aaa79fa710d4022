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
func verify(t *testing.T, outputs string, args ...string) (verified, error) {
	t.Helper()
	program, err := verifier()
	if err != nil {
		t.Fatalf("build it: %v\n%s", err, program)
	}
	file := filepath.Join(t.TempDir(), "report.md")
	cmd := exec.CommandContext(t.Context(), program, append([]string{
		"--outputs", outputs, "--report", file,
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
			v, err := verify(t, outputsOf(t, strings.TrimPrefix(url, "http://"), "/socket.io"), args...)
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

// spoilt is the template with mistakes, in a folder of its own.
func spoilt(t *testing.T, mistakes ...[2]string) string {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mistakes {
		if !strings.Contains(string(text), m[0]) {
			t.Fatalf("template.yaml has no %q", m[0])
		}
		text = []byte(strings.Replace(string(text), m[0], m[1], 1))
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
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// noRouteResponse takes the route response away where frames are handled at once, which need it.
var noRouteResponse = [2]string{
	"    Type: AWS::ApiGatewayV2::RouteResponse\n    Condition: InboundConcurrent\n",
	"    Type: AWS::ApiGatewayV2::RouteResponse\n    Condition: InboundOrdered\n",
}

// noRight takes the right to push from every function.
var noRight = [2]string{
	"- &connections\n                Effect: Allow", "- &connections\n                Effect: Deny",
}

// otherStage has functions push to another stage.
var otherStage = [2]string{
	`.${AWS::URLSuffix}/v1"` + "\n        NONSTICK_EDGE:",
	`.${AWS::URLSuffix}/v2"` + "\n        NONSTICK_EDGE:",
}

// A deployment that is wrong is told what is wrong, and where: of one that is wrong in three ways, each.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, inbound, stage string
		mistakes             [][2]string
		want                 []string
	}{
		{
			"no route response, the URL of another stage, no right to push", "concurrent", "/v2",
			[][2]string{noRouteResponse, noRight},
			[]string{
				"wrong stage: ", "missing right, or wrong stage: a WebSocket is let in, and the open packet",
				"no route response: ",
			},
		},
		{
			"another stage to push to", "ordered", "/v1",
			[][2]string{otherStage},
			[]string{"or wrong stage: ", "InboundRole lacks"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			s := start(
				t, "localdev with a spoilt template", binary, "--template", spoilt(t, c.mistakes...), "--app", "cases",
				"--addr", addr, "--inbound", c.inbound, "--built", builtFunctions(t), "--logs", t.TempDir(),
			)
			s.lacksRights = true // on purpose
			s.waitHealthyFor(t, "http://"+addr, templateTime)
			v, err := verify(t, outputsOf(t, addr, c.stage))
			if err == nil || len(v.Wrong) != len(c.want) {
				t.Fatalf("%v, wrong is %q", err, v.Wrong)
			}
			for i, want := range c.want {
				if !strings.Contains(v.Wrong[i], want) {
					t.Errorf("%q, want %q", v.Wrong[i], want)
				}
			}
		})
	}
}

// outputsOf are the outputs of a stack on localdev, whose WebSocket API is said to have a stage.
func outputsOf(t *testing.T, addr, stage string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "outputs")
	text := fmt.Sprintf(
		"HttpUrl=http://%s\nWebSocketUrl=ws://%s%s\nWebSocketClient=io({ path: \"/v1\" })\n", addr, addr, stage,
	)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
