// Command verify finds out what holds at a deployment: on AWS, or of localdev --template. See docs/verify.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const usage = `usage: go run ./scripts/verify [options]

Finds out what holds at a deployment with the application cases, and prints a report. docs/verify.md says how to
deploy it.

  --outputs FILE   outputs of the stack: the JSON of aws cloudformation describe-stacks, or lines NAME VALUE, as
                   localdev prints them
  --stack NAME     ask the AWS CLI for the outputs of this stack
  --http URL, --websocket URL, --url URL
                   the two APIs, and the one address if there is one, instead of outputs
  --only WORDS     what to run, with commas between them: behaviours, clients, exactness, questions. Default all
  --for DURATION   how long exactness is watched; default 10s
  --long           ask also what takes hours: 15 minutes of silence, the end after 2 hours
  --report FILE    write the report there too, as Markdown; FILE.json gets what it is made of
  --help           this

Exit code: 0 if what must hold does, 1 if not, 2 if the options are wrong.
`

var (
	errUsage  = errors.New("wrong options")
	errFailed = errors.New("something that must hold does not")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "verify: %v\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "verify: %v\n", err)
		os.Exit(1)
	}
}

// groups are what --only chooses among.
var groups = []string{"behaviours", "clients", "exactness", "questions"}

// options are what the arguments say.
type options struct {
	outputs outputs
	only    map[string]bool
	exact   time.Duration
	long    bool
	report  string
}

func parse(ctx context.Context, args []string, out io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	file, stack := fs.String("outputs", "", ""), fs.String("stack", "", "")
	httpURL, wsURL, url := fs.String("http", "", ""), fs.String("websocket", "", ""), fs.String("url", "", "")
	only := fs.String("only", strings.Join(groups, ","), "")
	fs.DurationVar(&o.exact, "for", 10*time.Second, "")
	fs.BoolVar(&o.long, "long", false, "")
	fs.StringVar(&o.report, "report", "", "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = io.WriteString(out, usage)
			return o, err
		}
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.only = map[string]bool{}
	for _, word := range strings.Split(*only, ",") {
		known := false
		for _, g := range groups {
			known = known || g == word
		}
		if !known {
			return o, fmt.Errorf("%w: --only %q: want some of %s", errUsage, word, strings.Join(groups, ","))
		}
		o.only[word] = true
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("%w: unexpected %q", errUsage, fs.Arg(0))
	case *file != "":
		o.outputs, err = fromFile(*file)
	case *stack != "":
		o.outputs, err = fromStack(ctx, *stack)
	case *httpURL != "" && *wsURL != "":
		o.outputs = outputs{"HttpUrl": *httpURL, "WebSocketUrl": *wsURL, "Url": *url}
	default:
		err = fmt.Errorf("%w: say --outputs, --stack, or --http and --websocket", errUsage)
	}
	return o, err
}

// run verifies. What is done goes to progress as it is done, the report to out.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(ctx, args, out)
	if err != nil {
		return err
	}
	began := time.Now()
	u := &used{}
	r := &report{progress: progress}
	r.verify(ctx, o, u)
	if err := r.write(out, o.outputs, u, time.Since(began)); err != nil {
		return err
	}
	if o.report != "" {
		if err := r.save(o, u, time.Since(began)); err != nil {
			return err
		}
	}
	if n := r.failures(); n > 0 {
		return fmt.Errorf("%w: %d of %d", errFailed, n, len(r.results))
	}
	return ctx.Err()
}

// verify does all of it, as far as the deployment can be reached.
func (r *report) verify(ctx context.Context, o options, u *used) {
	ways := o.outputs.ways(u)
	inbound, fine := "", true
	for _, w := range ways {
		in, ok := r.reach(ctx, w)
		fine = fine && ok
		if in != "" {
			inbound = in
		}
	}
	if !fine {
		return // what is wrong is said; everything else would say it again
	}
	last := ways[len(ways)-1] // the one address, if there is one
	if o.only["behaviours"] {
		for _, w := range ways {
			for _, b := range behaviours {
				r.check(ctx, "behaviours: "+w.name, b.name, func(ctx context.Context) error { return b.of(ctx, w) })
			}
		}
	}
	if o.only["clients"] {
		r.clients(ctx, last)
	}
	if o.only["exactness"] {
		for _, w := range ways {
			r.check(ctx, "exactness", w.name+": once and in order, each acknowledged", exactly(w, o.exact))
		}
	}
	if o.only["questions"] {
		var one *way
		if len(ways) > 1 {
			one = ways[1]
		}
		for _, q := range questions(ways[0], one, inbound, o.long) {
			r.ask(ctx, q)
		}
	}
}

// clients has the official clients speak, several at a time: most of their time they wait.
func (r *report) clients(ctx context.Context, w *way) {
	var all errgroup.Group
	all.SetLimit(clientsAtOnce)
	for _, p := range programs() {
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			all.Go(func() error {
				r.check(ctx, "clients", p.name+", "+transport, func(ctx context.Context) error {
					if transport != "polling" && w.name != "one address" && w.http != httpOf(w.webSocket) {
						return &skipError{"the clients are told one address, and there are two: deploy with Edge=on"}
					}
					return smoke(p, w, transport)(ctx)
				})
				return nil
			})
		}
	}
	_ = all.Wait() // what failed is in the report
}

// clientsAtOnce bounds the official clients that run at a time.
const clientsAtOnce = 5

// httpOf is the base URL that a WebSocket's URL belongs to.
func httpOf(webSocket string) string {
	base := "http" + strings.TrimPrefix(webSocket, "ws")
	if i := strings.LastIndexByte(base, '/'); i > len("https://") {
		base = base[:i]
	}
	return base
}

// save writes the report to files.
func (r *report) save(o options, u *used, took time.Duration) error {
	var text strings.Builder
	if err := r.write(&text, o.outputs, u, took); err != nil {
		return err
	}
	list, err := json.MarshalIndent(map[string]any{"wrong": r.wrong, "results": r.results}, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(o.report, []byte(text.String()), 0o600), os.WriteFile(o.report+".json", append(list, '\n'), 0o600),
	)
}
