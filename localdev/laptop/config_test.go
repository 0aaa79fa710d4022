package laptop

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
			return c.addr == "127.0.0.1:3000" && c.path == "/socket.io/" && c.app == "chat" && c.store == "memory" &&
				c.instances == 1 &&
				c.pingInterval == 25*time.Second && c.maxPayload == 1e6 && c.limits == "aws" &&
				c.push == "direct" &&
				c.origins() == nil
		}},
		{
			"flags", "--addr :0 --instances 3 --ping-interval 300ms --log-level debug --limits none", nil,
			func(c config) bool {
				return c.addr == ":0" && c.instances == 3 && c.pingInterval == 300*time.Millisecond &&
					c.logLevel == slog.LevelDebug &&
					c.limits == "none"
			},
		},
		{
			"environment", "",
			environment{
				"NONSTICK_PING_INTERVAL": "5s", "NONSTICK_CORS_CREDENTIALS": "true",
				"NONSTICK_CORS_ORIGIN": "https://a.example",
			},
			func(c config) bool {
				return c.pingInterval == 5*time.Second && c.corsCredentials &&
					slices.Equal(c.origins(), []string{"https://a.example"})
			},
		},
		{
			"the flag wins", "--table one",
			environment{"NONSTICK_TABLE": "two"},
			func(c config) bool { return c.table == "one" },
		},
		{
			"protocol has CORS for all", "--app protocol", nil,
			func(c config) bool { return slices.Equal(c.origins(), []string{"*"}) },
		},
		{
			"unless it is off", "--app protocol --cors-origin off", nil,
			func(c config) bool { return c.origins() == nil },
		},
		{"a list of origins", "--cors-origin https://a.example,http://b.example:8080", nil, func(c config) bool {
			return slices.Equal(c.origins(), []string{"https://a.example", "http://b.example:8080"})
		}},
		{"no connect timeout", "--connect-timeout 0", nil, func(c config) bool { return c.connectTimeout == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := localdev.parseConfig(strings.Fields(tt.args), tt.env.lookup, &bytes.Buffer{})
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
		{
			"no unit", "--ping-interval 5", nil,
			`--ping-interval "5": want a time with its unit (ms, s, m or h), of 1ms or more, for example 25s`,
		},
		{
			"no time", "--idle soon --template t", nil,
			`--idle "soon": want a time with its unit (ms, s, m or h), of 1ms or more, for example 5m`,
		},
		{
			"negative time", "--queue-p50 -1s --template t", nil,
			`--queue-p50 "-1s": want a time with its unit (ms, s, m or h), of 0s or more, for example 28ms`,
		},
		{
			"bad duration in the environment", "",
			environment{"NONSTICK_PING_TIMEOUT": "soon"},
			`NONSTICK_PING_TIMEOUT "soon": want a time with its unit`,
		},
		{"bad level", "--log-level loud", nil, `--log-level "loud": want debug, info, warn or error`},
		{"no number", "--instances many", nil, `--instances "many": want a whole number from 1 to 64, for example 1`},
		{
			"bad number in the environment", "",
			environment{"NONSTICK_MAX_PAYLOAD": "1MB"},
			`NONSTICK_MAX_PAYLOAD "1MB": want a whole number from 1 to 10485760, for example 1000000`,
		},
		{"no switch", "--cors-credentials=maybe", nil, `--cors-credentials "maybe": want true or false`},
		{"no parameter", "--template t --parameter Inbound", nil, `--parameter "Inbound": want NAME=VALUE`},
		{"flag without a value", "--addr", nil, "needs an argument: --addr"},
		{"of --template", "--idle 3s", nil, "--idle: is of --template"},
		{"not with --template", "--template t --instances 2", nil, "--instances: does not go with --template"},
		{"of --hosts two", "--websocket-addr :0", nil, "--websocket-addr: is of --hosts two"},
		{"unknown hosts", "--hosts three", nil, `--hosts "three": want one of one, two`},
		{"two hosts for three APIs", "--hosts two --app protocol", nil, "--hosts two"},
		{"no port of the WebSocket API", "--hosts two --websocket-addr localhost", nil, "--websocket-addr"},
		{
			"percentiles the wrong way round", "--template t --queue-p50 2s --queue-p99 1s", nil,
			"--queue-p99 1s: want --queue-p50 (2s) or more",
		},
		{"no port", "--addr localhost", nil, "--addr"},
		{"bad port", "--addr :99999", nil, "--addr"},
		{"path without slash", "--path /socket.io", nil, "--path"},
		{"path that is taken", "--app protocol --path /engine.io/", nil, "--path"},
		{"unknown app", "--app game", nil, "chat, protocol, bench, cases"},
		{"unknown store", "--store redis", nil, "memory, dynamodb"},
		{"unknown limits", "--limits some", nil, "aws, none"},
		{"unknown answer", "--empty-response ping", nil, "nothing, frame"},
		{"unknown push", "--push hard", nil, "direct, api"},
		{"no table", "--store dynamodb --table=", nil, "--table"},
		{"short table", "--table t1", nil, "--table"},
		{"bad endpoint", "--dynamodb-endpoint localhost:8000", nil, "--dynamodb-endpoint"},
		{"no instance", "--instances 0", nil, "--instances"},
		{"too many instances", "--instances 65", nil, "--instances"},
		{"no ping interval", "--ping-interval 0s", nil, "--ping-interval"},
		{"negative connect timeout", "--connect-timeout -1s", nil, "--connect-timeout"},
		{
			"hold above the platform's time", "--poll-hold 29s", nil,
			`--poll-hold "29s": want a time with its unit (ms, s, m or h), from 1ms to 28s, for example 20s`,
		},
		{
			"pace below the first wait", "--poll-pace 20ms", nil,
			`--poll-pace "20ms": want a time with its unit (ms, s, m or h), from 25ms to 10s, for example 250ms`,
		},
		{"no payload", "--max-payload 0", nil, "--max-payload"},
		{"payload above the platform's", "--max-payload 20000000", nil, "--max-payload"},
		{"no client there", "--client .", nil, `--client ".": there is no socket.io.min.js in that folder`},
		{"bad origin", "--cors-origin example.com", nil, "--cors-origin"},
		{"all and one", "--cors-origin *,https://a.example", nil, "stands alone"},
		{"credentials for all", "--cors-origin * --cors-credentials", nil, "--cors-credentials"},
		{"unknown event", "--events - --events-out birth", nil, `--events-out "birth"`},
		{"events of a template", "--template t --events -", nil, "EventsTo"},
		{"everything at once", "--instances 0 --max-payload 0 --store redis", nil, "--max-payload"},
		{"and the rest of it", "--instances 0 --max-payload 0 --store redis", nil, "--store"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := localdev.parseConfig(strings.Fields(tt.args), tt.env.lookup, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one about %s", err, tt.want)
			}
		})
	}
}

