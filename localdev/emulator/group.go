package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// groupPath is where one localdev process sends a group of frames for a connection of another: a POST of their JSON
// array. It is no part of the management API.
const groupPath = "/@groups/"

// groupTime bounds one such call.
const groupTime = 5 * time.Second

// peers sends to other processes on this machine.
var peers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}

// manageGroup serves a group for one of our connections.
func (s *Server) manageGroup(w http.ResponseWriter, r *http.Request, id string) {
	c := s.conns.get(id)
	if r.Method != http.MethodPost || !validConnectionID(id) || c == nil {
		w.WriteHeader(http.StatusGone)
		return
	}
	var frames []string
	body, err := readAll(r.Body, nil, 2*s.limits.Outbox)
	if err == nil {
		err = json.Unmarshal(body, &frames)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch err := c.pushGroup(frames); {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errFull):
		w.WriteHeader(http.StatusTooManyRequests)
	case errors.Is(err, errTooLarge):
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
