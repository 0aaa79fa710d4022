package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/internal/again"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/internal/socketio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// KindOutbox is the kind of the timers of outboxes: when one that is away may be over, its carrier is to be looked at,
// or its end is to be finished. They are the engine's own, and go to no handler.
const KindOutbox = "outbox"

// OutboxTimer is what a timer of an outbox keeps.
type OutboxTimer struct {
	Outbox sessionstore.SessionID `json:"outbox"`
	// Keep is how long it waits for another carrier, if the one that it has is lost.
	Keep time.Duration `json:"keep"`
}

// Due returns the timer that has the outbox looked at, at a time: no row of the registry tells a sweeper of it.
func (t OutboxTimer) Due(at time.Time) (sessionstore.Timer, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return sessionstore.Timer{}, fmt.Errorf("delivery: timer of an outbox: %w", err)
	}
	return sessionstore.Timer{At: at, Name: string(t.Outbox), Kind: KindOutbox, Body: string(body)}, nil
}

// offsetRoom is what an offset adds to a packet, binaryRoom what it adds to one that is binary: its head, that of the
// array it comes into, and all in base64.
const (
	offsetRoom = protocol.MaxOffset + len(`,""`)
	binaryRoom = (protocol.MaxOffset+4)*4/3 + 4
)

// CheckEvent refuses an event that would be too large with an offset, with [ErrPacketTooLarge].
func (d *Delivery) CheckEvent(frames []string) error {
	return d.checkOutbox([]sessionstore.Packet{{Frames: frames}})
}

// checkOutbox refuses what would be too large with its offset.
func (d *Delivery) checkOutbox(packets []sessionstore.Packet) error {
	for _, p := range packets {
		for group := range groups(p.Frames) {
			room := offsetRoom
			if isBinary(group[0]) {
				room = binaryRoom
			}
			if len(group[0])+room > d.limits.Frame {
				return fmt.Errorf(
					"%w: %d bytes, at most %d where connections are recovered", ErrPacketTooLarge, len(group[0]),
					d.limits.Frame-room,
				)
			}
		}
	}
	return nil
}

// toOutbox delivers to a recoverable socket. When it returns nil, the packets are the outbox's: the client gets them,
// by this caller or by the one that is pushing, or when it comes back; or it is told that it is new.
func (d *Delivery) toOutbox(ctx context.Context, t Target, packets []sessionstore.Packet) error {
	if err := d.checkOutbox(packets); err != nil {
		return err
	}
	if d.ending.has(t.Session) {
		return fmt.Errorf("%w: %w", ErrClosed, ErrEnding)
	}
	d = d.patient()
	if t.Volatile {
		return d.offerOutbox(ctx, t.Session, packets)
	}
	hold := NewHold()
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		var s sessionstore.Session
		s, err = d.store.Enqueue(ctx, t.Session, packets, d.limits.Buffer, hold)
		switch action := protocol.Enqueue(err, packets, d.limits.Buffer); action {
		case protocol.DeliverDone:
			return d.carryOwn(ctx, s, hold, packets)
		case protocol.DeliverDoubt:
			return d.outboxInDoubt(ctx, t.Session, packets, hold, err)
		case protocol.DeliverRepeat:
		default:
			return d.refused(ctx, t.Session, action)
		}
	}
	return fmt.Errorf("deliver: %w", err)
}

// offerOutbox is toOutbox for volatile packets: they are dropped if the client is away, or cannot take them now.
func (d *Delivery) offerOutbox(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet,
) error {
	once := slices.Clone(packets)
	for i := range once {
		once[i].Once = true
	}
	hold, limits := NewHold(), d.limits.Buffer
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		limits.IfTaken = time.Now()
		var s sessionstore.Session
		s, err = d.store.Enqueue(ctx, id, once, limits, hold)
		cur, refused := sessionstore.Current(err)
		switch {
		case err == nil:
			return d.carry(ctx, s, hold, len(once), len(once))
		case refused && cur.State == sessionstore.Open:
			switched, err := d.offerHeld(ctx, cur, once)
			if err != nil || !switched {
				return err
			}
			continue // the carrier is on WebSocket now
		case sessionstore.InDoubt(err):
			return d.outboxInDoubt(ctx, id, once, hold, err)
		}
		if action := protocol.Enqueue(err, once, limits); action != protocol.DeliverRepeat {
			return d.refused(ctx, id, action)
		}
	}
	return fmt.Errorf("deliver: %w", err)
}

