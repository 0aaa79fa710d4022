package apigw

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// request is what hooks are told of a request. Its handshake is made only if there is a hook.
type request struct {
	method    string
	query     map[string]string
	websocket bool
	handshake func() sessionstore.Handshake
}

func (h *Handler) httpRequest(e *events.APIGatewayV2HTTPRequest, query map[string]string) request {
	return request{
		method: e.RequestContext.HTTP.Method, query: query,
		handshake: func() sessionstore.Handshake { return httpHandshake(e, query) },
	}
}

func (h *Handler) webSocketRequest(e *events.APIGatewayWebsocketProxyRequest) request {
	return request{
		method: http.MethodGet, query: e.QueryStringParameters, websocket: true,
		handshake: func() sessionstore.Handshake { return h.webSocketHandshake(e) },
	}
}

// refused tells hooks that a request was refused, with an error that is r. Socket.IO tells of what is wrong with the
// request itself; we tell of a session that there is no room for, too.
func (h *Handler) refused(ctx context.Context, q request, r *engineio.Error, err error) {
	hooks := h.gateway.Requests().ConnectionError
	if len(hooks) == 0 || !r.HasBody() && r != engineio.ErrFull && r != engineio.ErrHandshakeTooLarge {
		return
	}
	e := engine.ConnectionError{Code: r.Code, Message: r.Message, Handshake: q.handshake()}
	if r.Code == engineio.ErrForbidden.Code {
		e.Message = engineio.ErrForbidden.Message
	}
	for _, hook := range hooks {
		e.Context = q.context(r, err) // each its own, to keep
		h.gateway.Guard(ctx, "OnConnectionError", func() { hook(ctx, e) })
	}
}

// context says what was wrong with the request, under the names of Socket.IO.
func (q request) context(r *engineio.Error, err error) map[string]string {
	transport := q.query["transport"]
	switch r.Code {
	case engineio.ErrUnknownTransport.Code:
		return map[string]string{"transport": transport}
	case engineio.ErrUnknownSession.Code:
		return map[string]string{"sid": q.query["sid"]}
	case engineio.ErrBadHandshakeMethod.Code:
		return map[string]string{"method": q.method}
	case engineio.ErrForbidden.Code:
		return map[string]string{"message": r.Message}
	case engineio.ErrUnsupportedVersion.Code:
		return map[string]string{"protocol": q.query["EIO"]}
	case engineio.ErrBadRequest.Code:
		return q.badRequest(r, err)
	default:
		return map[string]string{"message": r.Message}
	}
}

func (q request) badRequest(r *engineio.Error, err error) map[string]string {
	const name = "name"
	transport := q.query["transport"]
	switch {
	case r == engineio.ErrOrigin:
		return map[string]string{name: "MIDDLEWARE_FAILURE"}
	case r == engineio.ErrIDGeneration:
		return map[string]string{name: "ID_GENERATION_ERROR", "error": err.Error()}
	case q.query["sid"] == "":
		return map[string]string{name: "TRANSPORT_HANDSHAKE_ERROR"}
	case r == engineio.ErrVersion || !engineio.Supported(q.query):
		return map[string]string{name: "PROTOCOL_MISMATCH", "protocol": q.query["EIO"]} // Socket.IO does not look
	}
	previous := engineio.Polling
	if transport == string(engineio.Polling) {
		previous = engineio.WebSocket
	}
	return map[string]string{name: "TRANSPORT_MISMATCH", "transport": transport, "previousTransport": string(previous)}
}

// withHeaders returns the headers of an answer, as hooks of the application change them; those that were given if there
// is no hook. Initial says that the request begins a session, set are the cookies that the answer has without hooks.
func (h *Handler) withHeaders(
	ctx context.Context, q request, initial bool, headers map[string]string, set []string,
) (changed map[string]string, cookies []string) {
	hooks := h.gateway.Requests()
	if len(hooks.Headers) == 0 && (!initial || len(hooks.InitialHeaders) == 0) {
		return headers, set
	}
	header := make(http.Header, len(headers)+1)
	for name, value := range headers {
		header.Set(name, value)
	}
	for _, cookie := range set {
		header.Add(headerSetCookie, cookie)
	}
	call := func(name string, list []func(context.Context, sessionstore.Handshake, http.Header)) {
		for _, hook := range list {
			h.gateway.Guard(ctx, name, func() {
				next := header.Clone()
				hook(ctx, q.handshake(), next)
				header = next // what one that panics has set is none
			})
		}
	}
	if initial {
		call("OnInitialHeaders", hooks.InitialHeaders)
	}
	call("OnHeaders", hooks.Headers)
	return h.flat(ctx, header)
}

const headerSetCookie = "Set-Cookie"

// flat is a header as API Gateway takes it: one value for a name, and cookies apart.
func (h *Handler) flat(ctx context.Context, header http.Header) (headers map[string]string, cookies []string) {
	headers = make(map[string]string, len(header))
	for name, values := range header {
		if len(values) == 0 {
			continue
		}
		if !isToken(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			h.log.ErrorContext(ctx, "header left out: no client would read it", "header", name)
			continue
		}
		if http.CanonicalHeaderKey(name) == headerSetCookie {
			cookies = append(cookies, values...)
			continue
		}
		headers[name] = strings.Join(values, ", ")
	}
	return headers, cookies
}

// isToken reports whether s may be the name of a header.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// withHTTPHeaders is withHeaders for the answer to a request of the polling transport.
func (h *Handler) withHTTPHeaders(
	ctx context.Context, q request, initial bool, res events.APIGatewayV2HTTPResponse,
) events.APIGatewayV2HTTPResponse {
	res.Headers, res.Cookies = h.withHeaders(ctx, q, initial, res.Headers, res.Cookies)
	return res
}

// withUpgradeHeaders is withHeaders for the answer to an upgrade, which has room for one cookie.
func (h *Handler) withUpgradeHeaders(
	ctx context.Context, q request, headers map[string]string,
) map[string]string {
	changed, cookies := h.withHeaders(ctx, q, q.query["sid"] == "", headers, nil)
	if len(cookies) == 0 {
		return changed
	}
	if len(cookies) > 1 {
		h.log.ErrorContext(ctx, "cookies left out: the answer to an upgrade has one", "cookies", len(cookies))
	}
	changed = maps.Clone(changed)
	changed[headerSetCookie] = cookies[0]
	return changed
}
