package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// intervals are those that the page compares; the one of the template is marked.
var intervals = []time.Duration{
	25 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 9 * time.Minute,
}

const templateInterval = 2 * time.Minute

// money is a sum with the digits that mean something.
func money(usd float64) string {
	switch {
	case usd == 0:
		return "-"
	case usd >= 100:
		return fmt.Sprintf("%.0f", usd)
	case usd >= 1:
		return fmt.Sprintf("%.2f", usd)
	case usd >= 0.01:
		return fmt.Sprintf("%.3f", usd)
	default:
		return fmt.Sprintf("%.5f", usd)
	}
}

func brief(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// writer makes the page.
type writer struct {
	bytes.Buffer
	p priceList
}

func (w *writer) row(cells ...string) {
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}

func (w *writer) head(cells ...string) {
	w.row(cells...)
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(cells)))
}

// column is a bill with its heading.
type column struct {
	head string
	bill bill
}

// bills writes a table with a line for each kind of item, and the sum.
func (w *writer) bills(first string, columns ...column) {
	heads := []string{first}
	var lines []string
	for _, c := range columns {
		heads = append(heads, c.head)
		for _, name := range names(c.bill) {
			if !slices.Contains(lines, name) {
				lines = append(lines, name)
			}
		}
	}
	w.head(heads...)
	for _, name := range lines {
		cells := []string{name}
		for _, c := range columns {
			cells = append(cells, money(w.p.named(c.bill, name)))
		}
		w.row(cells...)
	}
	cells := []string{"**all**"}
	for _, c := range columns {
		cells = append(cells, "**"+money(w.p.total(c.bill))+"**")
	}
	w.row(cells...)
	w.WriteByte('\n')
}

// perInterval is a column for each ping interval.
func perInterval(f func(time.Duration) bill) []column {
	var all []column
	for _, d := range intervals {
		head := brief(d)
		if d == templateInterval {
			head += " (default)"
		}
		all = append(all, column{head, f(d)})
	}
	return all
}

// render writes docs/cost.md.
func render(p priceList, m measured) []byte {
	w := &writer{p: p}
	fmt.Fprintf(w, `# What it costs

Written by `+"`make cost`"+` (scripts/cost): what operations take of the table is measured with DynamoDB's own count, on
DynamoDB Local; prices are those of [prices.json](../internal/prices/prices.json), read on %s for %s; what
is assumed is [below](#what-is-assumed). A test holds that the command gives this page. Dollars, list prices, without
free tiers. A month has 730 hours.

Nothing was measured on AWS. `+"`go run ./scripts/cost idle`"+` prices what localdev has counted for a template of
yours.

## Idle clients

A thousand WebSockets that only answer pings, for a month, by `+"`PingInterval`"+`:

`, p.Read, p.Region)
	ordered, concurrent := inbound{ordered: true, batch: 1}, inbound{}
	w.bills("`Inbound: ordered`", perInterval(func(d time.Duration) bill {
		return idleWebSocket(m, ordered, d).times(many)
	})...)
	w.bills("`Inbound: concurrent`", perInterval(func(d time.Duration) bill {
		return idleWebSocket(m, concurrent, d).times(many)
	})...)
	w.stale()
	w.fixedCosts(m)
	fmt.Fprintf(
		w,
		`A thousand idle clients on polling, for a month. Each keeps an environment of Lambda waiting all the time
(`+"`PollHold`"+` %s, %.0f looks at the table at the default pace):

`,
		brief(pollHold),
		rereads(pollPace),
	)
	w.bills("", perInterval(func(d time.Duration) bill { return idlePoller(m, d, pollPace).times(many) })...)
	w.paces(m)
	w.traffic(m, ordered, concurrent)
	w.edge()
	w.others(m, ordered)
	w.assumed()
	w.operations(m)
	w.list()
	return w.Bytes()
}

// paces says what the pace of looking at the table costs, and what it gives.
func (w *writer) paces(m measured) {
	w.WriteString("The same at the default interval, by `PollPace`, the longest time between two looks of a waiting " +
		"request. An event for a\nclient that has waited for a while comes later by half of that as a rule, and by all of " +
		"it at most. At the default\npace the environment that waits costs far more than its looks:\n\n")
	paces := []time.Duration{firstReread, 100 * time.Millisecond, pollPace, time.Second, 10 * time.Second}
	columns := make([]column, len(paces))
	for i, d := range paces {
		columns[i] = column{d.String(), idlePoller(m, templateInterval, d).times(many)}
		if d == pollPace {
			columns[i].head += " (default)"
		}
	}
	w.bills("", columns...)
}

