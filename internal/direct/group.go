package direct

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// groupPath is where one process sends a group of frames for a connection of another, below the endpoint of the
	// management API: a POST of their JSON array to the connection's id. It is no part of the management API.
	groupPath = "/@groups/"
	// groupTime bounds one such call.
	groupTime = 5 * time.Second
	// defaultOutbox is what emulator.Limits.Outbox is if it is not said.
	defaultOutbox = 4 << 20
)

// peers sends to other processes on this machine.
var peers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}

// groups serves groups for the connections of an emulator.
type groups struct {
	server *emulator.Server
	path   string // with the stage, up to the connection's id
	limit  int    // bytes that may wait for one connection
}

// pathOf returns the path of an endpoint: "/local" of "http://127.0.0.1:3000/local".
func pathOf(endpoint string) string {
	_, rest, _ := strings.Cut(endpoint, "://")
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// ServeHTTP implements [http.Handler].
func (g *groups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusGone)
		return
	}
	var frames []string
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2*int64(g.limit)))
	if err == nil {
		err = json.Unmarshal(body, &frames)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch err := g.server.PostToConnection(strings.TrimPrefix(r.URL.Path, g.path), frames...); {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, emulator.ErrLimitExceeded):
		w.WriteHeader(http.StatusTooManyRequests)
	case errors.Is(err, emulator.ErrPayloadTooLarge):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	default:
		w.WriteHeader(http.StatusGone)
	}
}

// postGroup sends a group to the process that has the connection.
func postGroup(ctx context.Context, conn sessionstore.Connection, frames []string) error {
	ctx, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	body, err := json.Marshal(frames)
	if err != nil {
		return fmt.Errorf("push group: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, conn.Endpoint+groupPath+conn.ID, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("push group: %w", err)
	}
	resp, err := peers.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return delivery.ErrGone // a process that is no more
	case err != nil:
		return fmt.Errorf("push group: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusTooManyRequests:
		return delivery.ErrBusy
	case http.StatusRequestEntityTooLarge:
		return delivery.ErrFrameTooLarge
	case http.StatusGone:
		return delivery.ErrGone
	default:
		return fmt.Errorf("push group: answered %s", resp.Status)
	}
}
