package emulator

import "time"

// Limits are what the server refuses. Sizes are in bytes; zero means no limit unless said otherwise.
type Limits struct {
	// Frame and Message are the greatest inbound WebSocket frame and message; above, the connection is
	// closed with 1009.
	Frame, Message int
	// Push is the greatest outbound message; above, a push answers 413.
	Push int
	// HeaderBlock is the greatest request line and headers of an HTTP request together; above, 431.
	HeaderBlock int
	// Body is the greatest request body; above, 413. Zero means 10 MiB.
	Body int
	// LargeBodies bounds the bytes of all request bodies that are being read or handled, less the first 64 KiB of
	// each, which always have room. A body that finds none for 5 s is refused with 503. It bounds the memory of this
	// process and is no limit of the service. Zero means 32 MiB.
	LargeBodies int
	// BodyTime is how long a client may take to send a body; after that, 408 (400 of a service). Zero means 30 s.
	BodyTime time.Duration
	// WriteTime is how long a client may read nothing of what waits for it, be it an answer or frames; after that the
	// connection is cut. Zero means 30 s.
	WriteTime time.Duration
	// Outbox is how much may wait to be written to one connection before a push answers 429. A frame is
	// always taken when nothing waits. Zero means 4 MiB.
	Outbox int

	// Idle and Lifetime close a connection with 1001: so long without a data frame in either direction,
	// and so long after it began.
	Idle, Lifetime time.Duration
	// MessageTimeout and RequestTimeout end the wait for a handler of the WebSocket API (with an error
	// frame; at $connect with 504) and of the HTTP API (with 503). Zero means 29 s and 30 s.
	MessageTimeout, RequestTimeout time.Duration
	// CloseWait is how long a closing connection waits for the client's close frame. Zero means 1 s.
	CloseWait time.Duration

	// Requests are those a second that all APIs of the account share, with a bucket of half as many: requests of
	// HTTP, connects and frames of WebSockets, calls of the management API. Above, HTTP and connects are answered
	// 429, a frame with an error frame, and the management API 429 LimitExceededException. On AWS 10,000, in newer
	// Regions 2,500.
	Requests int
	// Connects are the new WebSockets a second; above, 429. On AWS 500.
	Connects int

	// TextOnly: a binary frame closes the connection with 1003, frames go out as text only, and request
	// bodies of a type that is not plainly text come as base64.
	TextOnly bool
	// Signed: management calls need an AWS signature header (it is not verified).
	Signed bool
}

// AWS returns the limits of the service.
func AWS() Limits {
	return Limits{
		Frame: 32 << 10, Message: 128 << 10, Push: 128 << 10, HeaderBlock: 10240, Body: 10 << 20,
		Idle: 10 * time.Minute, Lifetime: 2 * time.Hour,
		TextOnly: true, Signed: true,
	}
}

// Native returns the limits of a server of its own: binary frames both ways, and messages of at most
// maxPayload bytes.
func Native(maxPayload int) Limits {
	return Limits{Frame: maxPayload, Message: maxPayload}
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 10 << 20
	}
	if l.LargeBodies == 0 {
		l.LargeBodies = 32 << 20
	}
	if l.BodyTime == 0 {
		l.BodyTime = 30 * time.Second
	}
	if l.WriteTime == 0 {
		l.WriteTime = 30 * time.Second
	}
	if l.Outbox == 0 {
		l.Outbox = 4 << 20
	}
	if l.MessageTimeout == 0 {
		l.MessageTimeout = 29 * time.Second
	}
	if l.RequestTimeout == 0 {
		l.RequestTimeout = 30 * time.Second
	}
	if l.CloseWait == 0 {
		l.CloseWait = time.Second
	}
	return l
}

// tick is how often idle and old connections are looked for: a twentieth of the shorter limit, at least
// 5 ms and at most 1 s.
func (l Limits) tick() time.Duration {
	shortest := 20 * time.Second
	for _, d := range []time.Duration{l.Idle, l.Lifetime} {
		if d > 0 {
			shortest = min(shortest, d)
		}
	}
	return max(5*time.Millisecond, shortest/20)
}
