package adapter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// Fanout is a FIFO queue, as of SQS, whose consumer calls [Emitter.Carry] for each message. A message may come twice,
// but to one consumer at a time: its visibility timeout is longer than a consumer may work.
type Fanout interface {
	// Send queues a message and returns when that is certain. Messages of one group come one after the other, in the
	// order in which they were sent; one that is sent again with its key comes once. Messages of several groups are
	// sent at once.
	Send(ctx context.Context, m FanoutMessage) error
}

// FanoutMessage is a part of a broadcast on its way through a [Fanout].
type FanoutMessage struct {
	// Group and Key are at most 128 letters, digits and punctuation marks, as SQS wants them.
	Group, Key string
	// Body is JSON for [ParsePart], at most 256 KB.
	Body string
}

// ErrPart tells of what is no [Part].
var ErrPart = errors.New("adapter: invalid part of a broadcast")

// Part is what a broadcast is to the sockets of one range.
type Part struct {
	Selection

	// Range is the number of the range.
	Range int `json:"range"`
	// Packet is what the sockets get.
	Packet *Packet `json:"packet"`
}

// Key names the part, among all parts of all broadcasts.
func (p *Part) Key() string { return string(p.Packet.id) + "-" + strconv.Itoa(p.Range) }

// group is the same for all parts that one socket may get: what a caller sends to it keeps its order, whichever
// rooms it is sent to.
func (p *Part) group() string {
	sum := sha256.Sum256([]byte(p.Namespace))
	return hex.EncodeToString(sum[:8]) + "-" + strconv.Itoa(p.Range)
}

const (
	// idChars are the characters of socket ids, in their order.
	idChars = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
	// partCount is into how many ranges the ids are split, by their first characters. It does not depend on a room's
	// size: with another number, a packet could overtake those that are queued.
	partCount = 16
	// maxPart is the most bytes of a message that every queue of SQS takes.
	maxPart = 256 << 10
)

// partRange returns a range of socket ids by its number.
func partRange(n int) sessionstore.Range {
	const width = len(idChars) / partCount
	r := sessionstore.Range{}
	if n > 0 {
		r.From = sessionstore.SocketID(idChars[n*width])
	}
	if n < partCount-1 {
		r.To = sessionstore.SocketID(idChars[(n+1)*width])
	}
	return r
}

// ParsePart reads the body of a [FanoutMessage]. The error matches [ErrPart].
func ParsePart(body string) (Part, error) {
	var p Part
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		return p, fmt.Errorf("%w: %w", ErrPart, err)
	}
	switch {
	case p.Packet == nil || len(p.Packet.Data) == 0:
		return p, fmt.Errorf("%w: no packet", ErrPart)
	case p.Packet.id == "":
		return p, fmt.Errorf("%w: no id", ErrPart)
	case p.Range < 0 || p.Range >= partCount:
		return p, fmt.Errorf("%w: range %d, want 0 to %d", ErrPart, p.Range, partCount-1)
	}
	p.Packet.Namespace = string(p.Namespace)
	return p, nil
}

// few reads as many members as a broadcast reaches without the queue. If there are more, it is large. The error is
// that of the walk, after those that it met.
func (a *Adapter) few(all members) (few []sessionstore.Member, large bool, err error) {
	for m, err := range all {
		if err != nil {
			return few, false, err
		}
		if len(few) == a.large {
			return nil, true, nil
		}
		few = append(few, m)
	}
	return few, false, nil
}

// listed walks a list, then fails unless err is nil.
func listed(list []sessionstore.Member, err error) members {
	return func(yield func(sessionstore.Member, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
		if err != nil {
			yield(sessionstore.Member{}, err)
		}
	}
}

// split makes the messages of a broadcast: one for each range, or for those ranges that the members are in if these
// are known. It fails if a message would be too large.
func (a *Adapter) split(sel Selection, p *Packet, known []sessionstore.Member) ([]FanoutMessage, bool) {
	if a.caller != nil {
		sel.Skip = append(slices.Clip(sel.Skip), a.caller.Socket)
	}
	messages := make([]FanoutMessage, 0, partCount)
	for n := range partCount {
		in := func(m sessionstore.Member) bool { return partRange(n).Contains(m.Socket) }
		if known != nil && !slices.ContainsFunc(known, in) {
			continue
		}
		part := Part{Selection: sel, Range: n, Packet: p}
		body, err := encodePart(&part)
		if err != nil || len(body) > maxPart {
			return nil, false
		}
		messages = append(messages, FanoutMessage{Group: part.group(), Key: part.Key(), Body: body})
	}
	return messages, true
}

// encodePart keeps characters as they are that are escaped for the sake of HTML: packets are full of quoted JSON as
// it is.
func encodePart(p *Part) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(p)
	return b.String(), err
}

// queue hands the parts of a broadcast to the queue, and the caller's own socket its copy.
func (a *Adapter) queue(ctx context.Context, sel Selection, p *Packet, parts []FanoutMessage) (Result, error) {
	r := Result{Queued: true}
	if c := a.caller; c != nil {
		mine, _ := a.membersOf(ctx, sel, sessionstore.Range{From: c.Socket, To: c.Socket + "\x00"}, p)
		for m, err := range mine {
			past, open := p.past(&m)
			if err == nil && open {
				past, err = a.seam(ctx, sel.Namespace, p, m)
			}
			if err == nil && !past && !a.leavers.has(m.Socket) {
				_, err = Send(ctx, c.Way, m, p)
				r.Delivered++
			}
			if errors.Is(err, errLeft) || errors.Is(err, delivery.ErrClosed) {
				err = nil
			}
			if err != nil {
				return Result{}, fmt.Errorf("broadcast: own socket: %w", err)
			}
		}
	}
	var group errgroup.Group
	errs := make([]error, len(parts))
	for n := range parts {
		group.Go(func() error { errs[n] = a.fanout.Send(ctx, parts[n]); return nil })
	}
	_ = group.Wait() // errs has the errors
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return r, nil
	}
	return r, fmt.Errorf("broadcast: %d of %d parts not queued: %w", len(errs), len(parts), errs[0])
}
