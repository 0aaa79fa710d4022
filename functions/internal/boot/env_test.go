package boot

import (
	"strings"
	"testing"
	"time"
)

// environment is one that a test makes up.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func TestEnv(t *testing.T) {
	tests := []struct {
		name  string
		value string
		read  func(*Env) any
		want  any
		err   string // part of it; empty for none
	}{
		{"text", "x", func(e *Env) any { return e.Text("V", "def") }, "x", ""},
		{"text by default", "", func(e *Env) any { return e.Text("V", "def") }, "def", ""},
		{"needed", "x", func(e *Env) any { return e.Need("V") }, "x", ""},
		{"needed and missing", "", func(e *Env) any { return e.Need("V") }, "", "V is not set"},
		{"URL", "https://a.example/v1/", func(e *Env) any { return e.URL("V") }, "https://a.example/v1", ""},
		{
			"URL without a host", "https:/v1", func(e *Env) any { return e.URL("V") }, "https:/v1",
			`V="https:/v1": want a URL`,
		},
		{
			"URL of a WebSocket", "wss://a.example", func(e *Env) any { return e.URL("V") }, "wss://a.example",
			"want a URL",
		},
		{"URL missing", "", func(e *Env) any { return e.URL("V") }, "", "V is not set"},
		{"choice", "b", func(e *Env) any { return e.Choice("V", "a", "a", "b") }, "b", ""},
		{
			"choice of none of them", "c", func(e *Env) any { return e.Choice("V", "a", "a", "b") }, "a",
			`V="c": want a, b`,
		},
		{"number", "7", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 7, ""},
		{"number by default", "", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1, ""},
		{
			"number too great", "10", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1,
			`V="10": want a number from 0 to 9`,
		},
		{"number with letters", "7x", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1, "want a number"},
		{"number with a plus", "+7", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1, "want a number"},
		{"number with a zero", "07", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1, "want a number"},
		{"number with a point", "1.5", func(e *Env) any { return e.Number("V", 1, 0, 9) }, 1, "want a number"},
		{"number below zero", "-1", func(e *Env) any { return e.Number("V", 1, -1, 9) }, -1, ""},
		{"time", "90s", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) }, 90 * time.Second, ""},
		{
			"time in ms", "1500ms", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			1500 * time.Millisecond, "",
		},
		{
			"time in minutes", "60m", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Hour, "",
		},
		{
			"no time at all", "0m", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Duration(0), "",
		},
		{
			"time too long", "61m", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Second, "want a time",
		},
		{
			"time that is too long for a number", "9223372036854775807m",
			func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) }, time.Second, "want a time",
		},
		{
			"time of two units", "1m30s", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Second, "want a time",
		},
		{
			"time with a point", "1.5s", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Second, "want a time",
		},
		{
			"time in another unit", "1h", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Second, "want a time",
		},
		{
			"time without a unit", "90", func(e *Env) any { return e.Duration("V", time.Second, 0, time.Hour) },
			time.Second, `V="90": want a time from 0s to 1h0m0s as a whole number with ms, s or m, for instance 1s`,
		},
		{
			"time too short", "1ms", func(e *Env) any { return e.Duration("V", time.Second, time.Second, time.Hour) },
			time.Second, "want a time",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vars := environment{}
			if tt.value != "" {
				vars["V"] = tt.value
			}
			e := NewEnv(vars.lookup)
			if got := tt.read(e); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			err := e.Err()
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// A variable that is set to nothing is a mistake of a script, and no default.
func TestEnvSetToNothing(t *testing.T) {
	e := NewEnv(environment{"V": ""}.lookup)
	e.Number("V", 1, 0, 9)
	e.Duration("V", time.Second, 0, time.Hour)
	e.Choice("V", "a", "a", "b")
	if err := e.Err(); err == nil || strings.Count(err.Error(), `V=""`) != 3 {
		t.Errorf("error %v, want three", err)
	}
}

func TestEnvTellsEverything(t *testing.T) {
	e := NewEnv(environment{"N": "x"}.lookup)
	e.Need("A")
	e.Number("N", 1, 1, 2)
	e.URL("U")
	for _, name := range []string{"A", "N", "U"} {
		if !strings.Contains(e.Err().Error(), name) {
			t.Errorf("%s is not named in: %v", name, e.Err())
		}
	}
}
