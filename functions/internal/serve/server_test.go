package serve

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/gateway/apigw"
)

func TestConfiguration(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"NONSTICK_APP", "nothing", "want "},
		{"NONSTICK_PATH", "socket.io", "want a path"},
		{"NONSTICK_PATH", "/socket.io", "want a path"},
		{"NONSTICK_MANAGEMENT_ENDPOINT", "", "is not set"},
		{"NONSTICK_MANAGEMENT_ENDPOINT", "wss://a.example/v1", "want a URL"},
		{"NONSTICK_OPEN_QUEUE", "", "is not set"},
		{"NONSTICK_HEARTBEAT_QUEUE", "", "is not set"},
		{"NONSTICK_PING_INTERVAL", "25", "want a time"},
		{"NONSTICK_PING_INTERVAL", "10m", "want a time"},
		{"NONSTICK_PING_TIMEOUT", "0s", "want a time"},
		{"NONSTICK_CONNECT_TIMEOUT", "-1s", "want a time"},
		{"NONSTICK_UPGRADE_TIMEOUT", "x", "want a time"},
		{"NONSTICK_POLL_HOLD", "26s", "want a time"},
		{"NONSTICK_POLL_PACE", "24ms", "want a time"},
		{"NONSTICK_POLL_PACE", "11s", "want a time"},
		{"NONSTICK_MAX_PAYLOAD", "0", "want a number"},
		{"NONSTICK_BUFFER_LIMIT", "4MB", "want a number"},
		{"NONSTICK_CORS_ORIGIN", "example.com", "want off, * or origins"},
		{"NONSTICK_CORS_ORIGIN", "https://example.com,*", "* stands alone"},
		{"NONSTICK_CORS_ORIGIN", "https://example.com/", "want off, * or origins"},
		{"NONSTICK_CORS_ORIGIN", "https://Example.com", "want off, * or origins"},
		{"NONSTICK_CORS_ORIGIN", "", "want off, * or origins"},
		{"NONSTICK_CORS_ORIGIN", "https://" + strings.Repeat("a", 1024), "want at most 1024"},
		{"NONSTICK_CORS_CREDENTIALS", "yes", "want true, false"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			w := newWorld(t)
			w.env[tt.name] = tt.value
			p := w.parts()
			testApps.WebSocket(p)
			err := p.Env.Err()
			if err == nil || !strings.HasPrefix(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s ... %s", err, tt.name, tt.want)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	for name, value := range map[string]string{
		"NONSTICK_PING_INTERVAL": "300ms", "NONSTICK_PING_TIMEOUT": "200ms", "NONSTICK_CONNECT_TIMEOUT": "0s",
		"NONSTICK_UPGRADE_TIMEOUT": "3s", "NONSTICK_POLL_HOLD": "2s", "NONSTICK_MAX_PAYLOAD": "1999",
		"NONSTICK_BUFFER_LIMIT": "77", "NONSTICK_POLL_PACE": "100ms",
	} {
		w.env[name] = value
	}
	o := engineOptions(boot.NewEnv(w.env.lookup))
	if o.PingInterval != 300*time.Millisecond || o.PingTimeout != 200*time.Millisecond || o.ConnectTimeout != 0 ||
		o.UpgradeTimeout != 3*time.Second || o.PollHold != 2*time.Second || o.MaxPayload != 1999 ||
		o.PollPace != 100*time.Millisecond || o.Limits.Buffer.Bytes != 77 {
		t.Errorf("options %+v", o)
	}
}

func TestCORS(t *testing.T) {
	tests := []struct {
		origin, credentials string
		want                apigw.CORS
	}{
		{"off", "false", apigw.CORS{}},
		{"off", "true", apigw.CORS{Credentials: true}},
		{"*", "false", apigw.CORS{Origins: []string{"*"}}},
		{
			"https://a.example, http://b.example", "true",
			apigw.CORS{Origins: []string{"https://a.example", "http://b.example"}, Credentials: true},
		},
	}
	for _, tt := range tests {
		env := boot.NewEnv(
			environment{"NONSTICK_CORS_ORIGIN": tt.origin, "NONSTICK_CORS_CREDENTIALS": tt.credentials}.lookup,
		)
		got := cors(env)
		if !slices.Equal(got.Origins, tt.want.Origins) || got.Credentials != tt.want.Credentials || env.Err() != nil {
			t.Errorf("%q: got %+v, %v", tt.origin, got, env.Err())
		}
	}
	env := boot.NewEnv(environment{"NONSTICK_CORS_ORIGIN": "*", "NONSTICK_CORS_CREDENTIALS": "true"}.lookup)
	if cors(env); env.Err() == nil {
		t.Error("* with credentials is no error")
	}
}

// A program with one application that has no name serves it, whatever the environment says; one with several lets the
// environment choose.
func TestChoose(t *testing.T) {
	named := func(names ...string) (all Apps) {
		for _, n := range names {
			all = append(all, gateway.App{Name: n})
		}
		return all
	}
	for _, tt := range []struct {
		apps        Apps
		given, want string
		wrong       bool
	}{
		{named(""), "chat", "", false},
		{named("a", "b"), "", "a", false},
		{named("a", "b"), "b", "b", false},
		{named("a", "b"), "c", "a", true},
		{named("a"), "b", "a", true},
	} {
		env := environment{"NONSTICK_APP": tt.given}
		if tt.given == "" {
			delete(env, "NONSTICK_APP")
		}
		e := boot.NewEnv(env.lookup)
		if got := tt.apps.choose(e); got.Name != tt.want || (e.Err() != nil) != tt.wrong {
			t.Errorf("of %v with %q: %q, error %v", tt.apps, tt.given, got.Name, e.Err())
		}
	}
}
