package apigw

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// binaryType is the content type of a POST that version 4 of the protocol refuses. Only this very string: with a
// parameter, or in capitals, the body is read as text.
const binaryType = "application/octet-stream"

// HTTP serves a request of the HTTP API: a handshake, a poll, a post, a preflight, or a file of the client for
// browsers. It never returns an error. The headers of the answer are shared and must not be modified.
func (h *Handler) HTTP(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	path := Path(&e)
	if !h.Serves(path) {
		return response(http.StatusNotFound, h.cors.other.empty, ""), nil
	}
	sets, on, err := h.origin(ctx, e.Headers["origin"])
	switch {
	case on && e.RequestContext.HTTP.Method == http.MethodOptions:
		headers := h.cors.preflight(sets, e.Headers["access-control-request-headers"])
		return response(h.cors.asked.status, headers, ""), nil
	case h.IsClient(path):
		return h.serveClient(ctx, sets, path, &e), nil
	}
	var res events.APIGatewayV2HTTPResponse
	q := h.httpRequest(&e, engineio.ParseQuery(e.RawQueryString))
	if err == nil {
		res, err = h.polling(ctx, sets, &e, q)
	}
	if err == nil {
		return res, nil
	}
	if r := refusal(err); r != nil {
		h.refused(ctx, q, r, err)
		return refused(sets, r), nil
	}
	h.log.ErrorContext(ctx, "request failed", "method", e.RequestContext.HTTP.Method, "error", err)
	return response(http.StatusInternalServerError, sets.empty, ""), nil
}

// origin asks whose page it is that sends a request. An error of the application's function goes to the log.
func (h *Handler) origin(ctx context.Context, origin string) (sets *headerSets, on bool, err error) {
	sets = h.cors.off
	err = h.guarded(ctx, func() (err error) {
		sets, on, err = h.cors.of(ctx, origin)
		return err
	})
	if err != nil {
		h.log.ErrorContext(ctx, "origin not judged", "error", err)
	}
	return sets, on, err
}

// guarded calls f, a panic of which is an error.
func (h *Handler) guarded(ctx context.Context, f func() error) (err error) {
	defer h.recovered(ctx, &err)
	return f()
}

// polling serves a request of the polling transport.
func (h *Handler) polling(
	ctx context.Context, sets *headerSets, e *events.APIGatewayV2HTTPRequest, q request,
) (res events.APIGatewayV2HTTPResponse, err error) {
	defer h.recovered(ctx, &err)
	req, err := h.parse(q.method, q.query, false)
	sid := sessionstore.SessionID(req.SID)
	if err != nil && sid != "" && len(sid) <= maxSID {
		if known := h.gateway.Known(ctx, sid, req.Transport); known != nil {
			return res, known
		}
	}
	if err != nil {
		return res, err
	}
	payload, from := "", h.clientOf(q.query)
	switch req.Kind {
	case engineio.KindHandshake:
		payload, err = h.gateway.Handshake(ctx, q.handshake())
	case engineio.KindPoll:
		payload, err = h.gateway.PollAs(ctx, sid, req.T, from)
	case engineio.KindPost:
		err = h.post(ctx, sid, e, from)
		res = response(http.StatusOK, sets.ok, "ok")
	default:
		err = engineio.ErrBadRequest
	}
	if err != nil {
		return res, err
	}
	if req.Kind != engineio.KindPost {
		body := payload
		if from.Script {
			body = engineio.JSONP(q.query["j"], payload)
		}
		res = h.answered(sets, body, e.Headers["accept-encoding"])
	}
	begins := req.Kind == engineio.KindHandshake
	if begins && h.cookie != nil {
		res.Cookies = []string{sessionCookie(h.cookie, sidOf(payload))}
	}
	return h.withHTTPHeaders(ctx, q, begins, res), nil
}

// plainUpTo is the greatest answer that goes as it is. A function's answer is JSON, where a character may take six
// bytes ("<", the separator of packets), and is 6 MB at most; base64 takes a third more, whatever is in it.
const plainUpTo = 900_000

