package simulation

import (
	"math/rand/v2"
	"time"
)

// loss is how a client loses its connection.
type loss int

const (
	vanishes loss = iota // it stops; the server does not notice, or later
	cuts                 // its connection ends, as both sides see
	closes               // it closes the connection, and says so
	leaves               // it leaves the namespace, which is final, and closes the connection
	quits                // it asks the server to end its socket
	allLosses
)

// visit is what a client that comes back plans for one of its connections.
type visit struct {
	direct   bool          // on WebSocket from the beginning
	upgrade  time.Duration // when it begins to upgrade; never if 0
	life     time.Duration // how long it lasts; for good if 0
	haste    time.Duration // how long after its CONNECT it is lost, so that the next one may overtake that; never if 0
	loss     loss
	noticed  time.Duration // when the platform ends the WebSocket of one that vanished; never if 0
	away     time.Duration // how long it is away afterwards
	punctual bool          // or it comes back just before it is over
	again    bool          // it connects again, over the same connection, when it is told to leave
	steps    int           // how often its open step is run
	delay    time.Duration // of that
}

// mostVisits is how often a client comes back that loses its connections by no plan of its own.
const mostVisits = 40

// patience is how long a client waits for the answer to CONNECT.
const patience = 10 * time.Second

func newVisit(rng *rand.Rand) visit {
	v := visit{
		direct: rng.IntN(3) == 0, steps: 1 + rng.IntN(2), delay: time.Duration(rng.IntN(400)) * time.Millisecond,
		life: time.Duration(1+rng.IntN(250)) * 10 * time.Millisecond, loss: loss(rng.IntN(3)),
	}
	switch rng.IntN(12) {
	case 0:
		v.loss = leaves
	case 1:
		v.loss = quits
	}
	v.again = rng.IntN(2) == 0
	if !v.direct && rng.IntN(2) == 0 {
		v.upgrade = time.Duration(1+rng.IntN(60)) * 10 * time.Millisecond
	}
	if rng.IntN(2) == 0 {
		v.noticed = time.Duration(1+rng.IntN(300)) * 10 * time.Millisecond
	}
	v.away = newAway(rng)
	if rng.IntN(6) == 0 {
		v.loss, v.haste, v.away = loss(rng.IntN(3)), time.Duration(1+rng.IntN(60))*time.Millisecond, 0
	}
	return v
}

// newAway is how long a client is away: most come back before the loss is noticed, some when it is over.
func newAway(rng *rand.Rand) time.Duration {
	switch rng.IntN(10) {
	case 0, 1, 2:
		return 0
	case 3, 4, 5:
		return time.Duration(rng.IntN(300)) * time.Millisecond
	case 6, 7, 8:
		return time.Duration(rng.IntN(4000)) * time.Millisecond
	case 9:
		if rng.IntN(2) == 0 { // about when it is over
			return awayTime + time.Duration(rng.IntN(1000))*time.Millisecond
		}
	}
	return longestAway
}

// longestAway is longer than any loss takes to be noticed, and a socket may be away after that.
const longestAway = pingInterval + pingTimeout + awayTime + 4*time.Second
