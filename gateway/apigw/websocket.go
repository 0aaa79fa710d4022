package apigw

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// The types of WebSocket events.
const (
	eventConnect    = "CONNECT"
	eventMessage    = "MESSAGE"
	eventDisconnect = "DISCONNECT"
)

// WebSocket serves $connect, $default and $disconnect. It never returns an error: the platform would write
// one of its own into the client's connection. The headers of the answer are shared and must not be modified.
func (h *Handler) WebSocket(
	ctx context.Context, e events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	conn := sessionstore.Connection{ID: e.RequestContext.ConnectionID, Endpoint: h.endpoint}
	switch e.RequestContext.EventType {
	case eventConnect:
		return h.connect(ctx, conn, &e), nil
	case eventMessage:
		reply, err := h.message(ctx, conn, &e)
		if err != nil {
			h.log.ErrorContext(ctx, "message failed", "conn", conn.ID, "error", err)
		}
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: reply}, nil
	case eventDisconnect:
		if err := h.disconnect(ctx, conn, &e); err != nil {
			h.log.ErrorContext(ctx, "disconnect failed", "conn", conn.ID, "error", err)
		}
	default:
		h.log.ErrorContext(ctx, "unknown event", "conn", conn.ID, "type", e.RequestContext.EventType)
	}
	return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}

// connect answers an upgrade: 200 lets it happen.
func (h *Handler) connect(
	ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest,
) events.APIGatewayProxyResponse {
	q := h.webSocketRequest(e)
	sets, _, err := h.origin(ctx, header(e.Headers, "Origin"))
	if err == nil {
		err = h.open(ctx, conn, e, sets)
	}
	if err == nil {
		headers := withProtocol(sets.empty, e)
		return events.APIGatewayProxyResponse{
			StatusCode: http.StatusOK, Headers: h.withUpgradeHeaders(ctx, q, headers),
		}
	}
	if r := refusal(err); r != nil {
		h.refused(ctx, q, r, err)
		if !h.has(string(sessionstore.WebSocket)) { // to the reference it is a request of polling then
			return events.APIGatewayProxyResponse{StatusCode: r.Status, Headers: sets.json, Body: r.Body()}
		}
		return events.APIGatewayProxyResponse{StatusCode: upgradeStatus(r), Headers: htmlType, Body: r.Message}
	}
	h.log.ErrorContext(ctx, "connect failed", "conn", conn.ID, "error", err)
	return events.APIGatewayProxyResponse{StatusCode: http.StatusInternalServerError}
}

// headerProtocol names the subprotocols that a client offers, and the one that is chosen.
const headerProtocol = "Sec-WebSocket-Protocol"

// withProtocol adds the answer to a client that offers subprotocols: the first of them, as by the reference. A client
// that gets none ends the connection.
func withProtocol(headers map[string]string, e *events.APIGatewayWebsocketProxyRequest) map[string]string {
	offered := header(e.Headers, headerProtocol)
	for name, lines := range e.MultiValueHeaders {
		if strings.EqualFold(name, headerProtocol) && len(lines) > 0 {
			offered = lines[0] // of several header lines, the other field has the last
		}
	}
	first, _, _ := strings.Cut(offered, ",")
	if first = strings.TrimSpace(first); first == "" {
		return headers
	}
	answer := make(map[string]string, len(headers)+1)
	maps.Copy(answer, headers)
	answer[headerProtocol] = first
	return answer
}

// upgradeStatus is the status of a refused upgrade: that of the reference server, unless the refusal is one that it
// does not have.
func upgradeStatus(r *engineio.Error) int {
	switch r {
	case engineio.ErrFull, engineio.ErrHandshakeTooLarge:
		return r.Status
	default:
		return http.StatusBadRequest
	}
}

// htmlType is the header of a refused upgrade; it carries no CORS.
var htmlType = map[string]string{"Content-Type": "text/html"}

// open begins a session on the connection, or offers the connection to one, and queues what has to wait.
func (h *Handler) open(
	ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest, sets *headerSets,
) (err error) {
	defer h.recovered(ctx, &err)
	step, err := h.begin(ctx, conn, e, sets)
	if err != nil || step.Kind == engine.StepNone {
		return err
	}
	if err := h.queue.Enqueue(ctx, step); err != nil {
		return fmt.Errorf("apigw: queue step %q: %w", step.Kind, err)
	}
	return nil
}

// begin judges an upgrade by its query. One in the name of polling opens and is closed, as in the reference server.
func (h *Handler) begin(
	ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest, sets *headerSets,
) (engine.Step, error) {
	query := e.QueryStringParameters
	req, err := h.parse(http.MethodGet, query, true)
	if err != nil && req.SID != "" && len(req.SID) <= maxSID {
		known := h.gateway.Known(ctx, sessionstore.SessionID(req.SID), req.Transport)
		if known != nil && !errors.Is(known, engineio.ErrBadRequest) { // an upgrade may be to another transport
			return engine.Step{}, known
		}
	}
	switch {
	case err != nil && req.SID != "" && !h.eio3 && !engineio.Supported(query):
		return engine.Step{}, err
	case err != nil && req.Transport == engineio.Polling:
		return engine.Step{Kind: engine.StepClose, Conn: conn}, nil
	case err != nil:
		return engine.Step{}, err
	case req.Kind == engineio.KindWebSocketBind: // its page knows the secret id of the session
		return h.gateway.BindAs(ctx, conn, sessionstore.SessionID(req.SID), h.clientOf(query))
	case !h.mayOpen(e.Headers, sets):
		return engine.Step{}, engineio.ErrForbidden
	default:
		return h.gateway.Connect(ctx, conn, h.webSocketHandshake(e))
	}
}

func (h *Handler) message(
	ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest,
) (reply string, err error) {
	defer h.recovered(ctx, &err)
	frame := e.Body
	if e.IsBase64Encoded {
		raw, err := base64.StdEncoding.DecodeString(frame)
		if err != nil {
			return "", fmt.Errorf("apigw: decode body: %w", err)
		}
		frame = string(raw)
	}
	return h.gateway.Message(ctx, conn, frame)
}

func (h *Handler) disconnect(
	ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest,
) (err error) {
	defer h.recovered(ctx, &err)
	details := sessionstore.Details{Code: int(e.RequestContext.DisconnectStatusCode)}
	if reason := e.RequestContext.DisconnectReason; reason != nil {
		details.Description = *reason
	}
	return h.gateway.DisconnectFor(ctx, conn, details)
}