// offerHeld offers volatile packets to an outbox that has a hold. Where its carrier polls they go to that alone: they
// have the number of the last entry, and come behind it. It reports true if the outbox has followed its carrier to
// WebSocket.
func (d *Delivery) offerHeld(
	ctx context.Context, s sessionstore.Session, packets []sessionstore.Packet,
) (switched bool, err error) {
	switch d.rules.Carry(s.Hold, "", time.Now()) {
	case protocol.CarryCloseDead:
		return false, errors.Join(ErrDropped, d.closeCarrier(ctx, s, ReasonTransportError, diedInDelivery))
	case protocol.CarryNumber:
	default:
		return false, ErrDropped
	}
	seq := s.Seq()
	limits := d.limits.Buffer
	limits.IfTaken = time.Now()
	limits.Number = sessionstore.Number{Outbox: s.ID, From: seq, To: seq, First: s.Moves == 0 && seq == 0}
	var stamped []sessionstore.Packet
	for _, p := range packets {
		stamped = append(stamped, sessionstore.Packet{ID: p.ID, Frames: stampAll(s.ID, seq, p.Frames)})
	}
	err = d.store.Deliver(ctx, s.Carrier, stamped, limits)
	cur, refused := sessionstore.Current(err)
	switch {
	case err == nil:
		return false, nil
	case refused && cur.Numbers[s.ID] == farewell: // it gets no more of this outbox, on WebSocket neither
		return false, ErrDropped
	case refused && cur.State == sessionstore.Open && cur.Transport == sessionstore.WebSocket &&
		(cur.Serial || !cur.Hold.Held()):
		return true, d.follow(ctx, s, cur, NewHold())
	case refused, errors.Is(err, sessionstore.ErrNotFound), !sessionstore.InDoubt(err):
		return false, ErrDropped
	default: // it may come, once, or not
		return false, fmt.Errorf("deliver: %w", err)
	}
}

// carry goes on after an append of so many entries, by the hold. The first of what is to be pushed are volatile.
func (d *Delivery) carry(
	ctx context.Context, s sessionstore.Session, hold sessionstore.Lease, appended, volatile int,
) error {
	switch d.rules.Carry(s.Hold, hold.Owner, time.Now()) {
	case protocol.CarryPush:
		return d.pushOutbox(ctx, s, hold, appended, volatile)
	case protocol.CarryNumber:
		return d.number(ctx, s, s.Seq()-appended)
	case protocol.CarryCloseDead:
		return d.closeCarrier(ctx, s, ReasonTransportError, diedInDelivery)
	default:
		return nil
	}
}

// carryOwn is carry of packets that the caller has appended. A rewind is the outbox's from then on, so that its carrier
// cannot be closed is no error of that: the caller would take the join back, and the socket's next join would send the
// same events once more.
func (d *Delivery) carryOwn(
	ctx context.Context, s sessionstore.Session, hold sessionstore.Lease, packets []sessionstore.Packet,
) error {
	err := d.carry(ctx, s, hold, len(packets), 0)
	if err == nil || packets[0].Rewind == nil {
		return err
	}
	if log := d.closing.Logger; log != nil {
		log.WarnContext(ctx, "a history waits for the next connection", "session", string(s.ID), "error", err)
	}
	return nil
}

// closeCarrier ends the session that carries an outbox: its client comes back and says itself what it has. What waits
// in the outbox is not lost, so that is no error of a delivery; but where the close fails, the caller must know.
func (d *Delivery) closeCarrier(ctx context.Context, s sessionstore.Session, reason, why string) error {
	if s.Carrier == "" {
		return nil
	}
	err := d.close(ctx, s.Carrier, reason, s.Conn, why)
	if errors.Is(err, ErrEnding) {
		return nil
	}
	return err
}

// outboxInDoubt is enqueueInDoubt for an outbox, where a packet that has been sent stays in the buffer. If it is not
// there it may yet come; so the outbox closes, and its client with it.
func (d *Delivery) outboxInDoubt(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, hold sessionstore.Lease,
	cause error,
) error {
	return d.appendInDoubt(ctx, id, packets, cause, func(ctx context.Context, s sessionstore.Session) error {
		return d.carryOwn(ctx, s, hold, packets)
	})
}

// stampAll returns the frames of an entry with their offsets.
func stampAll(outbox sessionstore.SessionID, number int, frames []string) []string {
	out := make([]string, 0, len(frames))
	several := packetsIn(frames) > 1
	n := 0
	for group := range groups(frames) {
		n++
		at := protocol.Offset{Entry: number}
		if several {
			at.Packets = n
		}
		out = append(out, stamp(group[0], at.Encode(outbox)))
		out = append(out, group[1:]...)
	}
	return out
}

