package dynamostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// absent is the condition of an item that must not be there yet, present of one that must.
const (
	absent  = "attribute_not_exists(#" + attrPK + ")"
	present = "attribute_exists(#" + attrPK + ")"
)

// Create implements [sessionstore.Sessions]. For polling the registration is the claim and comes first, so that
// there is never a session that no sweeper knows.
func (s *Store) Create(ctx context.Context, n sessionstore.NewSession) error {
	const op = sessionstore.OpCreate
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if err := n.Handshake.Check(); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if n.Transport != sessionstore.Polling {
		err := s.put(ctx, op, s.sessionItem(n), absent)
		if err != nil {
			return lost(err, "create session", sessionstore.ErrExists)
		}
		return nil
	}
	handshake, err := s.handshakeItem(n)
	if err != nil {
		return err
	}
	r := sessionstore.Registration{
		Session: n.ID, PingAt: n.PingAt, LookAt: n.LookAt, Serial: n.Serial || n.Tend, ClientPings: n.ClientPings,
	}
	if err := s.put(ctx, op, s.registrationItem(r), absent); err != nil {
		return lost(err, "create session: register", sessionstore.ErrExists)
	}
	if err := s.putRegistered(ctx, n, handshake); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// putRegistered puts the session and its handshake next to the registration.
func (s *Store) putRegistered(ctx context.Context, n sessionstore.NewSession, handshake item) error {
	const op = sessionstore.OpCreate
	var sessionErr, handshakeErr error
	_ = each(2, func(i int) error {
		if i == 0 {
			sessionErr = s.put(ctx, op, s.sessionItem(n), absent)
		} else {
			handshakeErr = s.put(ctx, op, handshake, absent)
		}
		return nil
	})
	if refused(sessionErr) != nil {
		// The registration cannot be the other session's: it was not there. An error leaves it to the sweeper. Nor can
		// a handshake that was put.
		_, _ = s.remove(ctx, op, s.registrationKey(n.ID), "", nil)
		if handshakeErr == nil {
			_, _ = s.remove(ctx, op, handshakeKey(n.ID), "", nil)
		}
		return sessionstore.ErrExists
	}
	return partly(errors.Join(sessionErr, handshakeErr))
}

func (s *Store) sessionItem(n sessionstore.NewSession) item {
	it := sessionKey(n.ID).item()
	it[attrState] = str(sessionstore.Open)
	it[attrTransport] = str(n.Transport)
	it[attrTTL] = seconds(s.rowsEnd())
	with(it, attrConn, n.Conn.String())
	with(it, attrOpenedT, n.OpenedT)
	with(it, attrCodec, n.Codec)
	withTime(it, attrCreatedAt, n.CreatedAt)
	withTime(it, attrPingAt, n.PingAt)
	if n.Serial {
		it[attrSerial] = yes()
	}
	with(it, attrCarrier, n.Carrier)
	if n.Hold.Held() {
		it[attrHold], it[attrHoldEnds] = str(n.Hold.Owner), millis(n.Hold.Until)
	}
	if n.Transport == sessionstore.Polling {
		it[attrHasHandshake] = yes()
	}
	return it
}

func (s *Store) handshakeItem(n sessionstore.NewSession) (item, error) {
	encoded, err := json.Marshal(n.Handshake)
	if err != nil {
		return nil, fmt.Errorf("create session: encode handshake: %w", err)
	}
	it := handshakeKey(n.ID).item()
	it[attrHandshake] = str(string(encoded))
	it[attrTTL] = seconds(s.rowsEnd())
	return it, nil
}

// sessionOf reads a session's item, without what Get adds.
func sessionOf(id sessionstore.SessionID, it item) sessionstore.Session {
	v := sessionstore.Session{
		ID:        id,
		State:     sessionstore.State(text(it, attrState)),
		Transport: sessionstore.Transport(text(it, attrTransport)),
		Conn:      connection(it, attrConn),
		Candidate: sessionstore.Candidate{Conn: connection(it, attrCandidate), Until: moment(it, attrCandidateEnds)},
		Probed:    flag(it, attrProbed),
		Serial:    flag(it, attrSerial),
		Hold:      leaseOf(it, attrHold, attrHoldEnds),
		Poll:      sessionstore.Poll{T: text(it, attrPoll), Until: moment(it, attrPollEnds)},
		Buffer:    bufferOf(it),
		Given:     int(number(it, attrGiven)),
		LastT:     text(it, attrLastT),
		OpenedT:   text(it, attrOpenedT),
		Codec:     text(it, attrCodec),
		PingAt:    moment(it, attrPingAt),
		Pinged:    flag(it, attrPinged),
		Reason:    text(it, attrReason),
		Details:   sessionstore.ParseDetails(text(it, attrDetails)),
		Drain:     flag(it, attrDrain),
		Handler:   leaseOf(it, attrLease, attrLeaseEnds),
		CreatedAt: moment(it, attrCreatedAt),
		Carrier:   sessionstore.SessionID(text(it, attrCarrier)),
		Trimmed:   int(number(it, attrTrimmed)),
		Moves:     int(number(it, attrMoves)),
		Numbers:   numbersOf(it),
	}
	if v.Transport == sessionstore.Outbox {
		v.Given = givenOf(it, &v)
	}
	if v.State == sessionstore.Closed { // before, the time to live is not the contract's
		v.ExpiresAt = expiry(it)
	}
	return v
}

func connection(it item, name string) sessionstore.Connection {
	v := text(it, name)
	if v == "" {
		return sessionstore.Connection{}
	}
	return sessionstore.ParseConnection(v)
}

func leaseOf(it item, owner, until string) sessionstore.Lease {
	return sessionstore.Lease{Owner: sessionstore.Owner(text(it, owner)), Until: moment(it, until)}
}

// ended reports whether a time to live has passed at now; the zero time never passes.
func ended(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// Get implements [sessionstore.Sessions]. It takes further reads only for more than 1 MB of sockets.
func (s *Store) Get(ctx context.Context, id sessionstore.SessionID, now time.Time) (sessionstore.Session, error) {
	const op = sessionstore.OpGet
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Session{}, fmt.Errorf("get session: %w", err)
	}
	if len(id) > maxKeyPart {
		return sessionstore.Session{}, fmt.Errorf("get session: %w", sessionstore.ErrNotFound)
	}
	v, err := s.whole(ctx, id, now)
	if err == nil && ended(v.ExpiresAt, now) {
		err = sessionstore.ErrNotFound
	}
	if err != nil {
		return sessionstore.Session{}, fmt.Errorf("get session: %w", err)
	}
	return v, nil
}

// whole reads a session with its sockets and partial packet.
func (s *Store) whole(ctx context.Context, id sessionstore.SessionID, now time.Time) (sessionstore.Session, error) {
	const op = sessionstore.OpGet
	var v sessionstore.Session
	var sockets []sessionstore.Socket
	var partial item
	for it, err := range s.walk(ctx, op, sessionPK(id), beginningWith(wholeSession), true) {
		if err != nil {
			return v, err
		}
		switch sk := text(it, attrSK); sk {
		case skSession:
			v = sessionOf(id, it)
		case skPartial:
			partial = it
		default:
			sockets = append(sockets, socketOf(id, it))
		}
	}
	if v.State == "" {
		return v, sessionstore.ErrNotFound
	}
	v.Sockets = sockets
	v.Partial = livePartial(partial, now)
	return v, nil
}

// Handshake implements [sessionstore.Sessions].
func (s *Store) Handshake(ctx context.Context, id sessionstore.SessionID) (sessionstore.Handshake, error) {
	const op = sessionstore.OpHandshake
	var h sessionstore.Handshake
	if err := s.begin(ctx, op); err != nil {
		return h, fmt.Errorf("read handshake: %w", err)
	}
	var err error
	if id.IsOutbox() {
		id, err = s.carrierOf(ctx, op, id)
	}
	var encoded string
	if err == nil && id != "" {
		encoded, err = s.handshake(ctx, op, id)
	}
	if err == nil && encoded == "" {
		err = sessionstore.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(encoded), &h)
	}
	if err != nil {
		return h, fmt.Errorf("read handshake: %w", err)
	}
	return h, nil
}

