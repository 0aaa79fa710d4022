package memstore

// DefaultMaxBytes is what a store holds before it takes no further session.
const DefaultMaxBytes = 512 << 20

// What rows take beside the text in them, roughly and rather too much: maps, queues and structs.
const (
	entryWeight      = 1 << 10
	packetWeight     = 100
	socketWeight     = 600
	roomWeight       = 300
	ackWeight        = 300
	connectionWeight = 400
	childWeight      = 400
	askWeight        = 400
	socketIDWeight   = 40
	timerWeight      = 300
	historyWeight    = 400
)

// weigh returns roughly how many bytes of memory the rows of a session take.
func (e *entry) weigh() int {
	n := entryWeight + e.bytes + packetWeight*len(e.session.Buffer) + e.ackBytes
	if e.handshake != nil {
		n += e.handshakeBytes
	}
	if e.partial != nil {
		n += e.partial.Bytes() + packetWeight*len(e.partial.Packets)
	}
	for _, k := range e.kept {
		n += socketWeight + k.bytes
	}
	return n
}

// settle brings what the store holds up to date with a session's rows, and forgets them if none is left.
func (st *stripe) settle(e *entry) {
	n := 0
	if !e.empty() {
		n = e.weigh()
	}
	st.heldBytes.Add(int64(n - e.weight))
	e.weight = n
}

// Bytes returns roughly how many bytes of memory the store holds.
func (s *Store) Bytes() int64 { return s.heldBytes.Load() }

// full reports whether the store takes no further session.
func (s *Store) full() bool { return s.heldBytes.Load() >= s.maxBytes }

// weighRoom is what one more room of a socket takes: its name, here and in the row of its members.
func weighRoom(room string) int { return roomWeight + len(room) }

// weighData is what the data of a socket take.
func weighData(data map[string]string) int {
	n := 0
	for key, value := range data {
		n += len(key) + len(value) + packetWeight
	}
	return n
}
