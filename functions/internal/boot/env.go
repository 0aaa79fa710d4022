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

// Given returns a variable that may be set to nothing; def if it is not set.
func (e *Env) Given(name, def string) string {
	if v, ok := e.lookup(name); ok {
		return v
	}
	return def
}

// Word returns a variable of letters, digits, dots, dashes and underscores, at most so many; empty if it is not set,
// or set to nothing.
func (e *Env) Word(name string, most int) string {
	v := e.Text(name, "")
	wrong := strings.ContainsFunc(v, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
	if wrong || len(v) > most {
		e.Fail(name, "want up to %d letters, digits and ._-", most)
	}
	return v
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

// Choice returns a variable that is one of the allowed values; def if it is not set.
func (e *Env) Choice(name, def string, allowed ...string) string {
	v, ok := e.lookup(name)
	if !ok {
		return def
	}
	if !slices.Contains(allowed, v) {
		e.Fail(name, "want %s", strings.Join(allowed, ", "))
		return def
	}
	return v
}

// Number returns a variable that is a whole number from least to most; def if it is not set. It is written with its
// digits alone, as the template's patterns have it: no sign but a minus, no zero before it, no point.
func (e *Env) Number(name string, def, least, most int) int {
	text, ok := e.lookup(name)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text || n < least || n > most {
		e.Fail(name, "want a number from %d to %d", least, most)
		return def
	}
	return n
}

// units are those that a time may have, the longest first where one ends like another.
var units = []struct {
	name string
	unit time.Duration
}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}}

// Duration returns a variable that is a time from least to most; def if it is not set. It is a whole number with one
// of the units ms, s and m, as the template's patterns have it, and not all that Go takes for a duration.
func (e *Env) Duration(name string, def, least, most time.Duration) time.Duration {
	text, ok := e.lookup(name)
	if !ok {
		return def
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != digits || n > int64(most/u.unit) ||
			time.Duration(n)*u.unit < least {
			break
		}
		return time.Duration(n) * u.unit
	}
	e.Fail(
		name, "want a time from %s to %s as a whole number with ms, s or m, for instance %s", least, most,
		shortForm(def),
	)
	return def
}

// shortForm writes a time in the form that Duration takes.
func shortForm(d time.Duration) string {
	for _, u := range slices.Backward(units) {
		if d%u.unit == 0 && d >= u.unit {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