// stamp returns a packet with an offset behind its arguments, if it is an event that asks for no acknowledgement.
func stamp(frame, offset string) string {
	p, err := engineio.Decode(frame)
	switch {
	case err != nil || p.Type != engineio.Message:
	case p.Binary:
		if message, ok := socketio.StampBinary(p.Data, offset); ok {
			return engineio.EncodeBinary([]byte(message))
		}
	default:
		if text, ok := socketio.Stamp(p.Data, offset); ok {
			return engineio.EncodeMessage(text)
		}
	}
	return frame
}

// packetsIn is how many Socket.IO packets the frames of an entry are.
func packetsIn(frames []string) int {
	n := 0
	for range groups(frames) {
		n++
	}
	return n
}

// missed returns the frames of an entry that a client which has so many of its packets gets when it comes back: the
// events that ask for no acknowledgement.
func missed(outbox sessionstore.SessionID, number int, frames []string, has int) []string {
	var out []string
	n, at := 0, 0
	for group := range groups(stampAll(outbox, number, frames)) {
		n++
		if n > has && group[0] != frames[at] {
			out = append(out, group...)
		}
		at += len(group)
	}
	return out
}

// outboxPusher pushes the entries of an outbox to its carrier, for the holder of its hold.
type outboxPusher struct {
	flusher // of which id and hold are the outbox's

	carrier Target
	has     protocol.Offset       // what the client has of an entry that is a rewind
	own     int                   // the number of the entry before those of the caller
	unfit   error                 // of these: the carrier does not take them
	last    sessionstore.PacketID // is the last word, and for this carrier
}

// pushOutbox pushes what has not been sent, in order, and gives the hold back. What was appended meanwhile makes that
// fail, and is pushed next. A push that fails ends the carrier; what it has not got stays for the next one, so that is
// no error. The last entries, so many, are the caller's.
func (d *Delivery) pushOutbox(
	ctx context.Context, s sessionstore.Session, hold sessionstore.Lease, appended, volatile int,
) error {
	f := d.outboxPusher(&s, hold)
	f.own = s.Seq() - appended
	dropped, err := f.run(ctx, s, s.Given, volatile)
	switch {
	case err != nil:
		return err
	case f.unfit != nil:
		return f.unfit
	case dropped > 0:
		return ErrDropped
	}
	return nil
}

func (d *Delivery) outboxPusher(s *sessionstore.Session, hold sessionstore.Lease) *outboxPusher {
	return &outboxPusher{
		flusher: flusher{d: d, id: s.ID, hold: hold},
		carrier: Target{Session: s.Carrier, Hint: s.Conn}, own: s.Seq(),
	}
}

// run pushes the entries from the one at index sent on.
func (f *outboxPusher) run(ctx context.Context, s sessionstore.Session, sent, volatile int) (dropped int, err error) {
	for {
		lost, err := f.entries(ctx, &s, sent, volatile)
		if lost || err != nil {
			return f.dropped, err
		}
		volatile, sent, f.own = 0, len(s.Buffer), math.MaxInt
		cur, err := f.sent(ctx, &s, sent)
		if err != nil {
			return f.dropped, f.cut(ctx, err)
		}
		action := f.d.rules.Released(cur, f.hold.Owner)
		if action != protocol.FlushPush {
			if cur == nil {
				f.d.trim(ctx, &s, sent, "")
			}
			return f.dropped, nil
		}
		sent -= cur.Trimmed - s.Trimmed
		s = *cur
	}
}

// entries pushes those from an index on. It is lost if the carrier is.
func (f *outboxPusher) entries(ctx context.Context, s *sessionstore.Session, from, volatile int) (lost bool, _ error) {
	packets, err := f.d.store.Bodies(ctx, f.id, s.Buffer[min(from, len(s.Buffer)):])
	if err != nil {
		return true, f.cut(ctx, fmt.Errorf("flush: %w", err))
	}
	for i, p := range packets {
		d := f.d
		if i < volatile {
			d = d.impatient()
		}
		if p.Once && i >= volatile && p.ID != f.last { // it was for another carrier, or late for this one
			continue
		}
		number := s.Trimmed + from + i + 1
		push := func() error { return f.one(ctx, d, p.ID, stampAll(f.id, number, p.Frames)) }
		if p.Rewind != nil {
			push = func() error { return f.rewind(ctx, number, p.Rewind) }
		}
		switch err := push(); {
		case errors.Is(err, ErrDropped):
			f.dropped++
		case errors.Is(err, ErrNotSerial):
			f.passOver(ctx, number, err)
		case errors.Is(err, errEventsGone):
			return true, f.d.endRewind(ctx, s, err)
		case err != nil:
			return true, f.cut(ctx, err)
		}
	}
	return false, nil
}

