//go:build unix

package lambda

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// runtimeAPI serves one environment: the API by which a runtime gets invocations and answers them.
type runtimeAPI struct {
	env    *environment
	addr   string
	server *http.Server
	done   chan struct{}
}

// The base path of the Runtime API, and its headers.
const (
	runtimePath     = "/2018-06-01/runtime/"
	headerRequestID = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline  = "Lambda-Runtime-Deadline-Ms"
	headerARN       = "Lambda-Runtime-Invoked-Function-Arn"
	headerTrace     = "Lambda-Runtime-Trace-Id"
)

// serveRuntimeAPI listens on a free port of the loopback interface.
func serveRuntimeAPI(e *environment) (*runtimeAPI, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the runtime: %w", err)
	}
	a := &runtimeAPI{env: e, addr: l.Addr().String(), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimePath+"invocation/next", a.next)
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/response", a.response)
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/error", a.error)
	mux.HandleFunc("POST "+runtimePath+"init/error", a.initError)
	a.server = &http.Server{Handler: mux}
	go func() {
		defer close(a.done)
		_ = a.server.Serve(l) // ends by close
	}()
	return a, nil
}

func (a *runtimeAPI) close() {
	_ = a.server.Close() // what it served has ended
	<-a.done
}

// next ends the invocation before, and waits for another.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	e := a.env
	e.mu.Lock()
	before, first := e.current, !e.asked
	e.current, e.asked = nil, true
	e.mu.Unlock()
	if first {
		close(e.up)
	}
	if before != nil {
		close(before.over)
	}
	var inv *invocation
	select {
	case inv = <-e.work:
	case <-e.gone:
		return
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	e.current = inv
	e.mu.Unlock()
	h := w.Header()
	h.Set(headerRequestID, inv.id)
	h.Set(headerDeadline, strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set(headerARN, e.fn.ARN)
	root := "Root=1-" + strconv.FormatInt(inv.began.Unix(), 16) + "-" + strings.ReplaceAll(inv.id, "-", "")[:24]
	h.Set(headerTrace, inv.chain.header(e.fn.ARN, root))
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(inv.payload) // a process that is gone is noticed by its watcher
}

func (a *runtimeAPI) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body could not be read")
		return
	}
	if _, peak := a.env.measure(); peak > a.env.fn.Memory<<20 {
		a.env.end(outOfMemory())
		return
	}
	if len(body) > maxAnswer {
		why := &fault{
			kind:    kindResponse,
			message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxAnswer),
		}
		if a.answer(w, r, func(inv *invocation) { inv.fail(why) }) {
			refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", why.message)
		}
		return
	}
	if a.answer(w, r, func(inv *invocation) { inv.result.Payload = body }) {
		a.env.fn.answered(len(body))
		accepted(w)
	}
}

func (a *runtimeAPI) error(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body could not be read")
		return
	}
	a.env.measure()
	if a.answer(w, r, func(inv *invocation) { inv.fail(&fault{payload: body}) }) {
		accepted(w)
	}
}

// answer sets the result of the invocation that the request names. It reports false, having said so, if that
// is not the one that runs, or has an answer.
func (a *runtimeAPI) answer(w http.ResponseWriter, r *http.Request, set func(*invocation)) bool {
	e := a.env
	e.mu.Lock()
	defer e.mu.Unlock()
	inv := e.current
	if inv == nil || inv.id != r.PathValue("id") || inv.answered {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	}
	inv.answered = true
	set(inv)
	return true
}

func (a *runtimeAPI) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body could not be read")
		return
	}
	e := a.env
	e.mu.Lock()
	if e.fault == nil {
		e.fault = &fault{kind: kindExit, message: string(body), payload: body}
	}
	e.mu.Unlock()
	accepted(w)
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`) // the process may be gone
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	b, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, kind})
	if err != nil {
		panic(err) // two strings always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the process may be gone
}
