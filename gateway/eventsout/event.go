// Package eventsout tells other services what happens to sockets: that they connect, join and leave rooms, send an
// event, and disconnect. [Out] decides what is told and when, a [Sink] brings it to a service: those of Amazon SQS, SNS
// and EventBridge are in functions/internal/boot, that of a laptop in localdev/laptop. The page docs/events-out.md says
// what receivers may rely on.
package eventsout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/nonstick-io/nonstick/internal/ids"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Type is what happened.
type Type string

// The types.
const (
	// Connect: a socket has joined its namespace.
	Connect Type = "connect"
	// Disconnect: a socket has left its namespace, or its session has ended.
	Disconnect Type = "disconnect"
	// Join: a socket has come into a room in which it was not.
	Join Type = "join"
	// Leave: a socket has left a room, by itself or because it disconnected.
	Leave Type = "leave"
	// ClientEvent: a client sent an event, and neither middleware nor its handler refused it.
	ClientEvent Type = "event"
)

// MaxData is the most of an event's arguments that a message carries, in bytes of JSON. More is left out.
const MaxData = 64 << 10

// Event is something that happened to a socket.
type Event struct {
	// ID is the same for an event that is told again, and another for each other event. Default a random one.
	ID        string
	Type      Type
	Time      time.Time // default now
	Namespace sessionstore.Namespace
	Socket    sessionstore.SocketID
	Session   sessionstore.SessionID // a secret: messages have a hash of it
	Room      sessionstore.Room      // of Join and Leave
	Reason    string                 // of Disconnect, and of Leave where that is why
	Name      string                 // of ClientEvent
	Data      json.RawMessage        // of ClientEvent: its arguments, an array
	// Attachments is how many binary attachments of a ClientEvent the message leaves out.
	Attachments int
}

// EndID is the id of what happens to a socket once, at its end: the same at every instance that tells it. The room is
// empty for that it disconnects.
func EndID(socket sessionstore.SocketID, room sessionstore.Room) string {
	if room == "" {
		return string(socket) + "-disconnect"
	}
	const bytes = 12
	sum := sha256.Sum256([]byte(room))
	return string(socket) + "-leave-" + hex.EncodeToString(sum[:bytes])
}

// Message is an event as it is told.
type Message struct {
	// ID has letters, digits, - and _, at most 100.
	ID   string
	Type Type
	Time time.Time
	// Group is what messages of one socket share, for services that keep such in order: its id.
	Group string
	// Body is the event in JSON, without characters that SQS refuses.
	Body string
}

// body is the JSON of a message.
type body struct {
	ID          string          `json:"id"`
	Type        Type            `json:"type"`
	Time        string          `json:"time"`
	Namespace   string          `json:"namespace"`
	Socket      string          `json:"socket"`
	Session     string          `json:"session"`
	Room        string          `json:"room,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Event       string          `json:"event,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataOmitted int             `json:"dataOmitted,omitempty"`
	Attachments int             `json:"attachmentsOmitted,omitempty"`
}

// timeForm is RFC 3339 with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// message encodes an event.
func (e *Event) message() Message {
	b := body{
		ID: e.ID, Type: e.Type, Time: e.Time.UTC().Format(timeForm), Namespace: string(e.Namespace),
		Socket: string(e.Socket), Session: ids.InLog(e.Session), Room: string(e.Room), Reason: e.Reason, Event: e.Name,
		Data: e.Data, Attachments: e.Attachments,
	}
	text, err := encode(&b)
	if err != nil || len(b.Data) > MaxData {
		b.Data, b.DataOmitted = nil, len(e.Data)
		text, _ = encode(&b) // strings and numbers always marshal
	}
	return Message{ID: e.ID, Type: e.Type, Time: e.Time, Group: string(e.Socket), Body: text}
}

// encode writes JSON in which data stay as the client sent them, without characters that SQS refuses: it takes those
// of XML 1.0, and JSON escapes all others but two.
func encode(b *body) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b); err != nil {
		return "", err
	}
	text := bytes.ToValidUTF8(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\ufffd"))
	text = bytes.ReplaceAll(text, []byte("\ufffe"), []byte(`\ufffe`))
	return string(bytes.ReplaceAll(text, []byte("\uffff"), []byte(`\uffff`))), nil
}