// handshake reads the JSON of a session's handshake: from an item of its own, which is read together with the session,
// or from the row of the connection that the session began with. It returns "" if there is none.
func (s *Store) handshake(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID) (string, error) {
	if len(id) > maxKeyPart {
		return "", nil
	}
	own, session := handshakeKey(id), sessionKey(id)
	found, err := s.getAll(ctx, op, []key{own, session})
	if err != nil {
		return "", err
	}
	conn := connection(found[session], attrConn)
	if found[own] != nil || flag(found[session], attrHasHandshake) || conn.IsZero() {
		return text(found[own], attrHandshake), nil
	}
	row, err := s.get(ctx, op, connectionKey(conn))
	if err != nil || text(row, attrSession) != string(id) {
		return "", err
	}
	return text(row, attrHandshake), nil
}

// transition is one conditional write of a session. It returns the item as returns asks for.
func (s *Store) transition(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, c change) (item, error) {
	if err := s.begin(ctx, op); err != nil {
		return nil, fmt.Errorf("%s: session: %w", op, err)
	}
	it, err := s.move(ctx, op, id, c)
	if err != nil {
		return nil, transitionError(op, id, err)
	}
	return it, nil
}

// move writes a transition and returns the raw error; callers translate it with transitionError.
func (s *Store) move(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, c change) (item, error) {
	c.key = sessionKey(id)
	return s.update(ctx, op, c)
}

// lifecycle values
var (
	valueOpen    = str(sessionstore.Open)
	valueClosing = str(sessionstore.Closing)
	valuePolling = str(sessionstore.Polling)
	valueOutbox  = str(sessionstore.Outbox)

	valueWebSocket = str(sessionstore.WebSocket)
)

// Conditions of transitions. Their values are those of stateValues.
const (
	isOpen    = "#" + attrState + " = :open"
	isPolling = isOpen + " AND #" + attrTransport + " = :polling"
)

