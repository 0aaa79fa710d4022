package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// old is what operations of a client of Socket.IO v2 take, which joins by its handshake and pings by itself.
type old struct {
	open, event, deliver, ping units // on WebSocket
	openPolling, pingPolling   units // the latter with the GET that carries the answer
}

// oldClients measures clients of Socket.IO v2.
func (w *meter) oldClients(m *old) error {
	with := *w
	serve := func() {
		with.server = w.serve(time.Hour)
		with.server.AllowEIO3(true)
	}
	serve()
	with.pusher.first = ""
	ws := &client{w: &with, conn: sessionstore.Connection{ID: "L0SM9cOFvHcCIho=", Endpoint: endpoint}}
	poll := &client{w: &with}
	event := func() error { return ws.send(`420["echo","hello"]`) }
	for _, s := range []step{
		{&m.open, ws.beginOld},
		{&m.event, event},
		{&m.deliver, func() error {
			_, err := with.server.Engine().Delivery().Deliver(w.ctx, delivery.Target{Session: ws.id}, said())
			return err
		}},
		{nil, func() error { serve(); return event() }}, // an instance that knows of no ping
		{&m.ping, func() error { return ws.send(engineio.PingFrame) }},
		{&m.openPolling, func() error {
			err := poll.beginOld()
			if err == nil {
				err = poll.getOld()
			}
			return err
		}},
		{nil, func() error { return w.store.Pong(w.ctx, poll.id, time.Now()) }}, // one is due
		{&m.pingPolling, func() error {
			err := with.server.Engine().PostAs(w.ctx, poll.id, "1:2", engine.Client{Codec: engineio.V3})
			if err == nil {
				err = poll.getOld()
			}
			return err
		}},
	} {
		if err := w.take(s); err != nil {
			return err
		}
	}
	m.open.write += refused
	return nil
}

// refused is what AWS bills for the write that tells an instance that it has to send to a WebSocket in turn. It is the
// first that it sends, and DynamoDB Local counts none.
const refused = 1

// beginOld begins a session of version 3, which joins the main namespace.
func (c *client) beginOld() error {
	e, ctx, h := c.w.server.Engine(), c.w.ctx, handshake()
	h.Query["EIO"] = "3"
	var open string
	if c.conn.IsZero() {
		payload, err := e.Handshake(ctx, h)
		if err != nil {
			return err
		}
		_, open, _ = strings.Cut(payload, ":")
	} else {
		then, err := e.Connect(ctx, c.conn, h)
		if err == nil {
			err = e.Run(ctx, then)
		}
		if err != nil {
			return err
		}
		open = c.w.pusher.first
	}
	var o struct{ SID string }
	if err := json.Unmarshal([]byte(open[1:]), &o); err != nil {
		return err
	}
	c.id = sessionstore.SessionID(o.SID)
	return nil
}

// getOld is a GET of such a client.
func (c *client) getOld() error {
	_, err := c.w.server.Engine().PollAs(c.w.ctx, c.id, "", engine.Client{Codec: engineio.V3})
	return err
}

// oldClients compares clients of Socket.IO v2 with those of today.
func (w *writer) oldClients(m measured, in inbound) {
	const million = 1e6
	w.WriteString(
		"The same by WebSocket with clients of [Socket.IO v2](clients/javascript.md#version-2), to whom every packet " +
			"goes in turn,\nbeside clients of today: a million events with an acknowledgement each, a million packets, " +
			"and a broadcast to 10,000:\n\n",
	)
	answered := m
	answered.event = m.old.event
	events := event(answered, in)
	events.add("Lambda", "gbSecond", frameTime.Seconds()*memoryGB) // the writes are waited for
	packet := deliveryBinary(m.old.deliver, 1)
	w.bills(
		"",
		column{"events, v2", events.times(million)},
		column{"today", event(m, in).times(million)},
		column{"packets, v2", packet.times(million)},
		column{"today", delivery1(m).times(million)},
		column{"broadcast, v2", broadcast(m, packet, 10_000)},
		column{"today", broadcast(m, delivery1(m), 10_000)},
	)
}
