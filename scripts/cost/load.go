package main

import (
	"time"

	"github.com/nonstick-io/nonstick/gateway/engine"
)

// What the page assumes, beside what is measured. They are stated on the page.
const (
	memoryGB    = 0.25                  // MemorySize: 256
	frameTime   = 10 * time.Millisecond // that an invocation for a frame, or a request that does not wait, is billed
	pushTime    = 1100 * time.Microsecond
	pollHold    = 20 * time.Second
	pingTimeout = 20 * time.Second
	longestTick = 3 * time.Second
	textLines   = 330 // bytes of START, END and REPORT of an invocation
	packetBytes = 200 // of a small event, with its frame and TLS
	emptyPolls  = 15  // a minute, of each queue, that Lambda asks in vain
	queuesInAll = 5
	fifoQueues  = 2
	parts       = 16  // of a broadcast to more than largeRoom
	largeRoom   = 500 // LargeRoom
	metrics     = 18  // that functions write
	leastWalk   = 8.0 // read units of a walk over 16 shards with next to nothing in them
	firstReread = engine.LeastPollPace
	pollPace    = 250 * time.Millisecond
	// Of the heartbeat, counted on localdev with 100 idle sessions: walks over the registry, writes of leases and of
	// its chain, and requests to its queue, a second.
	beatWalks    = 0.61
	beatWrites   = 2.4
	beatRequests = 0.5
)

// inbound is how frames come.
type inbound struct {
	ordered bool
	batch   float64 // frames in a batch
}

// frame is what the platform takes for one frame of a client, the message itself included.
func frame(in inbound, answers float64) (b bill) {
	b.add("messages", "message", 1+answers)
	calls := 1.0
	if in.ordered {
		calls = 1 / in.batch
		b.add("queue", "fifoRequest", 1+2*calls)
	}
	b.add("Lambda", "invocation", calls)
	b.add("Lambda", "gbSecond", frameTime.Seconds()*memoryGB)
	return b
}

// table adds what an operation takes of the table.
func (b *bill) table(u units, times float64) {
	b.add("table", "readUnit", u.read*times)
	b.add("table", "writeUnit", u.write*times)
}

// idleWebSocket is a month of a WebSocket that only answers pings.
func idleWebSocket(m measured, in inbound, interval time.Duration) (b bill) {
	b.add("connection minutes", "minute", month.Minutes())
	pings := float64(month) / float64(interval)
	for _, it := range frame(in, 1).times(pings) { // the ping is the other message
		b.add(it.name, it.price, it.quantity)
	}
	b.table(m.pong, pings)
	return b
}

// rereads is how often a GET reads that waits for its whole time, at a pace.
func rereads(pace time.Duration) (n float64) {
	pause := firstReread
	for waited := time.Duration(0); waited < pollHold; waited += pause {
		n++
		if n > 1 {
			pause = min(2*pause, pace)
		}
	}
	return n
}

// idlePoller is a month of a polling client that gets nothing but pings.
func idlePoller(m measured, interval, pace time.Duration) (b bill) {
	holds := float64(month) / float64(pollHold)
	pings := float64(month) / float64(interval)
	b.add("HTTP API", "request", holds+2*pings) // a ping ends a GET, and a POST answers it
	b.add("Lambda", "invocation", holds+2*pings)
	b.add("Lambda", "gbSecond", (month.Seconds()+pings*2*frameTime.Seconds())*memoryGB)
	b.table(units{m.reread.read * rereads(pace), m.answer.write}, holds)
	b.table(units{m.answer.read + m.reread.read, m.answer.write + m.pong.write}, pings)
	return b
}

// fixed is a month of what does not grow with each client, while there are clients: up to 10,000.
func fixed(m measured, sessions float64) (b bill) {
	b.add("heartbeat", "gbSecond", month.Seconds()*memoryGB)
	b.add("heartbeat, table", "readUnit", max(m.registry.read*sessions/many, leastWalk)*beatWalks*month.Seconds())
	b.add("heartbeat, table", "writeUnit", beatWrites*month.Seconds())
	b.add("queues asked in vain", "standardRequest", emptyPolls*month.Minutes()*(queuesInAll-fifoQueues))
	b.add("queues asked in vain", "fifoRequest", emptyPolls*month.Minutes()*fifoQueues)
	b.add("heartbeat", "standardRequest", beatRequests*month.Seconds())
	b.add("metrics", "metric", metrics)
	return b
}

// event is an event with its acknowledgement on WebSocket.
func event(m measured, in inbound) (b bill) {
	answers := 1.0
	b = frame(in, answers)
	if in.ordered {
		b.add("Lambda", "gbSecond", pushTime.Seconds()*memoryGB) // the answer is a push
	}
	b.table(m.event, 1)
	return b
}

// eventPolling is the same in a POST, the answer in a GET.
func eventPolling(m measured) (b bill) {
	b.add("HTTP API", "request", 2)
	b.add("Lambda", "invocation", 2)
	b.add("Lambda", "gbSecond", 2*frameTime.Seconds()*memoryGB)
	b.table(m.post, 1)
	b.table(m.get, 1)
	return b
}

// delivery is a packet to a client on WebSocket.
func delivery1(m measured) (b bill) {
	b.add("messages", "message", 1)
	b.add("Lambda", "gbSecond", pushTime.Seconds()*memoryGB)
	b.table(m.deliverWebSocket, 1)
	return b
}

// deliveryPolling is a packet to a polling client, and the GET that fetches it.
func deliveryPolling(m measured) (b bill) {
	b.add("HTTP API", "request", 1)
	b.add("Lambda", "invocation", 1)
	b.add("Lambda", "gbSecond", 2*frameTime.Seconds()*memoryGB)
	b.table(m.deliverPoll, 1)
	b.table(m.get, 1)
	return b
}

// deliveryKept is a packet to a client on WebSocket that is recovered.
func deliveryKept(m measured) (b bill) {
	b = delivery1(m)
	b.add("Lambda", "gbSecond", frameTime.Seconds()*memoryGB) // two writes are waited for
	b.table(m.keptWebSocket, 1)
	return b
}

// deliveryKeptPolling is the same to one on polling.
func deliveryKeptPolling(m measured) (b bill) {
	b = deliveryPolling(m)
	b.add("Lambda", "gbSecond", frameTime.Seconds()*memoryGB)
	b.table(units{m.keptPoll.read - m.deliverPoll.read, m.keptPoll.write - m.deliverPoll.write}, 1)
	return b
}

// deliveryBinary is a packet with binary data to a client on WebSocket, in so many messages.
func deliveryBinary(u units, messages float64) (b bill) {
	b.add("messages", "message", messages)
	b.add("Lambda", "gbSecond", messages*pushTime.Seconds()*memoryGB)
	if u.write > 0 {
		b.add("Lambda", "gbSecond", frameTime.Seconds()*memoryGB) // the writes are waited for
	}
	b.table(u, 1)
	return b
}

// deliveryBinaryPolling is the same to one on polling, and the GET that fetches it.
func deliveryBinaryPolling(m measured, u units) (b bill) {
	b = deliveryPolling(m)
	b.table(units{u.read - m.deliverPoll.read, u.write - m.deliverPoll.write}, 1)
	return b
}

// broadcast is one packet to the members of a namespace.
func broadcast(m measured, one bill, members float64) bill {
	b := one.times(members)
	b.table(m.namespace, members/many)
	if members > largeRoom {
		b.add("queue", "fifoRequest", 3*parts)
		b.add("table", "writeUnit", parts) // the claim of each part
		b.add("Lambda", "invocation", parts)
	}
	return b
}