func TestHelpNamesEveryOption(t *testing.T) {
	var out bytes.Buffer
	_, err := localdev.parseConfig([]string{"--help"}, environment{}.lookup, &out)
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error = %v", err)
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	options := (&config{program: localdev}).flags(fs).options
	for _, o := range options {
		if !strings.Contains(out.String(), "  --"+o.name) || !strings.Contains(out.String(), o.env()) || o.group == "" {
			t.Errorf("the help text does not name --%s and %s under a heading", o.name, o.env())
		}
	}
	for _, text := range []string{
		"(default 25s)", "(default 5m)", "/healthz", "/localdev/state", "/localdev/deploy", "Exit codes",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the help text does not say %q", text)
		}
	}
}

// Options that do nothing in the mode that was chosen are named.
func TestIdleOptions(t *testing.T) {
	tests := []struct {
		args string
		env  environment
		want []string // of the options that are named
	}{
		{"", nil, nil},
		{"--store dynamodb --table abc --dynamodb-endpoint http://127.0.0.1:1", nil, nil},
		{"--table abc", nil, []string{"--table"}},
		{
			"",
			environment{"NONSTICK_TABLE": "abc", "NONSTICK_DYNAMODB_ENDPOINT": "http://127.0.0.1:1"},
			[]string{"--dynamodb-endpoint", "--table"},
		},
		{"--memory-limit 10", nil, nil},
		{"--store dynamodb --memory-limit 10", nil, []string{"--memory-limit"}},
		{"--template t --memory-limit 10 --dynamodb-endpoint http://127.0.0.1:1", nil, []string{"--memory-limit"}},
		{"--events - --events-out join", nil, nil},
		{"--events-out join", nil, []string{"--events-out"}},
		{"--cors-credentials", nil, []string{"--cors-credentials"}},
		{"--cors-credentials --cors-origin https://a.example", nil, nil},
		{"--template t --queue-p99 1s", nil, []string{"--queue-p99"}},
		{"--template t --queue-p99 1s --queue-p50 1s", nil, nil},
	}
	for _, tt := range tests {
		c, err := localdev.parseConfig(strings.Fields(tt.args), tt.env.lookup, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		got := c.idleOptions()
		for i, said := range got {
			got[i], _, _ = strings.Cut(said, " ")
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: options without effect = %v, want %v", tt.args, tt.env, got, tt.want)
		}
	}
}
