package emulator

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/gobwas/ws"
)

// conn is one WebSocket connection. One goroutine, [conn.serve], reads it and calls the handlers; the caller that
// pushes writes to it through the outbox.
type conn struct {
	// static
	srv         *Server
	api         *api
	id          string
	net         net.Conn
	binary      Binary
	event       events.APIGatewayWebsocketProxyRequest // what all events have in common
	connectedAt time.Time

	// owned by serve
	in      frameReader
	call    call
	running chan struct{} // has room for a frame that is handed over concurrently
	calls   sync.WaitGroup
	lane    lane

	// shared
	out    outbox
	active atomic.Int64 // UnixNano of the last data frame, as of the server's clock
	end    atomic.Pointer[ending]
}

// ending is how a connection ended.
type ending struct {
	code   int
	reason string
}

// push queues a frame for the client. See [outbox.add] for the errors.
func (c *conn) push(frame string) error {
	if limit := c.srv.limits.Push; limit > 0 && len(frame) > limit {
		return ErrPayloadTooLarge
	}
	start, err := c.queue(frame)
	if start {
		go c.write()
	}
	return err
}

// pushGroup is push for several frames: all of them, next to one another, or none.
func (c *conn) pushGroup(group []string) error {
	messages := make([]message, len(group))
	for i, frame := range group {
		if limit := c.srv.limits.Push; limit > 0 && len(frame) > limit {
			return ErrPayloadTooLarge
		}
		messages[i].op, messages[i].payload = c.binary.outbound(frame)
	}
	start, err := c.out.addAll(messages, c.srv.limits.Outbox, &c.srv.out)
	if start {
		go c.write()
	}
	if err == nil {
		c.touch()
		for _, m := range messages {
			c.srv.used.out.Add(units(len(m.payload), messageUnit))
		}
	}
	return err
}

// queue adds a frame to the outbox. If it reports start, the caller must see that [conn.write] runs.
func (c *conn) queue(frame string) (start bool, err error) {
	op, payload := c.binary.outbound(frame)
	start, err = c.out.add(op, payload, c.srv.limits.Outbox, &c.srv.out)
	if err == nil {
		c.touch()
		c.srv.used.out.Add(units(len(payload), messageUnit))
	}
	return start, err
}

func (c *conn) touch() { c.active.Store(c.srv.clock.Load()) }

// write sends what waits in the outbox until nothing does.
func (c *conn) write() {
	for f := c.out.take(); f != nil; f = c.out.take() {
		_, err := c.net.Write(f.b)
		if cap(f.b) <= keptFrames {
			f.b = f.b[:0]
			c.srv.out.Put(f)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.srv.log.Warn("cut a client that does not read", "conn", c.id)
		}
		if err != nil {
			c.cut() // the reader notices and ends the connection
		}
	}
}

// close sends a close frame, if none was sent, and gives the client a moment to answer. A code of 0 sends
// none, as the management API does.
func (c *conn) close(code int, reason string) {
	payload, end := "", &ending{statusNone, ""}
	if code != 0 {
		payload, end = string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason, &ending{code, reason}
	}
	c.end.CompareAndSwap(nil, end) // before the client can see the frame, and answer with a code of its own
	start, first := c.out.last(payload, &c.srv.out)
	if start {
		go c.write()
	}
	if first {
		_ = c.net.SetReadDeadline(time.Now().Add(c.srv.limits.CloseWait)) // fails only on a dead connection
	}
}

// cut ends the connection without a word.
func (c *conn) cut() {
	_ = c.net.Close() // nothing can be done about a failing close
}

// expire closes the connection if it has been idle or alive for too long.
func (c *conn) expire(now time.Time) {
	l := c.srv.limits
	switch {
	case l.Lifetime > 0 && now.Sub(c.connectedAt) >= l.Lifetime:
		c.close(statusGoingAway, "Going away")
	case l.Idle > 0 && now.UnixNano()-c.active.Load() >= int64(l.Idle):
		c.close(statusGoingAway, "Idle timeout")
	}
}

