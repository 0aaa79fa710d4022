package sessionstore

import (
	"context"
	"fmt"
	"iter"
	"math/bits"
	"time"
)

// Ask is a part of a question to several sockets: of an event whose acknowledgement each of them is to send. All of
// them get one packet, and so one id. Which part a socket belongs to follows from its id and that of the question, so
// that an answer finds its part without a search, and no part is a hot partition.
type Ask struct {
	Namespace Namespace
	ID        uint64
	// Part is the number of this part among the [AskParts] of the id.
	Part int
	// Sockets are those of this part that are asked, at most [MaxAskPart].
	Sockets []SocketID
	// Continuation names the handler that takes the answers; empty if a caller waits for them.
	Continuation string
	// State is JSON that the continuation gets back; at most [MaxAckState] bytes.
	State string
	// ExpiresAt is when answers are too late.
	ExpiresAt time.Time
}

const (
	// MaxAsked is the most sockets that one question may go to.
	MaxAsked = 10_000
	// MaxAskPart is the most sockets of one part: their ids take 10 KB.
	MaxAskPart = 512
	// askShare is about how many sockets a part has.
	askShare = 128
)

// The id of a question has 31 bits, as that of every acknowledgement that clients of all languages read. The first says
// that several are asked, the next four how many parts there are, and the rest is drawn at random.
const (
	askBit     = 1 << 30
	askPartsAt = 26
)

// AskID returns the id of a question to so many sockets; draw is a random number, of which it takes some bits.
func AskID(sockets int, draw uint64) uint64 {
	parts := 0
	if sockets > askShare {
		parts = bits.Len(uint((sockets - 1) / askShare))
	}
	return askBit | uint64(parts)<<askPartsAt | draw%(1<<askPartsAt)
}

// IsAsk reports whether an id is that of a question to several sockets, rather than that of an [Ack].
func IsAsk(id uint64) bool { return id&askBit != 0 && id < askBit<<1 }

// AskParts returns how many parts a question has: a power of two.
func AskParts(id uint64) int { return 1 << (id >> askPartsAt & 0xF) }

// AskPart returns the part of a question that a socket belongs to.
func AskPart(id uint64, socket SocketID) int {
	return int(hash(socket)) & (AskParts(id) - 1)
}

// hash is FNV-1a: where a question or a timer lies must not change while it is kept.
func hash[T ~string](s T) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// Check refuses what is above a limit, with ErrTooLarge.
func (a *Ask) Check() error {
	if len(a.State) > MaxAckState {
		return fmt.Errorf("state of %d bytes: %w", len(a.State), ErrTooLarge)
	}
	if len(a.Sockets) > MaxAskPart {
		return fmt.Errorf("a part of %d sockets: %w", len(a.Sockets), ErrTooLarge)
	}
	if len(a.Namespace) > MaxName {
		return fmt.Errorf("namespace of %d bytes: %w", len(a.Namespace), ErrTooLarge)
	}
	return nil
}

// KeptUntil is when the rows of a question may go.
func (a *Ask) KeptUntil() time.Time {
	if a.Continuation == "" {
		return a.ExpiresAt.Add(time.Minute)
	}
	return a.ExpiresAt.Add(AckKept)
}

// AskAnswer is what one socket answered.
type AskAnswer struct {
	Socket SocketID
	// Answer is encoded Socket.IO frames; nil where a continuation took them.
	Answer []string
}

// Asks are the questions to several sockets that the server waits for answers to. A question is never changed, so that
// instances may cache it.
type Asks interface {
	// PutAsk stores a part of a question (1 write). ErrExists if there is one of that namespace, id and part;
	// ErrTooLarge above the limits; ErrFull if the store has no room. Rows that may go at now are none.
	PutAsk(ctx context.Context, a Ask, now time.Time) error
	// Ask reads a part of a question (1 read). ErrNotFound if there is none.
	Ask(ctx context.Context, nsp Namespace, id uint64, part int) (Ask, error)
	// PutAnswer records what a socket answered to a part that the caller has read (1 write; an answer above 4 KB takes
	// a write for each 300 KB or part of it more). ErrExists if the socket has answered; ErrFull if the store has no
	// room. It looks neither at the time nor at who was asked: the caller does.
	PutAnswer(ctx context.Context, a Ask, answer AskAnswer) error
	// Answers walks the answers to a part in order of the sockets' ids, from one on (a read for each 1 MB, and the
	// reads of large ones).
	Answers(ctx context.Context, nsp Namespace, id uint64, part int, from SocketID) iter.Seq2[AskAnswer, error]
}
