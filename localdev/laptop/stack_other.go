//go:build !unix

package laptop

import (
	"context"
	"errors"
	"log/slog"
)

// errUnix: functions run as processes that are frozen with signals.
var errUnix = errors.New("--template needs Linux, macOS or another Unix; without it everything runs in this process")

// buildStack starts nothing.
func buildStack(context.Context, config, addresses, *slog.Logger) (*service, error) {
	return nil, errUnix
}