// serve reads the connection until it ends, then tells the handlers.
func (c *conn) serve() {
	err := c.read()
	c.call.release()
	var rule *closeError
	if errors.As(err, &rule) {
		c.close(rule.code, rule.reason)
		c.drain()
	}
	c.end.CompareAndSwap(nil, &ending{statusAbnormal, ""})
	c.finish()
	if c.api.Dispatch != nil {
		c.dispatch(c.disconnected)
	} else {
		c.disconnected()
	}
	c.calls.Wait()
}

// finish takes the connection out of the server and waits for its writer.
func (c *conn) finish() {
	c.out.shut()
	c.srv.conns.remove(c)
	c.srv.used.connected.Add(int64(time.Since(c.connectedAt)))
	_ = c.net.SetWriteDeadline(time.Now().Add(c.srv.limits.CloseWait)) // fails only on a dead connection
	c.out.wait()
	c.cut()
}

// read hands over messages until the connection ends.
func (c *conn) read() error {
	for {
		op, payload, err := c.in.next()
		if err != nil {
			return err
		}
		switch op {
		case ws.OpText, ws.OpBinary:
			if c.end.Load() != nil {
				continue // closing: what the client says now comes too late
			}
			c.touch()
			c.message(op, payload)
		case ws.OpPing:
			c.pong(payload)
		case ws.OpClose:
			return c.closedByPeer(payload)
		case ws.OpPong, ws.OpContinuation: // a pong says nothing new; continuations never come alone
		}
	}
}

// drain ends our side of a connection that broke a rule, and reads on until the client has ended its own or
// time is up: closing at once would let the network drop the close frame.
func (c *conn) drain() {
	c.out.wait()
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only on a dead connection
	}
	var b [512]byte
	for {
		if _, err := c.net.Read(b[:]); err != nil {
			return
		}
	}
}

func (c *conn) pong(payload []byte) {
	start, _ := c.out.add(
		ws.OpPong, string(payload), c.srv.limits.Outbox, &c.srv.out,
	) // a closing connection needs no pong
	if start {
		c.write()
	}
}

// closedByPeer answers a close frame with one that says the same.
func (c *conn) closedByPeer(payload []byte) error {
	code, reason := ws.ParseCloseFrameData(payload)
	if len(payload) == 0 {
		c.end.CompareAndSwap(nil, &ending{statusNone, ""})
		c.close(0, "")
		return nil
	}
	if len(payload) == 1 || ws.CheckCloseFrameData(code, reason) != nil || !utf8.ValidString(reason) {
		return &closeError{statusProtocol, "Invalid close frame"}
	}
	c.end.CompareAndSwap(nil, &ending{int(code), reason})
	c.close(int(code), "")
	return nil
}

// message calls the handler of $default and sends its answer.
func (c *conn) message(op ws.OpCode, payload []byte) {
	c.srv.used.in.Add(units(len(payload), messageUnit))
	e := c.event // a copy: events differ in what follows
	if op == ws.OpBinary {
		e.Body, e.IsBase64Encoded = c.binary.inbound(payload)
	} else {
		e.Body = string(payload)
	}
	now := time.Now()
	c.stamp(&e.RequestContext, now)
	e.RequestContext.MessageID = e.RequestContext.RequestID
	switch {
	case c.srv.throttles():
		if c.reply(c.serviceFrame("Too Many Requests", e.RequestContext.RequestID)) {
			c.writeOrGoOn()
		}
		return
	case c.api.Dispatch != nil:
		c.dispatch(func() {
			var k call
			defer k.release()
			if c.answer(&k, e, now) {
				c.write()
			}
		})
		return
	case c.api.Concurrent:
		c.answerApart(e, now)
		return
	}
	if c.answer(&c.call, e, now) {
		c.writeOrGoOn()
	}
}