// passOver tells of an entry that the carrier does not take, by its number: its caller if that is this one, else the
// log. The client does not get it, and gets what is behind it.
func (f *outboxPusher) passOver(ctx context.Context, number int, err error) {
	if number > f.own {
		f.unfit = err
	} else if log := f.d.closing.Logger; log != nil {
		log.WarnContext(ctx, "a packet was passed over", "session", string(f.id), "error", err)
	}
}

// one pushes one entry.
func (f *outboxPusher) one(ctx context.Context, d *Delivery, id sessionstore.PacketID, frames []string) error {
	if err := f.keep(ctx); err != nil {
		return err
	}
	_, err := d.deliver(ctx, f.carrier, []sessionstore.Packet{{ID: id, Frames: frames}})
	return err
}

// cut ends the carrier after a push that was no clear success, unless that has ended it: it is not known what its
// client has, and only the client can tell.
func (f *outboxPusher) cut(ctx context.Context, cause error) error {
	outbox := sessionstore.Session{Carrier: f.carrier.Session, Conn: f.carrier.Hint}
	return f.d.closeCarrier(context.WithoutCancel(ctx), outbox, ReasonTransportError, "push: "+cause.Error())
}

// sent gives the hold back. If that is refused or in doubt, it returns the outbox as it is instead.
func (f *outboxPusher) sent(ctx context.Context, read *sessionstore.Session, n int) (*sessionstore.Session, error) {
	return f.settle(ctx, f.d.store.Sent(ctx, read, f.hold.Owner, n))
}

// number brings entries of an outbox to the buffer of its carrier, which polls: those behind the number that it has.
// Callers need no hold for that and may die at any point, for the number says what the carrier has. Of a rewind it
// brings what the buffer has room for; the client's GETs bring the rest.
func (d *Delivery) number(ctx context.Context, s sessionstore.Session, has int) error {
	limits := d.limits.Buffer
	var err error
	for tries := again.Times(storeTries); tries.Next(ctx); {
		var packets []sessionstore.Packet
		var rewind *sessionstore.Rewind
		if packets, rewind, err = d.numbered(ctx, &s, has); err != nil {
			if errors.Is(err, sessionstore.ErrNotFound) {
				break
			}
			continue
		}
		to := max(has, s.Trimmed) + len(packets)
		if rewind != nil && len(packets) == 0 {
			return d.numberRewind(ctx, s, to+1, rewind)
		}
		limits.Number = sessionstore.Number{Outbox: s.ID, From: has, To: to, First: s.Moves == 0 && has == 0}
		err = d.store.Deliver(ctx, s.Carrier, joined(packets), limits)
		action, got := d.rules.Numbered(err, &s, limits.Number)
		switch action {
		case protocol.NumberDone:
			if got >= to && got < s.Seq() { // up to a rewind
				has, tries = got, again.Times(storeTries)
				continue
			}
			if got != farewell {
				d.trim(ctx, &s, got-s.Trimmed, s.Carrier)
			}
			return nil
		case protocol.NumberLost, protocol.NumberLeave:
			return nil
		case protocol.NumberBehind:
			has = got
		case protocol.NumberSwitch:
			cur, _ := sessionstore.Current(err)
			return d.follow(ctx, s, cur, NewHold())
		case protocol.NumberFull:
			return d.closeCarrier(ctx, s, ReasonBufferFull, "")
		case protocol.NumberRepeat, protocol.NumberCut:
		}
	}
	return d.closeCarrier(context.WithoutCancel(ctx), s, ReasonTransportError, "deliver: "+fmt.Sprint(err))
}