// stale says what a longer interval costs besides money.
func (w *writer) stale() {
	cells, client := []string{"the server notices it after at most"}, []string{"its client notices a dead server after"}
	heads := []string{"a client that vanishes without a word"}
	for _, c := range perInterval(func(time.Duration) bill { return nil }) {
		heads = append(heads, c.head)
	}
	for _, d := range intervals {
		cells = append(cells, brief2(d+pingTimeout+longestTick))
		client = append(client, brief2(d+pingTimeout))
	}
	w.WriteString("What a longer interval costs is not money. Until it is noticed, such a client is a member of its " +
		"rooms, and what is sent\nto it is lost:\n\n")
	w.head(heads...)
	w.row(cells...)
	w.row(client...)
	w.WriteString(`
That is for a network that fails in silence. A client that is closed, a page that is left and a process that ends are
told by API Gateway at once, whatever the interval is, and browsers close their connections when they go offline. API
Gateway cuts what is silent for 10 minutes. Routers and firewalls on the way do so earlier: NAT gateways of AWS after
350 s, load balancers of Azure after 4 minutes. Why the default is what it is: [ADR 23](adr/0023-the-ping-interval.md).

`)
}

// brief2 is a time in minutes and seconds.
func brief2(d time.Duration) string {
	if d%time.Minute == 0 || d < time.Minute {
		return brief(d)
	}
	return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
}

func (w *writer) fixedCosts(m measured) {
	w.WriteString("Beside that, a month in which there is always some client, whatever they do. One heartbeat looks " +
		"after up to\n10,000 sessions:\n\n")
	w.bills("", column{"100 sessions", fixed(m, 100)}, column{"1,000 sessions", fixed(m, 1000)},
		column{"10,000 sessions", fixed(m, 10_000)})
	w.WriteString("While no client is connected only the questions to the queues are left. `Metrics=off` spares the " +
		"metrics.\n\n`LogFormat=Text` adds Lambda's own lines, START, END and REPORT, to each invocation: ")
	text := bill{{"logs", "logGB", textLines * float64(month) / float64(time.Minute) * many / 1e9}}
	fmt.Fprintf(w, "%s dollars a month for 1,000 idle\nWebSockets at 60 s. So they are off by default.\n\n",
		money(w.p.total(text)))
}

func (w *writer) traffic(m measured, ordered, concurrent inbound) {
	const million = 1e6
	w.WriteString("## Traffic\n\nA million small events of clients with an acknowledgement each:\n\n")
	w.bills("", column{"WebSocket, `ordered`", event(m, ordered).times(million)},
		column{"the same, five in a batch", event(m, inbound{ordered: true, batch: 5}).times(million)},
		column{"WebSocket, `concurrent`", event(m, concurrent).times(million)},
		column{"polling", eventPolling(m).times(million)})
	w.WriteString("A million small packets to clients:\n\n")
	w.bills(
		"",
		column{"on WebSocket", delivery1(m).times(million)},
		column{"on polling", deliveryPolling(m).times(million)},
		column{"on WebSocket, with recovery", deliveryKept(m).times(million)},
		column{"on polling, with recovery", deliveryKeptPolling(m).times(million)},
	)
	fmt.Fprintf(
		w, "A million packets with binary data of %d bytes to clients, by the [parser](binary.md) of JSON\n"+
			"and by msgpack, and one of them as a broadcast to 10,000:\n\n", pictureBytes,
	)
	attached, packed := deliveryBinary(m.attachedWebSocket, 2), deliveryBinary(m.packedWebSocket, 1)
	w.bills(
		"",
		column{"JSON, on WebSocket", attached.times(million)},
		column{"msgpack, on WebSocket", packed.times(million)},
		column{"JSON, on polling", deliveryBinaryPolling(m, m.attachedPoll).times(million)},
		column{"msgpack, on polling", deliveryBinaryPolling(m, m.packedPoll).times(million)},
		column{"JSON, broadcast on WebSocket", broadcast(m, attached, 10_000)},
		column{"msgpack, broadcast on WebSocket", broadcast(m, packed, 10_000)},
	)
	w.oldClients(m, ordered)
	w.WriteString("One broadcast to all sockets of a namespace:\n\n")
	var columns []column
	for _, n := range []float64{100, 10_000, 100_000} {
		columns = append(columns, column{"to " + thousands(n) + " on WebSocket", broadcast(m, delivery1(m), n)},
			column{"on polling", broadcast(m, deliveryPolling(m), n)})
	}
	w.bills("", columns...)
	fmt.Fprintf(
		w,
		"Data to the internet comes to %s dollars for a million packets of %d bytes, and is not in the tables.\n\n",
		money(w.p.total(bill{{"", "outGB", packetBytes / 1000.0}})),
		packetBytes,
	)
}