// answered is the answer to a GET: packets, compressed if they are many and the client likes it.
func (h *Handler) answered(sets *headerSets, payload, accept string) events.APIGatewayV2HTTPResponse {
	coding, binary := h.compress.coding(len(payload), accept), engineio.IsBinary(payload)
	if coding == "" && len(payload) <= plainUpTo && !binary {
		return response(http.StatusOK, sets.payload, payload)
	}
	headers, body := sets.payload, ""
	if coding == "" {
		body = base64.StdEncoding.EncodeToString([]byte(payload))
	} else {
		headers, body = sets.coded[coding], compress(coding, payload)
	}
	if binary {
		headers = maps.Clone(headers)
		headers[headerContentType] = binaryType
	}
	res := response(http.StatusOK, headers, body)
	res.IsBase64Encoded = true
	return res
}

// post hands in a body, unless it is of the wrong kind or too large.
func (h *Handler) post(
	ctx context.Context, sid sessionstore.SessionID, e *events.APIGatewayV2HTTPRequest, from engine.Client,
) error {
	from.Binary = e.Headers["content-type"] == binaryType && !from.Script
	if from.Binary && from.Codec == engineio.V4 {
		wrong := engineio.ErrInvalidContent
		if err := h.gateway.FailFor(ctx, sid, delivery.ReasonTransportError, wrong.Message); err != nil {
			return err
		}
		return wrong
	}
	if len(e.Body) > h.greatestBody(e) { // before memory is taken to decode it
		return engineio.ErrPayloadTooLarge
	}
	body, err := bodyOf(e)
	if err != nil {
		return engineio.ErrBadRequest
	}
	if len(body) <= h.maxPayload && !from.Binary {
		body = toUTF8(body)
	}
	if len(body) > h.maxPayload {
		return engineio.ErrPayloadTooLarge
	}
	if from.Script {
		form, ok := engineio.FromForm(body)
		if !ok { // nothing is posted, as to the reference
			return h.gateway.Known(ctx, sid, engineio.Polling)
		}
		body = form
	}
	return h.gateway.PostAs(ctx, sid, body, from)
}

// clientOf is what a request's query says of its client. A page of JSONP names the function that takes the answer.
func (h *Handler) clientOf(query map[string]string) engine.Client {
	if !h.eio3 {
		return engine.Client{}
	}
	_, script := query["j"]
	return engine.Client{Codec: engineio.CodecOf(query), Script: script}
}

// greatestBody is the length of the greatest body that may be within the limit, as it stands in the event.
func (h *Handler) greatestBody(e *events.APIGatewayV2HTTPRequest) int {
	if e.IsBase64Encoded {
		return base64.StdEncoding.EncodedLen(h.maxPayload)
	}
	return h.maxPayload
}

// bodyOf returns the body as the client sent it.
func bodyOf(e *events.APIGatewayV2HTTPRequest) (string, error) {
	if !e.IsBase64Encoded {
		return e.Body, nil
	}
	raw, err := base64.StdEncoding.DecodeString(e.Body)
	return string(raw), err
}

// toUTF8 replaces what is not UTF-8 by U+FFFD, as a text decoder does.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+len(s)/4)
	for len(s) > 0 {
		if r, size := utf8.DecodeRuneInString(s); r != utf8.RuneError || size > 1 {
			out, s = append(out, s[:size]...), s[size:]
			continue
		}
		out, s = utf8.AppendRune(out, utf8.RuneError), s[brokenRune(s):]
	}
	return string(out)
}

// brokenRune is how many bytes at the start of s, which is no whole character, one replacement stands for: as many as
// could begin a character, as the WHATWG and Node have it.
func brokenRune(s string) int {
	const longest = 4
	for n := min(longest-1, len(s)); n > 1; n-- {
		if !utf8.FullRuneInString(s[:n]) { // more bytes could complete it
			return n
		}
	}
	return 1
}

// Path returns a request's path without the stage: at the host of API Gateway itself the path of an API whose stage has
// a name begins with that; with the stage "$default", and at a custom domain, it does not.
func Path(e *events.APIGatewayV2HTTPRequest) string {
	stage := e.RequestContext.Stage
	if stage == "" || stage == "$default" {
		return e.RawPath
	}
	rest, ok := strings.CutPrefix(e.RawPath, "/"+stage)
	switch {
	case ok && rest == "":
		return "/"
	case ok && rest[0] == '/':
		return rest
	default:
		return e.RawPath
	}
}

// refused is the answer to a request against the rules.
func refused(sets *headerSets, e *engineio.Error) events.APIGatewayV2HTTPResponse {
	if !e.HasBody() {
		return response(e.Status, sets.empty, "")
	}
	return response(e.Status, sets.json, e.Body())
}

func response(status int, headers map[string]string, body string) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: headers, Body: body}
}
