package laptop

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/internal/version"
)

// option is one flag, which is an environment variable too.
type option struct {
	name, arg, usage string
	group            string // its heading in the help text
	read             func(string) error
}

// env is the option's environment variable: NONSTICK_PING_INTERVAL for --ping-interval.
func (o option) env() string {
	return "NONSTICK_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))
}

// declaration collects options, in the order of the help text, and what is wrong with the values that they are given:
// all of it, and not the first alone.
type declaration struct {
	fs      *flag.FlagSet
	options []option
	group   string
	wrong   []error
}

// value is a flag whose wrong values are collected, by the name of the flag.
type value struct {
	name   string
	read   func(string) error
	show   func() string
	toggle bool // it needs no argument
	wrong  *[]error
}

// Set implements [flag.Value]. It never fails: see [declaration].
func (v value) Set(s string) error {
	if err := v.read(s); err != nil {
		*v.wrong = append(*v.wrong, badValue("--"+v.name, s, err))
	}
	return nil
}

// String implements [flag.Value].
func (v value) String() string {
	if v.show == nil { // the zero value, which package flag makes to learn whether there is a default
		return ""
	}
	return v.show()
}

// IsBoolFlag tells package flag that the flag needs no argument.
func (v value) IsBoolFlag() bool { return v.toggle }

// badValue says that an option, by the name that its user knows it by, has a value that it does not take, and which
// it wants.
func badValue(name, given string, want error) error {
	return fmt.Errorf("%s %q: %w", name, given, want)
}

// add declares an option. An argument of "" is a switch.
func (d *declaration) add(name, arg, usage string, read func(string) error, show func() string) {
	d.options = append(d.options, option{name, arg, usage, d.group, read})
	d.fs.Var(value{name, read, show, arg == "", &d.wrong}, name, usage)
}

// text declares an option that takes any text.
func (d *declaration) text(p *string, name, arg, def, usage string) {
	*p = def
	d.add(name, arg, usage, func(s string) error { *p = s; return nil }, func() string { return *p })
}

// number declares an option that takes a whole number within bounds.
func (d *declaration) number(p *int, name, arg string, def, least, most int, usage string) {
	*p = def
	want := fmt.Errorf("want a whole number from %d to %d, for example %d", least, most, def)
	d.add(name, arg, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return want
		}
		*p = n
		return nil
	}, func() string { return strconv.Itoa(*p) })
}

// span bounds a time. Example is one that is allowed.
type span struct{ least, most, example time.Duration }

// bounds is the span as a sentence has it.
func (s span) bounds() string {
	switch {
	case s.most > 0 && s.least > 0:
		return fmt.Sprintf("from %s to %s", brief(s.least), brief(s.most))
	case s.most > 0:
		return "up to " + brief(s.most)
	case s.least > 0:
		return "of " + brief(s.least) + " or more"
	}
	return "of 0s or more"
}

// brief is a time without units that say nothing: 5m for 5m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// duration declares an option that takes a time with its unit.
func (d *declaration) duration(p *time.Duration, name string, def time.Duration, s span, usage string) {
	*p = def
	example := s.example
	if example == 0 {
		example = def
	}
	want := fmt.Errorf("want a time with its unit (ms, s, m or h), %s, for example %s", s.bounds(), brief(example))
	d.add(name, "TIME", usage, func(text string) error {
		t, err := time.ParseDuration(text)
		if err != nil || t < s.least || s.most > 0 && t > s.most {
			return want
		}
		*p = t
		return nil
	}, func() string { return brief(*p) })
}

// toggle declares an option that is on or off.
func (d *declaration) toggle(p *bool, name, usage string) {
	d.add(name, "", usage, func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("want true or false; the flag alone is true")
		}
		*p = b
		return nil
	}, func() string { return strconv.FormatBool(*p) })
}

// level declares an option that takes a level of the log.
func (d *declaration) level(p *slog.Level, name, arg string, def slog.Level, usage string) {
	*p = def
	d.add(name, arg, usage, func(s string) error {
		if err := p.UnmarshalText([]byte(s)); err != nil {
			return errors.New("want debug, info, warn or error")
		}
		return nil
	}, func() string { return strings.ToLower(p.String()) })
}

// help writes the help text.
func (p Program) help(fs *flag.FlagSet, options []option, out io.Writer) {
	fmt.Fprintf(
		out,
		`%[1]s runs Nonstick on this machine: API Gateway (HTTP, WebSocket and @connections), the functions
behind it, their queue and the sweeper, all in one process; or, with --template, the functions of a SAM
template as processes of their own, as Lambda runs them, with SQS and DynamoDB Local.

Usage: %[1]s [flags]

Every flag is an environment variable too; the flag wins. A TIME has a unit, as 300ms, 25s or 5m.
`, p.Name,
	)
	group := ""
	for _, o := range options {
		if o.group != group {
			group = o.group
			fmt.Fprintf(out, "\n%s\n", group)
		}
		fmt.Fprintf(out, "  --%s\n        %s\n        %s", strings.TrimSpace(o.name+" "+o.arg), o.usage, o.env())
		if def := fs.Lookup(o.name).DefValue; def != "" && o.arg != "" {
			fmt.Fprintf(out, " (default %s)", def)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprint(out, `
Others:
  --help
        print this text
  --version
        print the version of Nonstick and of Go, and the platform

At the address:
  GET /healthz            200 while connections are accepted
With --template also, for programs of this machine and not for pages:
  GET /localdev/state     counts of functions and queues, in JSON
  POST /localdev/deploy   builds the functions anew and goes on with the new ones; connections stay
  GET /localdev/events    what was published to a topic of SNS or an event bus that EventsTo names
  POST /                  the API of SQS; POST /2015-03-31/functions/NAME/invocations that of Lambda

The outputs of the template are printed at the start. An interrupt stops everything in an orderly way, a second one
at once.
Exit codes: 0 after an orderly end, 1 if something failed, 2 if the options are wrong.
`)
}

// writeVersion writes the line that --version prints.
func (p Program) writeVersion(out io.Writer) {
	fmt.Fprintf(out, "%s %s %s %s/%s\n", p.Name, version.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