func thousands(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.0f,000", n/1000)
}

func (w *writer) edge() {
	var b bill
	b.add("", "edgeRequest", 1e6)
	b.add("", "edgeFunction", 1e6)
	fmt.Fprintf(w, `## One address

`+"`Edge=on`"+` adds %s dollars for a million requests of polling. A WebSocket is one request, however long it lives:
its frames cost nothing there. Data goes out by CloudFront's price instead of AWS's (%s and %s dollars a GB). So it
costs WebSockets next to nothing, and it is what keeps clients that know one address from staying on polling.

`, money(w.p.total(b)), money(w.p.Prices["edgeGB"].USD), money(w.p.Prices["outGB"].USD))
}

// others compares with published prices of services that do something like it, for the same load.
func (w *writer) others(m measured, in inbound) {
	const million = 1e6
	w.WriteString(`## Beside others

Published prices of two services for the same load. Neither speaks Socket.IO to its clients; handlers of one's own come
on top, and are in our column.

`)
	idle := bill{}
	idle.add("", "azureUnitDay", month.Hours()/24)
	idleApp := bill{}
	idleApp.add("", "appsyncMinute", month.Minutes()*many)
	ours := append(idleWebSocket(m, in, templateInterval).times(many), fixed(m, many)...)
	echoAzure, echoApp := bill{}, bill{}
	echoAzure.add("", "azureMessage", 2*million) // to the webhook, and back to the client
	echoApp.add("", "appsyncOperation", 3*million)
	castAzure, castApp := bill{}, bill{}
	castAzure.add("", "azureMessage", 10_000)
	castApp.add("", "appsyncOperation", 10_001)
	w.head("", "Nonstick", "Azure Web PubSub, Standard", "AppSync Events")
	row := func(what string, n, azure, app bill, how ...string) {
		w.row(what, money(w.p.total(n)), money(w.p.total(azure))+how[0], money(w.p.total(app))+how[1])
	}
	row(
		"1,000 idle WebSockets for a month, with what is fixed",
		ours,
		idle,
		idleApp,
		": one unit, day by day, which carries 1,000 and a million messages a day",
		": connection minutes; its own keep-alives are free",
	)
	row("a million events to a handler, each answered", event(m, in).times(million), echoAzure, echoApp,
		": to a webhook and back; none while within the unit's million a day", ": published, handled, delivered")
	row("a broadcast to 10,000", broadcast(m, delivery1(m), 10_000), castAzure, castApp,
		": with ten units, 490 dollars a month", ": published once, delivered")
	w.WriteString(`
A unit of Azure is paid for whether it is used or not, and 1,001 connections are two. Theirs are cheaper for clients
that are idle: on API Gateway a ping and its answer are messages, as any other, and Engine.IO asks for them.

`)
}

func (w *writer) assumed() {
	fmt.Fprintf(w, `## What is assumed

| | |
|---|---|
| memory of a function | 256 MB, the default |
| an invocation for a frame or a request that does not wait | %d ms billed; handlers of yours come on top |
| a push to a client | %.1f ms of a function with 256 MB, which has a seventh of a processor: 159 us were measured |
| frames in a batch of the queue | one; %d requests to the queue for each batch |
| instances know the connections that they serve | each reads a connection once, at its first frame: one read unit |
| the heartbeat, counted on localdev | %.2f walks over the registry, %.1f writes, %.1f requests to its queue a second |
| Lambda asks each of the %d queues in vain | %d times a minute |
| custom metrics | %d |

`, frameTime.Milliseconds(), pushTime.Seconds()*1000, 3, beatWalks, beatWrites, beatRequests, queuesInAll, emptyPolls,
		metrics)
}