// numbered returns the entries behind a number, as the carrier gets them, up to one that is a rewind; or that, if it is
// the first.
func (d *Delivery) numbered(
	ctx context.Context, s *sessionstore.Session, has int,
) ([]sessionstore.Packet, *sessionstore.Rewind, error) {
	from := max(has-s.Trimmed, 0)
	packets, err := d.store.Bodies(ctx, s.ID, s.Buffer[min(from, len(s.Buffer)):])
	if err != nil {
		return nil, nil, fmt.Errorf("deliver: %w", err)
	}
	all := make([]sessionstore.Packet, 0, len(packets))
	for i, p := range packets {
		if p.Rewind != nil {
			return all, p.Rewind, nil
		}
		one := sessionstore.Packet{ID: p.ID}
		if !p.Once { // or it was for a carrier on WebSocket, and is late
			one.Frames = stampAll(s.ID, s.Trimmed+from+i+1, p.Frames)
		}
		all = append(all, one)
	}
	return all, nil, nil
}

// joined puts packets together to few entries of a buffer.
func joined(packets []sessionstore.Packet) []sessionstore.Packet {
	var all []sessionstore.Packet
	for _, p := range packets {
		all = join(all, p.ID, p.Frames)
	}
	return all
}

// join adds frames to a list of entries for a buffer: to the last of them while that is not too large.
func join(all []sessionstore.Packet, id sessionstore.PacketID, frames []string) []sessionstore.Packet {
	if len(frames) == 0 {
		return all
	}
	p := sessionstore.Packet{ID: id, Frames: frames}
	if n := len(all); n > 0 && Collects(all[n-1].Bytes()+p.Bytes(), len(all[n-1].Frames)+len(frames)) {
		all[n-1].Frames = append(all[n-1].Frames, frames...)
		return all
	}
	return append(all, p)
}

// follow has an outbox follow its carrier, which has moved to WebSocket, and pushes what that has not got.
func (d *Delivery) follow(
	ctx context.Context, s, carrier sessionstore.Session, hold sessionstore.Lease,
) error {
	got := carrier.Numbers[s.ID]
	after, err := d.store.Switch(ctx, s.ID, s.Carrier, carrier.Hint(), got, hold)
	if cur, refused := sessionstore.Current(err); refused {
		if cur.State == sessionstore.Open && cur.Carrier == s.Carrier {
			return d.carry(ctx, cur, hold, 0, 0)
		}
		return nil // it has another carrier, which has what was appended
	}
	if errors.Is(err, sessionstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return d.closeCarrier(context.WithoutCancel(ctx), s, ReasonTransportError, "switch: "+err.Error())
	}
	f := d.outboxPusher(&after, hold)
	f.has = protocol.Offset{Entry: got + 1, Packets: carrier.Numbers[s.ID.Part()]}
	_, err = f.run(ctx, after, after.Given, 0)
	return err
}

// An outbox keeps what was sent, for a client that comes back; but no more than leaves room for what comes while the
// client is away.
const (
	trimAt = 3 // quarters of what a buffer may hold: then the first entries that were sent go,
	trimTo = 2 // until so many quarters are left
)

// trim removes the oldest entries of an outbox of which so many of the first were sent, once there are many. If they
// were sent to a session that polls, what waits there stays here too: a client that has not fetched it can only get it
// by a recovery, should it lose that session. What fails is tried by the next caller.
func (d *Delivery) trim(ctx context.Context, s *sessionstore.Session, sent int, polls sessionstore.SessionID) {
	bytes := 0
	for _, p := range s.Buffer {
		bytes += p.Bytes()
	}
	above := func(packets, bytes, quarters int) bool {
		return 4*packets > quarters*d.limits.Buffer.Packets || 4*bytes > quarters*d.limits.Buffer.Bytes
	}
	if !above(len(s.Buffer), bytes, trimAt) {
		return
	}
	sent = min(sent, len(s.Buffer))
	if polls != "" {
		carrier, err := d.store.Get(ctx, polls, time.Now())
		if err != nil {
			return
		}
		sent -= unfetched(s, sent, &carrier)
	}
	n := 0
	for n < sent && above(len(s.Buffer)-n, bytes, trimTo) {
		bytes -= s.Buffer[n].Bytes()
		n++
	}
	if n > 0 {
		_ = d.store.Trim(ctx, s, n)
	}
}

// unfetched is how many of the entries that were sent to a session that polls may wait in its buffer: so many of the
// last ones as are as large as the buffer, with their offsets. An entry of which only the size is known counts without
// its offset, so that there are rather too many than too few.
func unfetched(outbox *sessionstore.Session, sent int, carrier *sessionstore.Session) (n int) {
	left := 0
	for _, p := range carrier.Buffer { // what was given too: the answer may be lost
		left += p.Bytes()
	}
	for ; n < sent && left > 0; n++ {
		i := sent - n - 1
		switch p := outbox.Buffer[i]; {
		case p.Once:
		case p.Frames == nil:
			left -= p.Bytes()
		default:
			p.Frames = stampAll(outbox.ID, outbox.Trimmed+i+1, p.Frames)
			left -= p.Bytes()
		}
	}
	return n
}

