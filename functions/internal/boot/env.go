package boot

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Env reads the environment and remembers all that is wrong with it, so that one start tells everything.
type Env struct {
	lookup func(string) (string, bool)
	errs   []error
}

// NewEnv returns an Env that looks variables up, as os.LookupEnv does.
func NewEnv(lookup func(string) (string, bool)) *Env { return &Env{lookup: lookup} }

// Err returns what was wrong, with the names of the variables; nil if nothing was.
func (e *Env) Err() error { return errors.Join(e.errs...) }

// Fail remembers that a variable's value cannot be used.
func (e *Env) Fail(name, format string, args ...any) {
	value, _ := e.lookup(name)
	e.errs = append(e.errs, fmt.Errorf("%s=%q: %s", name, value, fmt.Sprintf(format, args...)))
}

// Text returns a variable; def if it is not set or empty.
func (e *Env) Text(name, def string) string {
	if v, ok := e.lookup(name); ok && v != "" {
		return v
	}
	return def
}

// Need returns a variable that must be set.
func (e *Env) Need(name string) string {
	v := e.Text(name, "")
	if v == "" {
		e.errs = append(e.errs, fmt.Errorf("%s is not set", name))
	}
	return v
}

// URL returns a variable that must be set to a URL of http or https, without a slash at its end.
func (e *Env) URL(name string) string {
	v := e.Need(name)
	if v == "" {
		return ""
	}
	if u, err := url.Parse(v); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		e.Fail(name, "want a URL as https://example.com/path")
	}
	return strings.TrimRight(v, "/")
}

// Choice returns a variable that is one of the allowed values.
func (e *Env) Choice(name, def string, allowed ...string) string {
	v := e.Text(name, def)
	if !slices.Contains(allowed, v) {
		e.Fail(name, "want %s", strings.Join(allowed, ", "))
		return def
	}
	return v
}

// Number returns a variable that is a whole number from least to most.
func (e *Env) Number(name string, def, least, most int) int {
	text := e.Text(name, "")
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		e.Fail(name, "want a number from %d to %d", least, most)
		return def
	}
	return n
}

// Duration returns a variable that is a time from least to most, with its unit.
func (e *Env) Duration(name string, def, least, most time.Duration) time.Duration {
	text := e.Text(name, "")
	if text == "" {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		e.Fail(name, "want a time from %s to %s, for instance %s", least, most, def)
		return def
	}
	return d
}