// operations is the table of what is measured.
func (w *writer) operations(m measured) {
	w.WriteString(
		"## What operations take of the table\n\nUnits of a small client, measured. The worst that a client can " +
			"cause is in [architecture](architecture.md#at-worst).\n\n",
	)
	w.head("operation", "read units", "write units")
	for _, o := range []struct {
		name string
		units
	}{
		{"WebSocket, from the handshake until the socket is connected", m.openWebSocket},
		{"polling, the same", m.openPolling},
		{"a pong on WebSocket, at an instance that knows the connection", m.pong},
		{"what any frame takes besides, at one that does not", m.unknown},
		{"an event with its acknowledgement, on WebSocket", m.event},
		{"the same in a POST", m.post},
		{"the GET that carries the acknowledgement", m.get},
		{"a look of a GET that waits", m.reread},
		{"a packet to a client on WebSocket", m.deliverWebSocket},
		{"a packet to a client on polling", m.deliverPoll},
		{"a packet with 1 KB of binary data to a client on WebSocket, by the parser of JSON", m.attachedWebSocket},
		{"the same to a client on polling", m.attachedPoll},
		{"the same by msgpack: on WebSocket", m.packedWebSocket},
		{"on polling", m.packedPoll},
		{
			"a client of [Socket.IO v2](clients/javascript.md#version-2) on WebSocket, from the handshake until its " +
				"socket is connected",
			m.old.open,
		},
		{"an event of it with the acknowledgement", m.old.event},
		{"a packet to it", m.old.deliver},
		{"its ping, at an instance that knows the connection", m.old.ping},
		{"such a client on polling, from the handshake until its socket is connected", m.old.openPolling},
		{"its ping, and the GET that carries the answer", m.old.pingPolling},
		{"where clients are [recovered](recovery.md): joining, besides", m.keep},
		{"a packet to one on WebSocket", m.keptWebSocket},
		{"a packet to one on polling", m.keptPoll},
		{"a packet to one that is away", m.keptAway},
		{"the loss of the connection of one on WebSocket", m.lose},
		{"its coming back, for one packet", m.recover},
		{"an emit of 100 bytes to a room that keeps its [history](rewind.md), beside its deliveries", m.record},
		{"joining it with 100 of these events, on WebSocket", m.rewind},
		{"reading 1,000 sessions, as the sweeper does", m.registry},
		{"reading 1,000 members of a namespace, as a broadcast does", m.namespace},
		{"counting them, in 16 reads", m.count},
		{"learning that there is one", m.any},
		{"an acknowledgement of one client that is awaited, beside the emit", m.ack},
		{"each look whether it has come", m.look},
		{"asking 100 sockets at once, beside the emit and the read of its members", m.ask},
		{"each of their answers", m.askAnswer},
		{"each look at 100 answers", m.askLook},
		{"something that has a time (`OnNoReply`, `ServerSideEmit`, `ExpireAt`), until it is done", m.timer},
		{"asking what is due, a walk of the sweeper, where there is such a thing", m.due},
	} {
		w.row(o.name, short0(o.read), short0(o.write))
	}
	w.WriteByte('\n')
}

func short0(n float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") }

// list is the table of prices.
func (w *writer) list() {
	fmt.Fprintf(w, "## Prices\n\n%s Read on %s.\n\n", w.p.Note, w.p.Read)
	w.head("what", "dollars", "source")
	for _, key := range slices.Sorted(maps.Keys(w.p.Prices)) {
		x := w.p.Prices[key]
		var per string
		switch x.Per {
		case 1:
			per = "for one of: " + x.Unit
		case 1e6:
			per = "for a million " + x.Unit
		default:
			per = fmt.Sprintf("for %s %s", thousands(x.Per), x.Unit)
		}
		w.row(x.What, fmt.Sprintf("%g %s", x.USD, per), "<"+x.Source+">")
	}
}
