//go:build unix

package proxy

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/localdev/mapping"
)

// send sends a frame, or the end of a connection, to the queue of its route. There is nothing to answer the client
// with.
func (h *Handlers) send(
	route Route, e *events.APIGatewayWebsocketProxyRequest,
) (events.APIGatewayProxyResponse, error) {
	form := route.Mapping.Render(mapping.Input{Body: e.Body, Context: variables(&e.RequestContext)})
	if _, err := h.sender.SendForm(route.Queue, form); err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("proxy: send to a queue: %w", err)
	}
	return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}

// variables are the values of $context.
func variables(r *events.APIGatewayWebsocketProxyRequestContext) map[string]string {
	v := map[string]string{
		"apiId": r.APIID, "connectedAt": strconv.FormatInt(r.ConnectedAt, 10),
		"connectionId": r.ConnectionID, "domainName": r.DomainName, "eventType": r.EventType,
		"extendedRequestId": r.ExtendedRequestID, "requestId": r.RequestID,
		"requestTime": r.RequestTime, "requestTimeEpoch": strconv.FormatInt(r.RequestTimeEpoch, 10),
		"routeKey": r.RouteKey, "stage": r.Stage,
	}
	if id, ok := r.MessageID.(string); ok {
		v["messageId"] = id
	}
	if r.DisconnectReason != nil {
		v["disconnectReason"], v["disconnectStatusCode"] = *r.DisconnectReason, strconv.FormatInt(
			r.DisconnectStatusCode, 10,
		)
	}
	return v
}