// answerApart answers a frame on a goroutine of its own, as soon as there is room.
func (c *conn) answerApart(e events.APIGatewayWebsocketProxyRequest, now time.Time) {
	c.running <- struct{}{}
	c.calls.Go(func() {
		var k call
		defer k.release()
		if c.answer(&k, e, now) {
			c.write()
		}
		<-c.running
	})
}

// answer calls the handler of $default and queues its answer. If it reports start, the caller must see that
// [conn.write] runs.
func (c *conn) answer(k *call, e events.APIGatewayWebsocketProxyRequest, now time.Time) (start bool) {
	ctx := k.begin(c, now, e.RequestContext.RequestID)
	res, err := invoke(ctx, c.srv, c.api, e)
	if !k.finish(c) {
		return false // its time was up: the client has the error frame
	}
	if err != nil {
		c.srv.log.ErrorContext(ctx, "message failed", "conn", c.id, "error", err)
		return c.reply(c.errorFrame(e.RequestContext.RequestID))
	}
	if body := bodyOf(res); body != "" || c.api.EmptyFrames {
		return c.reply(body)
	}
	return false
}

// dispatch hands over a frame, or the end of the connection, after the time that the service takes for it.
func (c *conn) dispatch(call func()) {
	c.lane.enter(c.api.Dispatch(), func(number int) {
		if c.lane.overtaken(number) {
			c.srv.overtaken.Add(1)
		}
		call()
	}, c.calls.Go)
}

// reply queues a frame that answers one. The function would not learn that its route response was lost, so a connection
// that cannot take it is closed.
func (c *conn) reply(frame string) (start bool) {
	if limit := c.srv.limits.Push; limit > 0 && len(frame) > limit {
		c.close(statusTooBig, "Message too large")
		return false
	}
	start, err := c.queue(frame)
	if errors.Is(err, ErrLimitExceeded) {
		c.srv.log.Warn("route response refused by a slow reader", "conn", c.id)
		c.close(statusGoingAway, "Slow reader")
	}
	return start
}

// writeOrGoOn writes from the reading goroutine, unless that has something else to do.
func (c *conn) writeOrGoOn() {
	if c.in.more() {
		go c.write()
		return
	}
	c.write()
}

// stamp sets what is new in each event.
func (c *conn) stamp(r *events.APIGatewayWebsocketProxyRequestContext, now time.Time) {
	id := c.srv.ids.next()
	r.RequestID, r.ExtendedRequestID = id, id
	r.RequestTimeEpoch = now.UnixMilli()
	r.RequestTime = c.srv.times.format(now)
}

// errorFrame is what the service sends by itself when it cannot process a message.
func (c *conn) errorFrame(requestID string) string {
	return c.serviceFrame("Internal server error", requestID)
}

// serviceFrame is a frame that the service sends of its own accord.
func (c *conn) serviceFrame(message, requestID string) string {
	return `{"message":"` + message + `","connectionId":` + strconv.Quote(
		c.id,
	) + `,"requestId":` + strconv.Quote(
		requestID,
	) + `}`
}

// disconnected calls the handler of $disconnect.
func (c *conn) disconnected() {
	e := c.event
	now := time.Now()
	c.stamp(&e.RequestContext, now)
	end := c.end.Load()
	r := &e.RequestContext
	r.RouteKey, r.EventType, r.DisconnectStatusCode, r.DisconnectReason = "$disconnect", "DISCONNECT", int64(
		end.code,
	), &end.reason
	ctx := c.call.begin(c, now, r.RequestID)
	defer c.call.release()
	if _, err := invoke(ctx, c.srv, c.api, e); err != nil {
		c.srv.log.ErrorContext(ctx, "disconnect failed", "conn", c.id, "error", err)
	}
	c.call.finish(c)
}

// bodyOf returns the body of a route response.
func bodyOf(r events.APIGatewayProxyResponse) string {
	if !r.IsBase64Encoded {
		return r.Body
	}
	raw, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		return r.Body
	}
	return string(raw)
}
