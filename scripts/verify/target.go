package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// outputs are those of a stack, by their names.
type outputs map[string]string

var errOutputs = errors.New("the outputs have no HttpUrl and WebSocketUrl")

// fromFile reads outputs: the JSON of aws cloudformation describe-stacks, a JSON object, or lines NAME VALUE or
// NAME=VALUE, as localdev prints them.
func fromFile(name string) (outputs, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the outputs: %w", err)
	}
	return parseOutputs(text)
}

// fromStack asks the AWS CLI.
func fromStack(ctx context.Context, stack string) (outputs, error) {
	cmd := exec.CommandContext(
		ctx, "aws", "cloudformation", "describe-stacks", "--stack-name", stack, "--output", "json",
	)
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask the AWS CLI for the stack %s: %w\n%s", stack, err, said.String())
	}
	return parseOutputs(text)
}

func parseOutputs(text []byte) (outputs, error) {
	out := outputs{}
	var stacks struct {
		Stacks []struct {
			Outputs []struct{ OutputKey, OutputValue string }
		}
	}
	var plain map[string]string
	switch {
	case json.Unmarshal(text, &stacks) == nil && len(stacks.Stacks) > 0:
		for _, o := range stacks.Stacks[0].Outputs {
			out[o.OutputKey] = o.OutputValue
		}
	case json.Unmarshal(text, &plain) == nil:
		out = plain
	default:
		for line := range strings.Lines(string(text)) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if !ok || strings.ContainsAny(name, " \t") {
				name, value, _ = strings.Cut(strings.TrimSpace(line), " ")
			}
			if value = strings.TrimSpace(value); name != "" && value != "" {
				out[name] = value
			}
		}
	}
	if out["HttpUrl"] == "" || out["WebSocketUrl"] == "" {
		return nil, errOutputs
	}
	return out, nil
}

// clientPath is the path of WebSockets in the outputs Client and WebSocketClient.
var clientPath = regexp.MustCompile(`path: "(/[^"]+)"`)

// told is the WebSocket API's URL with the path that clients are told; empty if that is the same, or they are told
// none.
func (o outputs) told() string {
	base := strings.TrimRight(o["WebSocketUrl"], "/")
	u, err := url.Parse(base)
	m := clientPath.FindStringSubmatch(o["Client"] + o["WebSocketClient"])
	if err != nil || m == nil || u.Path == m[1] {
		return ""
	}
	u.Path = m[1]
	return u.String()
}

// ways are how the deployment is reached: by the two APIs themselves, and by the one address if there is one.
func (o outputs) ways(u *used) []*way {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	base := strings.TrimRight(o["HttpUrl"], "/")
	all := []*way{{
		name: "the two APIs", http: base, webSocket: strings.TrimRight(o["WebSocketUrl"], "/"), used: u, client: client,
		other: o.told(),
	}}
	if one := strings.TrimRight(o["Url"], "/"); one != "" && one != base {
		all = append(all, &way{
			name: "one address", http: one, webSocket: "ws" + strings.TrimPrefix(one, "http") + "/socket.io", used: u,
			client: client,
		})
	}
	return all
}