// Recovery is a client that comes back.
type Recovery struct {
	// Outbox is what it wants to recover, as read; Offset is what it says that it got last, as it came.
	Outbox *sessionstore.Session
	Offset string
	// Carrier is the client's session, as read.
	Carrier *sessionstore.Session
	// First are packets for the client that come before what it missed.
	First []sessionstore.Packet
	// Moved, unless nil, is asked once the outbox has the new carrier, and before anything is sent: false, or an error,
	// ends the recovery.
	Moved func(ctx context.Context) (bool, error)
}

// Recoverable reports whether a client may come back to an outbox, as it was read, with an offset.
func (d *Delivery) Recoverable(outbox *sessionstore.Session, offset string) bool {
	action, _ := d.rules.Resumes(outbox, offset, time.Now())
	return action == protocol.Resume
}

// Recover moves an outbox to another carrier and sends what its client missed: First, then the entries behind the
// offset, then live ones, without a gap or a repeat. The carrier before is closed. It reports false if the client is to
// be told that it is new: the outbox is over, or another's, or does not have all that was missed.
func (d *Delivery) Recover(ctx context.Context, r Recovery) (bool, error) {
	now := time.Now()
	if action, _ := d.rules.Resumes(r.Outbox, r.Offset, now); action != protocol.Resume {
		return false, nil
	}
	if r.Outbox.Carrier != "" && r.Outbox.Carrier != r.Carrier.ID {
		if action, err := d.compare(ctx, r.Carrier, r.Outbox); err != nil || action == protocol.RecoverNew {
			return false, err
		}
	}
	d = d.patient()
	hold := NewHold()
	if r.Carrier.Transport == sessionstore.Polling {
		hold.Owner = sessionstore.HoldPolling // until its end, nothing but this call brings the first entries
	}
	before, ok, err := d.move(ctx, r.Carrier, sessionstore.RecoverRequest{
		Read: r.Outbox, Carrier: r.Carrier.ID, Conn: r.Carrier.Hint(), Hold: hold, Now: now,
	})
	if !ok || err != nil {
		return false, err
	}
	usurp := sync.OnceValue(func() error { return d.usurp(ctx, &before, r.Carrier.ID) })
	recovered, err := d.welcome(ctx, r, before, hold, usurp)
	return recovered, errors.Join(err, usurp()) // the carrier before has the socket no more, whatever came of that
}

// usurp ends the session that carried an outbox before another one does.
func (d *Delivery) usurp(ctx context.Context, before *sessionstore.Session, now sessionstore.SessionID) error {
	if before.Carrier == "" || before.Carrier == now {
		return nil
	}
	err := d.close(ctx, before.Carrier, ReasonTransportClose, before.Conn, "its client has come back")
	if errors.Is(err, ErrEnding) {
		return nil
	}
	return err
}

// welcome sends what a client that comes back gets first, for the owner of hold, who has moved the outbox. Before is
// that as it was. Usurp is called as soon as the client has been told: what it missed may take long.
func (d *Delivery) welcome(
	ctx context.Context, r Recovery, before sessionstore.Session, hold sessionstore.Lease, usurp func() error,
) (bool, error) {
	after := before
	after.Carrier, after.Conn, after.Hold, after.PingAt = r.Carrier.ID, r.Carrier.Hint(), hold, time.Time{}
	after.Moves++
	if r.Moved != nil {
		if ok, err := r.Moved(ctx); !ok || err != nil {
			return false, err
		}
	}
	action, at := d.rules.Resumes(&after, r.Offset, time.Now())
	if action != protocol.Resume { // it was trimmed just now
		return false, d.closeOwn(ctx, &after)
	}
	missed, sent, err := d.behind(ctx, &after, at)
	switch {
	case errors.Is(err, sessionstore.ErrNotFound): // it is too old to be there
		return false, d.closeOwn(ctx, &after)
	case err != nil:
		return false, errors.Join(err, d.closeCarrier(ctx, after, ReasonTransportError, err.Error()))
	}
	all := d.rules.Welcome(r.First, missed)
	if hold.Lasting() {
		if err = d.resend(ctx, after, all, at, sent); err != nil {
			return true, err
		}
		_ = usurp() // which the caller asks again
		return true, d.catchUp(ctx, after, sent)
	}
	f := d.outboxPusher(&after, hold)
	f.has = at
	told := min(len(r.First), len(all))
	if err = f.first(ctx, all[:told]); err != nil {
		return true, err
	}
	_ = usurp()
	if err = f.first(ctx, all[told:]); err == nil {
		_, err = f.run(ctx, after, sent-after.Trimmed, 0)
	}
	return true, err
}