// pollingValues are the values of isPolling, with others.
func pollingValues(more item) item {
	v := item{":open": valueOpen, ":polling": valuePolling}
	for name, value := range more {
		v[name] = value
	}
	return v
}

const (
	removeFirst  = "#" + attrFirstFrom + ", #" + attrFirstSize
	removeBuffer = "#" + attrBuffer + ", #" + attrPackets + ", #" + attrBufferSize + ", #" + attrBufferWeight +
		", #" + attrGiven + ", " + removeFirst
	removeHold      = "#" + attrHold + ", #" + attrHoldEnds
	removePoll      = "#" + attrPoll + ", #" + attrPollEnds
	removeCandidate = "#" + attrCandidate + ", #" + attrCandidateEnds + ", #" + attrProbed
	setLease        = "#" + attrLease + " = :owner, #" + attrLeaseEnds + " = :until"
)

// Close implements [sessionstore.Sessions]. With Drain it takes a second write if the session turns out to be
// on WebSocket.
func (s *Store) Close(ctx context.Context, r sessionstore.CloseRequest) (sessionstore.Session, error) {
	const op = sessionstore.OpClose
	if err := s.begin(ctx, op); err != nil {
		return sessionstore.Session{}, fmt.Errorf("%s: session: %w", op, err)
	}
	r.Drain = r.Drain && !r.Session.IsOutbox()
	it, err := s.move(ctx, op, r.Session, closeChange(r))
	if refusal := refused(err); r.Drain && refusal != nil && onWebSocket(refusal.found) {
		r.Drain = false
		it, err = s.move(ctx, op, r.Session, closeChange(r))
	}
	if err != nil {
		return sessionstore.Session{}, transitionError(op, r.Session, err)
	}
	return sessionOf(r.Session, it), nil
}

func onWebSocket(it item) bool {
	return text(it, attrState) == string(sessionstore.Open) && text(it, attrTransport) == string(sessionstore.WebSocket)
}

func closeChange(r sessionstore.CloseRequest) change {
	c := change{
		update: "SET #" + attrState + " = :closing, #" + attrReason + " = :reason, " + setLease,
		values: item{
			":open": valueOpen, ":closing": valueClosing, ":reason": str(r.Reason),
			":owner": str(r.Handler.Owner), ":until": millis(r.Handler.Until),
		},
		condition: isOpen,
		returns:   types.ReturnValueAllOld,
	}
	if said := r.Details.String(); said != "" {
		c.update += ", #" + attrDetails + " = :details"
		c.values[":details"] = str(said)
	}
	drop := removeHold + ", " + removePoll + ", " + removeCandidate
	if r.Drain {
		c.update += ", #" + attrDrain + " = :yes"
		c.values[":yes"] = yes()
		c.condition = isPolling
		c.values[":polling"] = valuePolling
	} else {
		drop += ", " + removeBuffer
	}
	c.update += " REMOVE " + drop
	if !r.IfPingAt.IsZero() {
		c.condition += " AND #" + attrPingAt + " = :ping"
		c.values[":ping"] = millis(r.IfPingAt)
	}
	if !r.IfConn.IsZero() {
		c.condition += " AND #" + attrConn + " = :conn"
		c.values[":conn"] = str(r.IfConn.String())
	}
	if r.IfCarrier != "" {
		c.condition += " AND #" + attrCarrier + " = :carrier"
		c.values[":carrier"] = str(r.IfCarrier)
	}
	return c
}

// TakeOver implements [sessionstore.Sessions].
func (s *Store) TakeOver(
	ctx context.Context, id sessionstore.SessionID, handler sessionstore.Lease, from sessionstore.Owner,
	now time.Time,
) error {
	free := "#" + attrLeaseEnds + " <= :now"
	values := item{
		":closing": valueClosing, ":now": millis(now), ":owner": str(handler.Owner),
		":until": millis(handler.Until),
	}
	if from != "" {
		free = "(" + free + " OR #" + attrLease + " = :from)"
		values[":from"] = str(from)
	}
	_, err := s.transition(ctx, sessionstore.OpTakeOver, id, change{
		update: "SET " + setLease, condition: "#" + attrState + " = :closing AND " + free, values: values,
	})
	return err
}

// Finish implements [sessionstore.Sessions]. The handshake's time to live covers a failure to drop it.
func (s *Store) Finish(
	ctx context.Context, id sessionstore.SessionID, owner sessionstore.Owner, expiresAt time.Time,
) error {
	const op = sessionstore.OpFinish
	it, err := s.transition(ctx, op, id, change{
		update:    "SET #" + attrState + " = :closed, #" + attrTTL + " = :expires",
		condition: "#" + attrState + " = :closing AND #" + attrLease + " = :owner",
		values: item{
			":closing": valueClosing, ":closed": str(sessionstore.Closed), ":owner": str(owner),
			":expires": seconds(expiresAt),
		},
		returns: types.ReturnValueAllOld,
	})
	if err == nil && flag(it, attrHasHandshake) {
		_, _ = s.remove(ctx, op, handshakeKey(id), "", nil)
	}
	return err
}
