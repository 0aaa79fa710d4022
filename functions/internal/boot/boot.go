package boot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/management"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// Parts is what a function is made of.
type Parts struct {
	// Env is the environment, for what the function alone needs to know. Run checks it after Build.
	Env     *Env
	Log     *slog.Logger
	Metrics *Metrics
	Store   sessionstore.Store
	Pusher  delivery.Pusher

	region string
	keys   aws.Credentials
}

// Handler serves the invocations of a function.
type Handler func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke implements [lambda.Handler].
func (h Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	answer, err := h(ctx, payload)
	if f, ok := errors.AsType[*TypedError](err); ok {
		err = messages.InvokeResponse_Error{Type: f.Type, Message: f.Message}
	}
	return answer, err
}

// TypedError is an error of a function with the type and the message that its caller reads, or the destination of
// failed invocations.
type TypedError struct{ Type, Message string }

// Error implements error.
func (f *TypedError) Error() string { return f.Type + ": " + f.Message }

// Build makes a function's handler.
type Build func(*Parts) Handler

// Run is the main of a function. It returns only if the platform does not answer.
func Run(build Build) {
	h, err := start(build, os.LookupEnv, os.Stdout)
	if err != nil {
		newLogger(os.Stdout, slog.LevelInfo, nil).Error(
			"cannot start: the configuration is wrong", "error", err.Error(),
		)
		os.Exit(1)
	}
	lambda.Start(h)
}

// Check returns what keeps a function from starting in an environment; nil if nothing does. It is what Run does, with
// nothing started.
func Check(build Build, lookup func(string) (string, bool)) error {
	_, err := start(build, lookup, io.Discard)
	return err
}

// start builds a function by its environment.
func start(build Build, lookup func(string) (string, bool), out io.Writer) (Handler, error) {
	p := newParts(NewEnv(lookup), out)
	h := build(p)
	if err := p.Env.Err(); err != nil {
		return nil, err
	}
	return p.surround(h), nil
}

// maxRelease bounds the name of a release, in bytes.
const maxRelease = 64

func newParts(env *Env, out io.Writer) *Parts {
	var level slog.Level
	_ = level.UnmarshalText(
		[]byte(env.Choice("NONSTICK_LOG_LEVEL", "info", "debug", "info", "warn", "error")),
	) // each of them is one
	p := &Parts{Env: env, region: env.Need("AWS_REGION"), keys: aws.Credentials{
		AccessKeyID: env.Need("AWS_ACCESS_KEY_ID"), SecretAccessKey: env.Need("AWS_SECRET_ACCESS_KEY"),
		SessionToken: env.Text("AWS_SESSION_TOKEN", ""), Source: "environment",
	}}
	meter := &sessionstore.Meter{}
	if env.Choice("NONSTICK_METRICS", "on", "on", "off") == "on" {
		p.Metrics = newMetrics(out, env.Text("AWS_LAMBDA_FUNCTION_NAME", "unknown"), meter)
	}
	p.Log = newLogger(out, level, p.Metrics)
	if release := env.Word("NONSTICK_RELEASE", maxRelease); release != "" {
		p.Log = p.Log.With("release", release)
	}
	client := dynamostore.NewClient(dynamostore.ClientOptions{
		Region: p.region, Endpoint: p.endpoint("DYNAMODB"), Credentials: dynamostore.Credentials{
			AccessKeyID: p.keys.AccessKeyID, SecretAccessKey: p.keys.SecretAccessKey, SessionToken: p.keys.SessionToken,
		},
	})
	p.Store = dynamostore.New(client, dynamostore.Options{Table: env.Need("NONSTICK_TABLE"), Meter: meter})
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return p.keys, nil })
	p.Pusher = countingPusher{management.New(management.Options{Region: p.region, Credentials: provider}), p.Metrics}
	return p
}

// endpoint is where a service is, if it is not where AWS has it: the variables are those of AWS's own clients.
func (p *Parts) endpoint(service string) string {
	return cmp.Or(p.Env.Text("AWS_ENDPOINT_URL_"+service, ""), p.Env.Text("AWS_ENDPOINT_URL", ""))
}

// Queue returns the queue whose URL a variable holds.
func (p *Parts) Queue(name string) *Queue {
	q, err := newQueue(p.Env.URL(name), p.endpoint("SQS"), p.region, p.keys)
	if err != nil {
		p.Env.Fail(name, "%v", err)
	}
	return q
}

// maxBuffer is the most that a session's buffer may be configured to hold, in bytes.
const maxBuffer = 1 << 30

// Limits reads the limits of deliveries, which have to be the same for all functions.
func Limits(env *Env) delivery.Limits {
	return delivery.Limits{
		Buffer: sessionstore.BufferLimits{Bytes: env.Number("NONSTICK_BUFFER_LIMIT", 4<<20, 1, maxBuffer)},
	}
}

// endMargin is what an invocation leaves of its time, so that it can still tell how it ended.
const endMargin = 500 * time.Millisecond

// MaxAnswer is what AWS Lambda takes of a function's answer, in bytes: 6 MB and a little.
const MaxAnswer = 6<<20 + 100

// ErrAnswerTooLarge is the end of an invocation whose answer Lambda would refuse, which would end the process with
// it. What a function may answer is bounded where the answer is made; this is for what was forgotten.
var ErrAnswerTooLarge = errors.New("boot: answer too large")

// ErrPanic is the end of an invocation whose handler panicked. The log has its stack.
var ErrPanic = errors.New("boot: panic")

// surround adds to a handler what every invocation needs: an end before the platform's, an eye on panics, and the
// writing of metrics. An error is logged here and nowhere else.
func (p *Parts) surround(h Handler) Handler {
	return func(ctx context.Context, payload []byte) (answer []byte, err error) {
		if end, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, end.Add(-endMargin))
			defer cancel()
		}
		defer func() {
			if e := p.Metrics.flush(time.Now()); e != nil {
				p.Log.WarnContext(ctx, "metrics not written", "error", e)
			}
		}()
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: %v", ErrPanic, r)
				p.Log.ErrorContext(ctx, "panic", "value", fmt.Sprint(r), "stack", string(debug.Stack()))
			}
		}()
		if answer, err = h(ctx, payload); err == nil && len(answer) > MaxAnswer {
			answer, err = nil, fmt.Errorf("%w: %d bytes, at most %d", ErrAnswerTooLarge, len(answer), MaxAnswer)
		}
		if err != nil {
			p.Log.ErrorContext(ctx, "invocation failed", "error", err)
		}
		return answer, err
	}
}

// Encode encodes an answer.
func Encode[T any](v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("boot: encode answer: %w", err)
	}
	return b, nil
}
