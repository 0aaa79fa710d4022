package nonstick

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// claimTries is how often a claim is tried that may have been applied or not.
	claimTries = 3
	// partingLife is the lease of a socket that leaves: longer than all tries together. When a try is over is in the
	// owner's text.
	partingLife = time.Hour
)

// parting is the end of one socket: hooks that see it in its rooms, then it leaves them, then its disconnect handler.
// How far it has come is kept in the owner of the lease in the socket's row, as the progress of a large broadcast is in
// a claim: so that the handler runs once, that one whose instance died or whose time was up is tried again, and that
// there is an end to it. The lease is not given back: it goes with the row.
type parting struct {
	s    *Server
	n    *Namespace
	row  sessionstore.Socket // as it was claimed
	mine sessionstore.Owner
	how  ending

	rooms   []sessionstore.Room // that it leaves, and whose hooks are to run
	told    bool                // the hooks have run here, and what is told to other services has been
	vacated bool                // it has left its rooms
}

// try is what the claim says.
type try struct {
	token  string
	number int
	until  time.Time // when its instance must be dead
	ran    bool      // the handler needs no further run
}

func (t try) owner() sessionstore.Owner {
	state := "runs"
	if t.ran {
		state = "ran"
	}
	return sessionstore.Owner(fmt.Sprintf("%s|%d|%d|%s", t.token, t.number, t.until.UnixMilli(), state))
}

func parseTry(o sessionstore.Owner) (try, bool) {
	f := strings.Split(string(o), "|")
	if len(f) != 4 {
		return try{}, false
	}
	number, err := strconv.Atoi(f[1])
	until, e := strconv.ParseInt(f[2], 10, 64)
	return try{f[0], number, time.UnixMilli(until), f[3] == "ran"}, err == nil && e == nil
}

// run runs the handler, or finds that it needs no run any more: then it is settled. It is not while another instance
// runs it. The error matches [engine.ErrUnfinished] if there is no time for another try.
func (p *parting) run(ctx context.Context) (settled bool, err error) {
	var last try // the one before
	var from sessionstore.Owner
	for {
		next := try{
			token: sessionstore.NewID(), number: last.number + 1,
			until: time.Now().Add(p.s.handlerTime + delivery.LeaseMargin),
		}
		held, err := p.claim(ctx, next, from)
		if err != nil {
			return false, err
		}
		if held == "" {
			late, err := p.handlers(ctx)
			if err != nil {
				p.note(ctx, try{token: next.token, number: last.number, until: time.Now()}) // that was no try
				return false, err
			}
			if !late {
				return true, nil
			}
			if last, from = next, p.mine; ctx.Err() != nil && time.Until(next.until) > delivery.LeaseMargin {
				last.number-- // the go ended before the handler had its time: that was no try
			}
		} else {
			before, ok := parseTry(held)
			if before.ran {
				return true, nil
			}
			if !ok || time.Now().Before(before.until) {
				return false, nil
			}
			last, from = before, held
		}
		if last.number >= p.s.handlerTries {
			p.giveUp(ctx, last.number)
			return true, nil
		}
		if held == "" && (ctx.Err() != nil || !p.s.hasTime(ctx)) {
			last.until = time.Now() // the next try need not wait
			p.note(ctx, last)
			return false, engine.ErrUnfinished
		}
	}
}

// handlers runs hooks and handler, and has the socket leave its rooms in between.
func (p *parting) handlers(ctx context.Context) (late bool, err error) {
	timed, end := p.s.handlerContext(ctx)
	defer end()
	if !p.told && p.n.disconnecting(timed, p.row, nil, p.how) {
		return true, nil
	}
	if !p.told {
		if p.rooms, err = p.s.roomsLeft(timed, p.n, p.row); err != nil {
			return false, err
		}
		p.s.tellEnd(timed, p.row, p.rooms, p.how.reason)
	}
	p.told = true
	if !p.vacated {
		if err := p.s.store.Vacate(ctx, p.row); err != nil {
			return false, fmt.Errorf("nonstick: leave rooms: %w", err)
		}
	}
	p.vacated, p.row.Rooms = true, 0
	told := p.n.vacated(timed, p.row, p.rooms, p.how.reason)
	if p.rooms = nil; told && timed.Err() != nil {
		return true, nil // the disconnect handler has had no time
	}
	return p.n.disconnected(timed, p.row, nil, p.how), nil
}

// drop removes what is left of the socket.
func (p *parting) drop(ctx context.Context) error {
	if !p.vacated { // by another instance, perhaps
		return p.s.remove(ctx, p.row)
	}
	if err := p.s.store.DropSocket(ctx, p.row); err != nil && !errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("nonstick: remove socket: %w", err)
	}
	return nil
}

// giveUp goes on without the handler.
func (p *parting) giveUp(ctx context.Context, tries int) {
	p.s.log.ErrorContext(ctx, "disconnect handler given up", "nsp", string(p.row.Namespace), "tries", tries)
	if f := p.s.hooks.HandlerGivenUp; f != nil {
		f()
	}
}

// ran notes that the handler has run, for the next go at the socket's rows.
func (p *parting) ran(ctx context.Context) {
	p.note(ctx, try{token: sessionstore.NewID(), until: time.Now(), ran: true})
}

// note writes what is known, if the claim is this parting's. Where that fails the handler may run once more.
func (p *parting) note(ctx context.Context, t try) {
	if p.mine == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), delivery.LeaseMargin/2)
	defer cancel()
	if held, err := p.claim(ctx, t, p.mine); err != nil || held != "" {
		p.s.log.WarnContext(ctx, "progress of a disconnect not recorded", "nsp", string(p.row.Namespace), "error", err)
	}
}

// claim takes the socket, from an owner if one is named. It returns the owner that has it, if that is another. The
// error matches sessionstore.ErrNotFound if the socket is gone.
func (p *parting) claim(ctx context.Context, t try, from sessionstore.Owner) (held sessionstore.Owner, err error) {
	now := time.Now()
	lease := sessionstore.Lease{Owner: t.owner(), Until: now.Add(partingLife)}
	for tries := again.Times(claimTries); tries.Next(ctx); {
		var row sessionstore.Socket
		row, err = p.s.store.ClaimSocket(ctx, p.row, lease, from, now)
		if err == nil {
			p.mine = lease.Owner
			if !p.vacated {
				p.row = row
			}
			return "", nil
		}
		if errors.Is(err, sessionstore.ErrNotFound) {
			break
		}
		if h, ok := sessionstore.Holder(err); ok {
			return h.Owner, nil
		}
	}
	return "", fmt.Errorf("nonstick: claim disconnect handler: %w", err)
}
