package emitting

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/emitter"
)

// Bounds of an answer, which has to fit into what a function may answer, boot.MaxAnswer. A text may take six times
// its length in JSON, and there is one for each request of a batch.
const (
	// maxError is the length of an error's text in bytes.
	maxError = 512
	// maxSockets bounds the sockets of an answer, of all requests of a batch together, in bytes of JSON as they are
	// sent.
	maxSockets = 5 << 20
)

// Errors of a fetch whose sockets do not fit into an answer.
var (
	errAnswerFull   = errors.New("the answer is full: fetch the rest in another call")
	errSocketTooBig = errors.New("a socket is too large for an answer and was left out")
)

// Socket is a socket that was fetched.
type Socket struct {
	ID    string                     `json:"id"`
	Rooms []string                   `json:"rooms"`
	Data  map[string]json.RawMessage `json:"data"`
	// ConnectedAt is in milliseconds since 1970.
	ConnectedAt int64 `json:"connectedAt"`
}

// Acknowledgement is what a socket has acknowledged an event with.
type Acknowledgement struct {
	ID          string          `json:"id"`
	Args        json.RawMessage `json:"args"`
	Attachments [][]byte        `json:"attachments,omitempty"` // base64 in JSON
}

// Answer says what became of a request.
type Answer struct {
	// OK is false if there are Errors.
	OK bool `json:"ok"`
	// Recipients counts the sockets that were reached, Gone those that had left without a word, Failed those that
	// could not be reached; of a batch, of all its requests.
	Recipients int `json:"recipients"`
	Gone       int `json:"gone"`
	Failed     int `json:"failed"`
	// Dropped counts the sockets whose clients could not take a volatile event at that moment; of a batch, of all its
	// requests.
	Dropped int `json:"dropped,omitempty"`
	// Queued says that there were so many recipients that the event was queued: it is on its way to them, uncounted.
	Queued bool `json:"queued,omitempty"`
	// Duplicate says that this very request has been carried out, or begun, before: nothing was done.
	Duplicate bool     `json:"duplicate,omitempty"`
	Errors    []string `json:"errors,omitempty"`
	// Count is how many sockets there are, if the request asked for that.
	Count   *int     `json:"count,omitempty"`
	Sockets []Socket `json:"sockets,omitempty"`
	// Next is where another fetch goes on, if there are more sockets.
	Next string `json:"next,omitempty"`
	// Answers are the acknowledgements that were waited for, Missing the ids of the sockets that sent none.
	Answers []Acknowledgement `json:"answers,omitempty"`
	Missing []string          `json:"missing,omitempty"`
	// Results are those of a batch, in its order.
	Results []Answer `json:"results,omitempty"`

	again      bool // it may succeed later, and does no harm to do it then
	repeatable bool // it does no harm to do it again
	invalid    bool // nothing was done, and it would not help to ask again
}

func (a *Answer) count(r adapter.Result) {
	a.Recipients, a.Gone, a.Failed = r.Delivered, r.Gone, r.Failed
	a.Dropped, a.Queued = r.Dropped, r.Queued
}

// fail adds an error.
func (a *Answer) fail(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > maxError {
		end := maxError
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "..."
	}
	a.OK = false
	a.Errors = append(a.Errors, text)
}

// withoutSockets is the answer less what may be large.
func (a Answer) withoutSockets() Answer {
	a.Sockets, a.Answers, a.Missing = nil, nil, nil
	if a.Results != nil {
		results := make([]Answer, len(a.Results))
		for i, r := range a.Results {
			results[i] = r.withoutSockets()
		}
		a.Results = results
	}
	return a
}

// allErrors are those of a request, and of the requests of its batch.
func (a *Answer) allErrors() []string {
	all := slices.Clip(a.Errors)
	for i, r := range a.Results {
		for _, text := range r.Errors {
			all = append(all, fmt.Sprintf("request %d: %s", i, text))
		}
	}
	return all
}

// space is what is left of an answer for sockets, in bytes.
type space struct{ left int }

func newSpace() *space { return &space{maxSockets} }

// add puts a socket into an answer. It reports false if there is no space for it.
func (s *space) add(a *Answer, r adapter.Found) (bool, error) {
	k := socketOf(r)
	b, err := json.Marshal(k)
	if err != nil {
		return true, fmt.Errorf("socket %s: %w", k.ID, err) // data that is no JSON
	}
	size := len(b) + len(",")
	switch {
	case size <= s.left:
		s.left -= size
		a.Sockets = append(a.Sockets, k)
		return true, nil
	case size > maxSockets:
		return true, fmt.Errorf("%w: %s, %d bytes", errSocketTooBig, k.ID, size)
	case len(a.Sockets) == 0:
		return false, errAnswerFull
	default:
		return false, nil
	}
}

// missingBytes is what the id of a socket takes in an answer.
const missingBytes = 20 + len(`"",`)

// errAcksTooMany: acknowledgements do not fit into an answer.
var errAcksTooMany = errors.New("the answer is full: acknowledgements are left out")

// acknowledged puts an acknowledgement into an answer.
func (s *space) acknowledged(a *Answer, one emitter.Answer) error {
	k := Acknowledgement{ID: one.ID, Args: one.Args.JSON, Attachments: one.Args.Attachments}
	if len(k.Args) == 0 {
		k.Args = json.RawMessage("[]")
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("acknowledgement of %s: %w", k.ID, err)
	}
	if s.left -= len(b) + len(","); s.left < 0 {
		return errAcksTooMany
	}
	a.Answers = append(a.Answers, k)
	return nil
}

func socketOf(r adapter.Found) Socket {
	k := Socket{
		ID: string(r.Socket), Rooms: make([]string, len(r.Rooms)), Data: r.Data, ConnectedAt: r.ConnectedAt.UnixMilli(),
	}
	for i, room := range r.Rooms {
		k.Rooms[i] = string(room)
	}
	return k
}
