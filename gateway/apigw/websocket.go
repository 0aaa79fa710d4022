package apigw

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/gateway/engineio"
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
func (h *Handler) WebSocket(ctx context.Context, e events.APIGatewayWebsocketProxyRequest) (events.APIGatewayProxyResponse, error) {
	conn := sessionstore.Connection{ID: e.RequestContext.ConnectionID, Endpoint: h.endpoint}
	switch e.RequestContext.EventType {
	case eventConnect:
		return h.connect(ctx, conn, &e), nil
	case eventMessage:
		reply, err := h.message(ctx, conn, &e)
		if err != nil {
			h.log.ErrorContext(ctx, "message failed", "conn", conn.ID, "err", err)
		}
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: reply}, nil
	case eventDisconnect:
		if err := h.disconnect(ctx, conn); err != nil {
			h.log.ErrorContext(ctx, "disconnect failed", "conn", conn.ID, "err", err)
		}
	default:
		h.log.ErrorContext(ctx, "unknown event", "conn", conn.ID, "type", e.RequestContext.EventType)
	}
	return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}

// connect answers an upgrade: 200 lets it happen.
func (h *Handler) connect(ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest) events.APIGatewayProxyResponse {
	err := h.open(ctx, conn, e)
	if err == nil {
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK, Headers: h.cors.sets(header(e.Headers, "Origin")).empty}
	}
	if r := refusal(err); r != nil {
		return events.APIGatewayProxyResponse{StatusCode: http.StatusBadRequest, Headers: htmlType, Body: r.Message}
	}
	h.log.ErrorContext(ctx, "connect failed", "conn", conn.ID, "err", err)
	return events.APIGatewayProxyResponse{StatusCode: http.StatusInternalServerError}
}

// htmlType is the header of a refused upgrade; it carries no CORS.
var htmlType = map[string]string{"Content-Type": "text/html"}

// open begins a session on the connection, or offers the connection to one, and queues what has to wait.
func (h *Handler) open(ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest) (err error) {
	defer h.recovered(ctx, &err)
	step, err := h.begin(ctx, conn, e)
	if err != nil || step.Kind == engine.StepNone {
		return err
	}
	if err := h.queue.Enqueue(ctx, step); err != nil {
		return fmt.Errorf("apigw: queue step %q: %w", step.Kind, err)
	}
	return nil
}

// begin judges an upgrade by its query. One in the name of polling opens and is closed, as in the reference server.
func (h *Handler) begin(ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest) (engine.Step, error) {
	query := e.QueryStringParameters
	req, err := parse(http.MethodGet, query, true)
	switch {
	case err != nil && query["transport"] == string(engineio.Polling):
		return engine.Step{Kind: engine.StepClose, Conn: conn}, nil
	case err != nil:
		return engine.Step{}, err
	case req.Kind == engineio.KindWebSocketBind: // its page knows the secret id of the session
		return h.gateway.Bind(ctx, conn, sessionstore.SessionID(req.SID))
	case !h.origins.allows(e.Headers):
		return engine.Step{}, engineio.ErrForbidden
	default:
		return h.gateway.Connect(ctx, conn, h.webSocketHandshake(e))
	}
}

func (h *Handler) message(ctx context.Context, conn sessionstore.Connection, e *events.APIGatewayWebsocketProxyRequest) (reply string, err error) {
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

func (h *Handler) disconnect(ctx context.Context, conn sessionstore.Connection) (err error) {
	defer h.recovered(ctx, &err)
	return h.gateway.Disconnect(ctx, conn)
}
