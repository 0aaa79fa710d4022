package emitting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nonstick-io/nonstick/adapter/emitter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// What a request may ask for. docs/emit.schema.json says the same.
const (
	maxBatch = 100
	maxNames = 1000 // rooms in one list
	maxFetch = 1000
	maxKey   = 256 // bytes
	maxAfter = 64  // bytes
	maxWait  = 50  // seconds: the function has 60
)

// errRequest: a request that cannot be carried out, whenever it is tried.
var errRequest = errors.New("invalid request")

// Disconnect says what the sockets selected are to lose.
type Disconnect string

// What disconnect may be.
const (
	// DisconnectSocket ends the sockets selected.
	DisconnectSocket Disconnect = "socket"
	// DisconnectSession ends every socket of their clients.
	DisconnectSession Disconnect = "session"
)

// Flags are Socket.IO's. Compress is taken so that callers of other emitters need not change.
type Flags struct {
	Volatile bool  `json:"volatile,omitempty"`
	Compress *bool `json:"compress,omitempty"`
}

// Then says which handler of the server takes the acknowledgements, see emitter.Then.
type Then struct {
	Name  string          `json:"name"`
	State json.RawMessage `json:"state,omitempty"`
	// Within is how long they are taken, in seconds; a day if 0.
	Within float64 `json:"within,omitempty"`
}

// Request is what is to be done: exactly one of Event, ServerSideEmit, Join, Leave, Disconnect, Fetch, Count, Shutdown
// and Batch.
type Request struct {
	// Namespace is "/" if empty.
	Namespace string `json:"namespace,omitempty"`
	// Parent, in place of a namespace, means all those that clients made under a parent of that name.
	Parent *string  `json:"parent,omitempty"`
	Rooms  []string `json:"rooms,omitempty"`
	And    []string `json:"and,omitempty"`
	Except []string `json:"except,omitempty"`

	Event       *string           `json:"event,omitempty"`
	Args        []json.RawMessage `json:"args,omitempty"`
	Attachments [][]byte          `json:"attachments,omitempty"` // base64 in JSON
	Flags       Flags             `json:"flags,omitzero"`
	// Ack asks for acknowledgements of the event, and waits for so many seconds; Then asks for them too, and has the
	// server take them.
	Ack  *float64 `json:"ack,omitempty"`
	Then *Then    `json:"then,omitempty"`

	// ServerSideEmit is an event to the server rather than to its clients, with Args; At, unless nil, is when, in
	// milliseconds since 1970.
	ServerSideEmit *string `json:"serverSideEmit,omitempty"`
	At             *int64  `json:"at,omitempty"`

	Join       []string   `json:"join,omitempty"`
	Leave      []string   `json:"leave,omitempty"`
	Disconnect Disconnect `json:"disconnect,omitempty"`
	// Fetch is how many sockets to read at most, After the Next of the answer before.
	Fetch int    `json:"fetch,omitempty"`
	After string `json:"after,omitempty"`
	// Count asks how many sockets there are.
	Count bool `json:"count,omitempty"`
	// Shutdown ends all sessions, within so many seconds.
	Shutdown *float64 `json:"shutdown,omitempty"`
	Batch    Batch    `json:"batch,omitempty"`

	// Key makes the request happen once within a day, however often it comes.
	Key string `json:"key,omitempty"`
}

// Batch is requests to be carried out in order.
type Batch []Request

// UnmarshalJSON implements [json.Unmarshaler]. It reads no more requests than a batch may have: in six megabytes
// there is space for millions.
func (b *Batch) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	switch begin, err := d.Token(); {
	case err != nil:
		return err
	case begin == nil: // null
		return nil
	case begin != json.Delim('['):
		return errors.New("batch: want a list")
	}
	for *b = (Batch{}); d.More(); {
		if len(*b) == maxBatch {
			return fmt.Errorf("batch: more than %d requests", maxBatch)
		}
		var r Request
		if err := d.Decode(&r); err != nil {
			return fmt.Errorf("request %d of the batch: %w", len(*b), err)
		}
		*b = append(*b, r)
	}
	return nil
}

// parse reads a request. The error matches errRequest.
func parse(raw []byte) (Request, error) {
	var r Request
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("%w: %w", errRequest, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("%w: something follows the object", errRequest)
	}
	return r, r.check(true)
}

