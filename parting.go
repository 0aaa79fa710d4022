package nonstick

import (
	"context"
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
	// partingLife is how long it is remembered how far a parting came: longer than an instance that has read the
	// socket's row may work, and than all tries together.
	partingLife = time.Hour
)

// leaveClaim names the right to run a socket's disconnect handler.
func leaveClaim(id sessionstore.SocketID) string { return "left/" + string(id) }

// parting is the run of one socket's disconnect handler. How far it has come is kept in the owner of a claim, as the
// progress of a large broadcast is: so that the handler runs once, that one whose instance died or whose time was up is
// tried again, and that there is an end to it. The claim is not given back, for another instance may have read the
// socket's row before it was removed.
type parting struct {
	s    *Server
	row  sessionstore.Socket
	name string // of the claim
	mine sessionstore.Owner
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
func (p *parting) run(ctx context.Context, reason string) (settled bool, err error) {
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
			if !p.s.disconnected(ctx, p.row, nil, reason) {
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

// claim takes the claim, from an owner if one is named. It returns the owner that has it, if that is another.
func (p *parting) claim(ctx context.Context, t try, from sessionstore.Owner) (held sessionstore.Owner, err error) {
	now := time.Now()
	lease := sessionstore.Lease{Owner: t.owner(), Until: now.Add(partingLife)}
	for tries := again.Times(claimTries); tries.Next(ctx); {
		err = p.s.store.Claim(ctx, p.name, lease, from, now)
		if err == nil {
			p.mine = lease.Owner
			return "", nil
		}
		if h, ok := sessionstore.Holder(err); ok {
			return h.Owner, nil
		}
	}
	return "", fmt.Errorf("nonstick: claim disconnect handler: %w", err)
}
