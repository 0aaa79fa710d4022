package serve

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/gateway/inbound"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var errFrame = errors.New("serve: this is no frame of the WebSocket API")

// parseFrame reads a message as the template's integration makes it: attributes, and the frame with a dot in front,
// since a queue takes no empty body.
func parseFrame(m *events.SQSMessage, endpoint string) (inbound.Frame, error) {
	attribute := func(name string) string {
		if v := m.MessageAttributes[name].StringValue; v != nil {
			return *v
		}
		return ""
	}
	f := inbound.Frame{
		Message: m.MessageId, Receipt: m.ReceiptHandle, Event: attribute("event"), Receives: 1,
		Conn: sessionstore.Connection{ID: attribute("connection"), Endpoint: endpoint},
	}
	body, ok := strings.CutPrefix(m.Body, ".")
	if f.Conn.ID == "" || f.Event == "" || !ok {
		return f, errFrame
	}
	var err error
	if f.Received, err = strconv.ParseInt(attribute("received"), 10, 64); err != nil {
		return f, fmt.Errorf("%w: time of receipt: %w", errFrame, err)
	}
	if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil {
		f.Receives = n
	}
	f.Body = body
	if attribute("encoding") == "base64" {
		raw, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return f, fmt.Errorf("%w: body: %w", errFrame, err)
		}
		f.Body = string(raw)
	}
	return f, nil
}