// closeOwn closes an outbox that cannot be recovered, unless another session has taken it meanwhile: that may have been
// told that it was.
func (d *Delivery) closeOwn(ctx context.Context, s *sessionstore.Session) error {
	err := d.closing.Close(ctx, s.ID, ReasonTransportClose, CloseOptions{IfCarrier: s.Carrier})
	if errors.Is(err, sessionstore.ErrConflict) {
		return nil
	}
	return err
}

// move gives an outbox another carrier. It is not ok if the outbox is over, or belongs to a session that came later.
func (d *Delivery) move(
	ctx context.Context, carrier *sessionstore.Session, r sessionstore.RecoverRequest,
) (before sessionstore.Session, ok bool, err error) {
	doubt := false
	for tries := again.Times(storeTries); tries.Next(ctx); {
		before, err = d.store.Recover(ctx, r)
		doubt = doubt || sessionstore.InDoubt(err)
		cur, refused := sessionstore.Current(err)
		action := d.rules.Recovered(err, &r)
		if doubt && refused && action != protocol.RecoverApplied && cur.Carrier != r.Read.Carrier {
			// What is in doubt may have taken it from its carrier, before another session took it from this one: then
			// no other caller knows of that carrier. A second caller may close it too.
			if err := d.usurp(ctx, r.Read, r.Carrier); err != nil {
				return before, false, err
			}
		}
		if action == protocol.RecoverCompare {
			action, err = d.compare(ctx, carrier, &cur)
		}
		switch action {
		case protocol.RecoverDone:
			return before, true, nil
		case protocol.RecoverApplied:
			cur.Carrier, cur.Conn, cur.Moves = r.Read.Carrier, r.Read.Conn, r.Read.Moves
			return cur, true, nil
		case protocol.RecoverAgain:
			r.Read, r.Now = &cur, time.Now()
		case protocol.RecoverRepeat:
		default:
			return before, false, nil
		}
	}
	return before, false, fmt.Errorf("recover: %w", err)
}

// compare decides which of two sessions gets an outbox that the other one has.
func (d *Delivery) compare(
	ctx context.Context, mine, outbox *sessionstore.Session,
) (protocol.RecoverAction, error) {
	other, err := d.readAgain(ctx, outbox.Carrier)
	switch {
	case err != nil && !errors.Is(err, sessionstore.ErrNotFound):
		return protocol.RecoverRepeat, fmt.Errorf("recover: its carrier: %w", err)
	case err == nil && !d.rules.Follows(mine, &other):
		return protocol.RecoverNew, nil
	}
	return protocol.RecoverAgain, nil
}

// behind returns what a client misses that has all up to an offset, as far as there is no rewind of which it lacks
// events, and the number of the last entry of that. What comes with such a rewind, or behind it, has never been sent.
func (d *Delivery) behind(
	ctx context.Context, s *sessionstore.Session, at protocol.Offset,
) (all []sessionstore.Packet, last int, err error) {
	from := at.Entry - s.Trimmed
	if at.Packets > 0 {
		from--
	}
	packets, err := d.store.Bodies(ctx, s.ID, s.Buffer[from:])
	if err != nil {
		return nil, 0, fmt.Errorf("recover: %w", err)
	}
	for i, p := range packets {
		number, has := s.Trimmed+from+i+1, 0
		if p.Rewind != nil {
			if number == at.Entry {
				has = at.Packets
			}
			lacks, err := d.lacks(ctx, s.ID, number, p.Rewind, has)
			if err != nil {
				return nil, 0, err
			}
			if lacks {
				return all, number - 1, nil
			}
			continue
		}
		if number == at.Entry {
			has = at.Packets
		}
		if !p.Once {
			all = join(all, p.ID, missed(s.ID, number, p.Frames, has))
		}
	}
	return all, s.Seq(), nil
}

