package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// managementPath is what stands between the stage and a connection's id.
const managementPath = "/@connections/"

// serveManagement serves a request of the management API, at whatever stage, and reports whether it was one.
func (s *Server) serveManagement(w http.ResponseWriter, r *http.Request) bool {
	stage, id, ok := strings.Cut(r.URL.Path, managementPath)
	if !ok || strings.LastIndexByte(stage, '/') > 0 { // else it is the path of an application
		return false
	}
	if !s.guard.refuses(w, r) {
		s.manage(w, r, id)
	}
	return true
}

// manage serves the management API: POST sends, GET looks, DELETE closes.
func (s *Server) manage(w http.ResponseWriter, r *http.Request, id string) {
	stage, _, _ := strings.Cut(r.URL.Path, managementPath)
	resource := s.arn + stage + "/" + r.Method + managementPath + id
	switch {
	case stage != s.stage:
		awsError(w, http.StatusForbidden, "ForbiddenException", "Forbidden")
	case s.limits.Signed && !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-"):
		awsError(w, http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
	case s.denies(w, r, resource):
	case s.throttles():
		awsError(w, http.StatusTooManyRequests, "LimitExceededException", "Too Many Requests")
	case !validConnectionID(id):
		awsError(w, http.StatusBadRequest, "BadRequestException", "Invalid connectionId: "+id)
	default:
		s.manageConn(w, r, s.conns.get(id))
	}
}

// manageAction is the action of all calls of the management API in policies.
const manageAction = "execute-api:ManageConnections"

// denies answers a call whose caller has no right to it, and reports whether it did. The key of the message is another
// than in other errors, as recorded.
func (s *Server) denies(w http.ResponseWriter, r *http.Request, resource string) bool {
	err := s.rights(r, manageAction, resource)
	if err == nil {
		return false
	}
	w.Header().Set(errorType, "AccessDeniedException")
	answer(w, http.StatusForbidden, `{"Message":`+jsonString(err.Error())+`}`)
	return true
}

func (s *Server) manageConn(w http.ResponseWriter, r *http.Request, c *conn) {
	if c == nil {
		awsError(w, http.StatusGone, "GoneException", "Gone")
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.managePush(w, r, c)
	case http.MethodGet:
		describe(w, c)
	case http.MethodDelete:
		c.close(0, "")
		w.WriteHeader(http.StatusNoContent)
	default:
		awsError(w, http.StatusMethodNotAllowed, "MethodNotAllowedException", "Method Not Allowed")
	}
}

func (s *Server) managePush(w http.ResponseWriter, r *http.Request, c *conn) {
	limit := s.limits.Push
	if limit == 0 {
		limit = s.limits.Outbox
	}
	body, err := readAll(r.Body, nil, limit)
	if err == nil {
		err = c.push(string(body))
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, ErrPayloadTooLarge):
		awsError(
			w, http.StatusRequestEntityTooLarge, "PayloadTooLargeException",
			"The data has exceeded the maximum size allowed",
		)
	case errors.Is(err, ErrLimitExceeded):
		awsError(w, http.StatusTooManyRequests, "LimitExceededException", "The WebSocket client side buffer is full")
	case errors.Is(err, ErrGone):
		awsError(w, http.StatusGone, "GoneException", "Gone")
	default:
		awsError(w, http.StatusBadRequest, "BadRequestException", "The body could not be read")
	}
}

func describe(w http.ResponseWriter, c *conn) {
	id := c.event.RequestContext.Identity
	body := `{"connectedAt":"` + c.connectedAt.UTC().Format(time.RFC3339Nano) +
		`","identity":{"sourceIp":` + strconv.Quote(id.SourceIP) + `,"userAgent":` + jsonString(id.UserAgent) +
		`},"lastActiveAt":"` + time.Unix(0, c.active.Load()).UTC().Format(time.RFC3339Nano) + `"}`
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body) // the client may be gone
}

// errorType is the header that names the exception of an error.
const errorType = "X-Amzn-Errortype"

// awsError answers in the shape that the SDKs read.
func awsError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set(errorType, kind)
	answer(w, status, `{"message":`+jsonString(message)+`}`)
}

// jsonString is s as a JSON string.
func jsonString(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}