// check says what is wrong with a request.
func (r *Request) check(outer bool) error {
	if n := r.actions(); n != 1 {
		return fmt.Errorf(
			"%w: %d of event, serverSideEmit, join, leave, disconnect, fetch, count, shutdown and batch, want one",
			errRequest,
			n,
		)
	}
	switch {
	case len(r.Key) > maxKey:
		return fmt.Errorf("%w: key of %d bytes, at most %d", errRequest, len(r.Key), maxKey)
	case max(len(r.Rooms), len(r.And), len(r.Except), len(r.Join), len(r.Leave)) > maxNames:
		return fmt.Errorf("%w: more than %d rooms", errRequest, maxNames)
	case r.Disconnect != "" && r.Disconnect != DisconnectSocket && r.Disconnect != DisconnectSession:
		return fmt.Errorf(
			"%w: disconnect %q, want %q or %q", errRequest, r.Disconnect, DisconnectSocket, DisconnectSession,
		)
	case r.Fetch < 0 || r.Fetch > maxFetch:
		return fmt.Errorf("%w: fetch %d, want 1 to %d", errRequest, r.Fetch, maxFetch)
	case r.Parent != nil && r.Namespace != "":
		return fmt.Errorf("%w: namespace and parent, want one of them", errRequest)
	case r.Parent != nil && r.Fetch != 0:
		return fmt.Errorf("%w: fetch reads the sockets of one namespace, not those of a parent", errRequest)
	case r.Event == nil && r.ServerSideEmit == nil && r.Args != nil || r.Event == nil && r.Attachments != nil:
		return fmt.Errorf("%w: args and attachments belong to an event", errRequest)
	case r.Fetch == 0 && r.After != "":
		return fmt.Errorf("%w: after belongs to fetch", errRequest)
	case len(r.After) > maxAfter:
		return fmt.Errorf("%w: after of %d bytes, at most %d", errRequest, len(r.After), maxAfter)
	case r.Batch != nil && !outer:
		return fmt.Errorf("%w: a batch within a batch", errRequest)
	}
	return errors.Join(r.checkAsked(), r.checkServerSide(), r.checkBatch())
}

// checkAsked says what is wrong with what is asked for acknowledgements.
func (r *Request) checkAsked() error {
	switch {
	case r.Ack == nil && r.Then == nil:
		return nil
	case r.Event == nil:
		return fmt.Errorf("%w: ack and then belong to an event", errRequest)
	case r.Ack != nil && r.Then != nil:
		return fmt.Errorf("%w: ack and then, want one of them", errRequest)
	case r.Parent != nil:
		return fmt.Errorf("%w: the sockets of one namespace can be asked, not those of a parent", errRequest)
	case r.Ack != nil && (*r.Ack <= 0 || *r.Ack > maxWait):
		return fmt.Errorf("%w: ack of %g seconds, above 0 and at most %d", errRequest, *r.Ack, maxWait)
	case r.Then != nil && (r.Then.Name == "" || len(r.Then.Name) > sessionstore.MaxName):
		return fmt.Errorf("%w: then: name of %d bytes", errRequest, len(r.Then.Name))
	case r.Then != nil && (r.Then.Within < 0 || r.Then.Within > emitter.MaxThenWait.Seconds()):
		return fmt.Errorf(
			"%w: then within %g seconds, at most %g", errRequest, r.Then.Within, emitter.MaxThenWait.Seconds(),
		)
	}
	return nil
}

// selects reports whether a request selects sockets, other than by their namespace.
func (r *Request) selects() bool {
	return r.Parent != nil || r.Rooms != nil || r.And != nil || r.Except != nil
}

// checkServerSide says what is wrong with what is for the server.
func (r *Request) checkServerSide() error {
	switch {
	case r.ServerSideEmit == nil && r.At != nil:
		return fmt.Errorf("%w: at belongs to serverSideEmit", errRequest)
	case r.ServerSideEmit != nil && r.selects():
		return fmt.Errorf("%w: serverSideEmit is for no sockets: a namespace at most", errRequest)
	case r.Shutdown != nil && (r.Namespace != "" || r.selects()):
		return fmt.Errorf("%w: shutdown is for all sessions", errRequest)
	case r.Shutdown != nil && (*r.Shutdown < 0 || *r.Shutdown > maxWait):
		return fmt.Errorf("%w: shutdown in %g seconds, want 0 to %d", errRequest, *r.Shutdown, maxWait)
	case r.At != nil && *r.At < 0:
		return fmt.Errorf("%w: at %d, want milliseconds since 1970", errRequest, *r.At)
	}
	return nil
}

func (r *Request) checkBatch() error {
	if r.Batch == nil {
		return nil
	}
	if len(r.Batch) == 0 {
		return fmt.Errorf("%w: a batch of nothing", errRequest)
	}
	if r.Namespace != "" || r.selects() {
		return fmt.Errorf("%w: what selects sockets belongs into the requests of a batch", errRequest)
	}
	for i := range r.Batch {
		if err := r.Batch[i].check(false); err != nil {
			return fmt.Errorf("request %d of the batch: %w", i, err)
		}
	}
	return nil
}

// actions counts what a request asks for.
func (r *Request) actions() int {
	n := 0
	for _, asked := range []bool{
		r.Event != nil, r.ServerSideEmit != nil, r.Join != nil, r.Leave != nil, r.Disconnect != "", r.Fetch != 0,
		r.Count, r.Shutdown != nil, r.Batch != nil,
	} {
		if asked {
			n++
		}
	}
	return n
}

// keeps reports whether a request keeps something in the store, so that one that failed may have been done in part.
func (r *Request) keeps() bool { return r.Ack != nil || r.Then != nil || r.ServerSideEmit != nil }

// reads reports whether a request changes nothing.
func (r *Request) reads() bool {
	for i := range r.Batch {
		if !r.Batch[i].reads() {
			return false
		}
	}
	return r.Fetch != 0 || r.Count || r.Batch != nil
}

// claimName is the name of the claim that makes the request happen once: of its key, or else of the message or
// invocation that it came with. Empty if there is none, or nothing to make sure of.
func (r *Request) claimName(id string) string {
	switch {
	case r.Key != "":
		return "emit#key#" + r.Key
	case id != "" && !r.reads():
		return "emit#id#" + id
	default:
		return ""
	}
}
