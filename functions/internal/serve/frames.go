package serve

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// queuedFrame is what the WebSocket API sent to the queue: a frame, or the end of a connection.
type queuedFrame struct {
	message    string // id in the queue
	receipt    string // of this delivery
	connection string
	event      string // MESSAGE or DISCONNECT
	body       string
	received   int64 // by API Gateway, in ms since 1970
	receives   int   // how often the queue has delivered it
}

const disconnectEvent = "DISCONNECT"

var errFrame = errors.New("serve: this is no frame of the WebSocket API")

// parseFrame reads a message as the template's integration makes it: attributes, and the frame with a dot in front,
// since a queue takes no empty body.
func parseFrame(m *events.SQSMessage) (queuedFrame, error) {
	attribute := func(name string) string {
		if v := m.MessageAttributes[name].StringValue; v != nil {
			return *v
		}
		return ""
	}
	f := queuedFrame{message: m.MessageId, receipt: m.ReceiptHandle, connection: attribute("connection"), event: attribute("event"), receives: 1}
	body, ok := strings.CutPrefix(m.Body, ".")
	if f.connection == "" || f.event == "" || !ok {
		return f, errFrame
	}
	var err error
	if f.received, err = strconv.ParseInt(attribute("received"), 10, 64); err != nil {
		return f, fmt.Errorf("%w: time of receipt: %w", errFrame, err)
	}
	if n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]); err == nil {
		f.receives = n
	}
	f.body = body
	if attribute("encoding") == "base64" {
		raw, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return f, fmt.Errorf("%w: body: %w", errFrame, err)
		}
		f.body = string(raw)
	}
	return f, nil
}

// inOrder sorts frames of one connection by their receipt, and counts those that change places. API Gateway may hand frames that
// come close together to the queue in another order. Frames of one millisecond stay as they are; the end comes last.
func inOrder(frames []queuedFrame) (moved int) {
	before := slices.Clone(frames)
	slices.SortStableFunc(frames, func(a, b queuedFrame) int {
		switch {
		case a.event == b.event:
			return int(a.received - b.received)
		case a.event == disconnectEvent:
			return 1
		case b.event == disconnectEvent:
			return -1
		default:
			return 0
		}
	})
	for i := range frames {
		if frames[i].message != before[i].message {
			moved++
		}
	}
	return moved
}