// first pushes what a client that comes back gets first.
func (f *outboxPusher) first(ctx context.Context, all []sessionstore.Packet) error {
	for _, p := range all {
		for group := range groups(p.Frames) {
			err := f.one(ctx, f.d, p.ID, group)
			if errors.Is(err, ErrNotSerial) { // it was sent by polling, or not at all
				f.passOver(ctx, 0, err)
			} else if err != nil {
				return errors.Join(err, f.cut(ctx, err))
			}
		}
	}
	return nil
}

// resend is first for a carrier that polls. Others append to its buffer once it has a number of the outbox; what they
// left to this caller until then is still to be brought behind that, and so is what comes with a rewind. It has all up
// to the entry sent, and up to at of the next.
func (d *Delivery) resend(
	ctx context.Context, s sessionstore.Session, all []sessionstore.Packet, at protocol.Offset, sent int,
) error {
	var err error
	limits := d.limits.Buffer
	limits.Number = sessionstore.Number{Outbox: s.ID, From: -1, To: sent}
	if at.Entry == sent+1 {
		limits.Number.PartTo = at.Packets
	}
	for tries := again.Times(storeTries); tries.Next(ctx); {
		err = d.store.Deliver(ctx, s.Carrier, all, limits)
		switch action, _ := d.rules.Numbered(err, &s, limits.Number); action {
		case protocol.NumberDone:
			return nil
		case protocol.NumberLost:
			return ErrClosed
		case protocol.NumberRepeat:
			continue
		case protocol.NumberFull:
			return errors.Join(ErrBufferFull, d.closeCarrier(ctx, s, ReasonBufferFull, ""))
		default:
			why := "recover: " + fmt.Sprint(err)
			return errors.Join(ErrClosed, d.closeCarrier(ctx, s, ReasonTransportError, why))
		}
	}
	err = fmt.Errorf("recover: %w", err)
	return errors.Join(err, d.closeCarrier(context.WithoutCancel(ctx), s, ReasonTransportError, err.Error()))
}

// catchUp brings what is in an outbox behind the number that its carrier has, and what was appended since it was read,
// if the carrier polls.
func (d *Delivery) catchUp(ctx context.Context, s sessionstore.Session, has int) error {
	now, err := d.readAgain(ctx, s.ID)
	if err != nil {
		return errors.Join(err, d.closeCarrier(ctx, s, ReasonTransportError, "recover: "+err.Error()))
	}
	if now.State != sessionstore.Open || now.Carrier != s.Carrier || now.Hold.Owner != sessionstore.HoldPolling ||
		now.Seq() == has {
		return nil
	}
	return d.number(ctx, now, has)
}

// strayTime is how long a session may seem to carry an outbox that is not its own: it is about to be.
const strayTime = time.Second

// Tend looks after an outbox that a session carries, for a caller that may have died while it delivered to it: what it
// left is brought to the client, or the session closed. If there is no such outbox any more, or another session carries
// it, the session is closed too.
func (d *Delivery) Tend(ctx context.Context, outbox sessionstore.SessionID, carrier *sessionstore.Session) error {
	for begun := time.Now(); ; {
		s, err := d.store.Get(ctx, outbox, time.Now())
		switch {
		case err != nil && !errors.Is(err, sessionstore.ErrNotFound):
			return fmt.Errorf("tend: %w", err)
		case err == nil && s.State == sessionstore.Closing: // the caller that closes it sees to the rest
			return nil
		case err == nil && s.State == sessionstore.Open && s.Carrier == carrier.ID:
			return d.tend(ctx, s, carrier)
		case time.Since(begun) >= strayTime:
			gone := sessionstore.Session{Carrier: carrier.ID, Conn: carrier.Conn}
			return d.closeCarrier(ctx, gone, ReasonTransportClose, "another session has its socket, or none")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(strayTime):
		}
	}
}

func (d *Delivery) tend(ctx context.Context, s sessionstore.Session, carrier *sessionstore.Session) error {
	now := time.Now()
	d = d.patient()
	switch d.rules.Carry(s.Hold, "", now) {
	case protocol.CarryCloseDead:
		return d.closeCarrier(ctx, s, ReasonTransportError, diedInDelivery)
	case protocol.CarryNumber:
		got, has := carrier.Numbers[s.ID]
		switch {
		case has && got < s.Seq(), !has && s.Moves == 0 && s.Seq() > 0:
			return d.number(ctx, s, got)
		case !has && s.Moves > 0 && s.Hold.Expired(now): // the caller that recovered it has died
			return d.closeCarrier(ctx, s, ReasonTransportError, diedInDelivery)
		}
	default:
	}
	return nil
}
