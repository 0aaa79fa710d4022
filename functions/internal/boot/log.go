package boot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// newLogger returns a logger that writes lines of JSON, each with the id of its invocation. Every line at the
// level of errors is counted.
func newLogger(w io.Writer, level slog.Level, m *Metrics) *slog.Logger {
	json := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replaceAttr})
	return slog.New(logHandler{json, m})
}

type logHandler struct {
	slog.Handler
	metrics *Metrics
}

// Handle adds the id of the invocation.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.metrics.Add(Errors, 1)
	}
	if c, ok := lambdacontext.FromContext(ctx); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("requestId", c.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.metrics}
}

// WithGroup implements [slog.Handler].
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.metrics}
}

// timestamp is the key by which Lambda, with its log format JSON, finds the time of a line; only with one it heeds
// the level.
const timestamp = "timestamp"

// replaceAttr names the time as Lambda wants it, and hides sessions.
func replaceAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Key = timestamp
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return hideSession(groups, a)
}

// sidKey is the attribute that says which session a line is about.
const sidKey = "sid"

// hideSession puts a hash in the place of a session's id, which is a secret: a program that knows it can speak for the
// client. It goes by the type of the value and by the name of the attribute.
func hideSession(_ []string, a slog.Attr) slog.Attr {
	if id, ok := a.Value.Any().(sessionstore.SessionID); ok {
		return slog.String(a.Key, SessionHash(id))
	}
	if a.Key == sidKey {
		return slog.String(a.Key, SessionHash(sessionstore.SessionID(a.Value.String())))
	}
	return a
}

// SessionHash is what logs say in place of a session's id: 12 hexadecimal digits of its SHA-256.
func SessionHash(id sessionstore.SessionID) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:6])
}
