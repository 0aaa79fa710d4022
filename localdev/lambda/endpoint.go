//go:build unix

package lambda

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// InvokePath is the beginning of the path of the Invoke API.
const InvokePath = "/2015-03-31/functions/"

// ServeHTTP is the Invoke API, for the SDKs and the command line: synchronous calls, asynchronous ones
// (X-Amz-Invocation-Type: Event) and dry runs, of a function by its name or ARN. Requests must carry a
// signature, which is not verified.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, InvokePath)
	name, ok2 := strings.CutSuffix(rest, "/invocations")
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-"):
		serviceError(w, http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
		return
	// not ResourceNotFoundException: that would say that there is no such function
	case !ok || !ok2 || r.Method != http.MethodPost:
		serviceError(
			w, http.StatusBadRequest, "UnsupportedOperationException",
			"localdev emulates Invoke, and no other operation of Lambda",
		)
		return
	}
	if err := p.allow(r, name); err != nil {
		writeError(w, http.StatusForbidden, "AccessDeniedException", deniedBody{err.Error()})
		return
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		serviceError(w, http.StatusBadRequest, "InvalidRequestContentException", "the body could not be read")
		return
	}
	if len(payload) > maxPayload {
		callError(w, ErrTooLarge)
		return
	}
	if len(payload) > 0 && !json.Valid(payload) {
		serviceError(
			w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json",
		)
		return
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	p.serveCall(w, r, Call{Function: functionName(name), Payload: payload, Trace: r.Header.Get("X-Amzn-Trace-Id")})
}

// allow asks whether the caller may invoke a function, by its name as the request has it. It lets through what names no
// function.
func (p *Platform) allow(r *http.Request, name string) error {
	f, ok := p.function(functionName(name))
	if p.config.Authorize == nil || !ok {
		return nil
	}
	arn := f.ARN
	if q := cmp.Or(qualifier(name), r.URL.Query().Get("Qualifier")); q != "" {
		arn += ":" + q
	}
	return p.config.Authorize(r, "lambda:InvokeFunction", arn)
}

func (p *Platform) serveCall(w http.ResponseWriter, r *http.Request, c Call) {
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "DryRun":
		if _, ok := p.function(c.Function); !ok {
			callError(w, ErrNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		if err := p.InvokeAsync(c); err != nil { //nolint:contextcheck // the call outlives the request
			callError(w, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	case "", "RequestResponse":
		res, err := p.Invoke(r.Context(), c)
		if err != nil {
			callError(w, err)
			return
		}
		writeResult(w, res, r.Header.Get("X-Amz-Log-Type") == "Tail")
	default:
		serviceError(w, http.StatusBadRequest, "InvalidParameterValueException", "unknown invocation type "+kind)
	}
}

func writeResult(w http.ResponseWriter, res Result, tail bool) {
	h := w.Header()
	h.Set("X-Amzn-Requestid", res.RequestID)
	h.Set("X-Amz-Executed-Version", "$LATEST")
	h.Set("Content-Type", "application/json")
	if res.FunctionError != "" {
		h.Set("X-Amz-Function-Error", res.FunctionError)
	}
	if tail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.Log))
	}
	_, _ = w.Write(res.Payload) // the caller may be gone
}

// functionName is the name in a name, an ARN or a part of one, without a version or alias.
func functionName(s string) string {
	if _, rest, ok := strings.Cut(s, ":function:"); ok {
		s = rest
	}
	if _, rest, ok := strings.Cut(s, "function:"); ok {
		s = rest
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}

// qualifier is the version or alias behind a name, an ARN or a part of one; empty if there is none.
func qualifier(s string) string {
	_, rest, ok := strings.Cut(s, "function:")
	if !ok {
		rest = s
	}
	_, q, _ := strings.Cut(rest, ":")
	return q
}

// callError answers for a call that did not reach its function.
func callError(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		serviceError(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found")
	case errors.Is(err, errAccount):
		throttled(w, "ConcurrentInvocationLimitExceeded")
	case errors.Is(err, ErrThrottled):
		throttled(w, "ReservedFunctionConcurrentInvocationLimitExceeded")
	case errors.Is(err, ErrLoop):
		serviceError(
			w, http.StatusBadRequest, "RecursiveInvocationException",
			"Lambda has detected the specified function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.",
		)
	case errors.Is(err, ErrTooLarge):
		serviceError(
			w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than the limit",
		)
	default:
		serviceError(w, http.StatusInternalServerError, "ServiceException", err.Error())
	}
}

// errorBody is what errors of the service say.
type errorBody struct {
	Type    string `json:"Type"`
	Message string `json:"message"`
	Reason  string `json:"Reason,omitempty"`
}

// deniedBody is what the error of a missing right says: its message has another key, as recorded.
type deniedBody struct {
	Message string
}

// throttled answers for a call that found no concurrency, for a reason.
func throttled(w http.ResponseWriter, reason string) {
	writeError(
		w, http.StatusTooManyRequests, "TooManyRequestsException", errorBody{"User", "Rate Exceeded.", reason},
	)
}

func serviceError(w http.ResponseWriter, status int, kind, message string) {
	writeError(w, status, kind, errorBody{Type: "User", Message: message})
}

func writeError[Body errorBody | deniedBody](w http.ResponseWriter, status int, kind string, body Body) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings always marshal
	}
	w.Header().Set("X-Amzn-Errortype", kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller may be gone
}
