package main

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// environment is a process's environment.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func TestParseConfig(t *testing.T) {
	tests := []struct {
		name string
		args string
		env  environment
		ok   func(c config) bool
	}{
		{"defaults", "", nil, func(c config) bool {
			return c.addr == "127.0.0.1:3000" && c.path == "/socket.io/" && c.app == "chat" && c.store == "memory" && c.instances == 1 &&
				c.pingInterval == 25*time.Second && c.maxPayload == 1e6 && c.limits == "aws" && c.push == "direct" && c.origins() == nil
		}},
		{"flags", "--addr :0 --instances 3 --ping-interval 300ms --log-level debug --limits none", nil, func(c config) bool {
			return c.addr == ":0" && c.instances == 3 && c.pingInterval == 300*time.Millisecond && c.logLevel == slog.LevelDebug && c.limits == "none"
		}},
		{"environment", "", environment{"NONSTICK_PING_INTERVAL": "5s", "NONSTICK_CORS_CREDENTIALS": "true", "NONSTICK_CORS_ORIGIN": "https://a.example"}, func(c config) bool {
			return c.pingInterval == 5*time.Second && c.corsCredentials && slices.Equal(c.origins(), []string{"https://a.example"})
		}},
		{"the flag wins", "--table one", environment{"NONSTICK_TABLE": "two"}, func(c config) bool { return c.table == "one" }},
		{"protocol has CORS for all", "--app protocol", nil, func(c config) bool { return slices.Equal(c.origins(), []string{"*"}) }},
		{"unless it is off", "--app protocol --cors-origin off", nil, func(c config) bool { return c.origins() == nil }},
		{"a list of origins", "--cors-origin https://a.example,http://b.example:8080", nil, func(c config) bool {
			return slices.Equal(c.origins(), []string{"https://a.example", "http://b.example:8080"})
		}},
		{"no connect timeout", "--connect-timeout 0", nil, func(c config) bool { return c.connectTimeout == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseConfig(strings.Fields(tt.args), tt.env.lookup, &bytes.Buffer{})
			if err != nil || !tt.ok(c) {
				t.Errorf("config = %+v, %v", c, err)
			}
		})
	}
}

func TestParseConfigErrors(t *testing.T) {
	tests := []struct {
		name string
		args string
		env  environment
		want string // in the message
	}{
		{"unknown flag", "--nonsense", nil, "nonsense"},
		{"argument", "serve", nil, `"serve"`},
		{"bad duration", "--ping-interval 5", nil, "ping-interval"},
		{"bad duration in the environment", "", environment{"NONSTICK_PING_TIMEOUT": "soon"}, "NONSTICK_PING_TIMEOUT"},
		{"bad level", "--log-level loud", nil, "log-level"},
		{"no port", "--addr localhost", nil, "--addr"},
		{"bad port", "--addr :99999", nil, "--addr"},
		{"path without slash", "--path /socket.io", nil, "--path"},
		{"path that is taken", "--app protocol --path /engine.io/", nil, "--path"},
		{"unknown app", "--app game", nil, "chat, protocol, bench, cases"},
		{"unknown store", "--store redis", nil, "memory, dynamodb"},
		{"unknown limits", "--limits some", nil, "aws, none"},
		{"unknown push", "--push hard", nil, "direct, api"},
		{"no table", "--store dynamodb --table=", nil, "--table"},
		{"short table", "--table t1", nil, "--table"},
		{"bad endpoint", "--dynamodb-endpoint localhost:8000", nil, "--dynamodb-endpoint"},
		{"no instance", "--instances 0", nil, "--instances"},
		{"too many instances", "--instances 65", nil, "--instances"},
		{"no ping interval", "--ping-interval 0s", nil, "--ping-interval"},
		{"negative connect timeout", "--connect-timeout -1s", nil, "--connect-timeout"},
		{"hold above the platform's time", "--poll-hold 29s", nil, "--poll-hold"},
		{"no payload", "--max-payload 0", nil, "--max-payload"},
		{"payload above the platform's", "--max-payload 20000000", nil, "--max-payload"},
		{"bad origin", "--cors-origin example.com", nil, "--cors-origin"},
		{"all and one", "--cors-origin *,https://a.example", nil, "stands alone"},
		{"credentials for all", "--cors-origin * --cors-credentials", nil, "--cors-credentials"},
		{"everything at once", "--instances 0 --max-payload 0", nil, "--max-payload"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig(strings.Fields(tt.args), tt.env.lookup, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one about %s", err, tt.want)
			}
		})
	}
}

func TestHelpNamesEveryOption(t *testing.T) {
	var out bytes.Buffer
	_, err := parseConfig([]string{"--help"}, environment{}.lookup, &out)
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error = %v", err)
	}
	for _, name := range []string{
		"addr", "path", "store", "dynamodb-endpoint", "table", "instances", "app", "ping-interval", "ping-timeout", "connect-timeout", "max-payload",
		"cors-origin", "cors-credentials", "poll-hold", "upgrade-timeout", "buffer-limit", "limits", "push", "log-level",
	} {
		env := "NONSTICK_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if !strings.Contains(out.String(), "--"+name) || !strings.Contains(out.String(), env) {
			t.Errorf("the help text does not name --%s and %s", name, env)
		}
	}
}
