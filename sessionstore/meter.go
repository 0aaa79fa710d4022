package sessionstore

import "sync/atomic"

// Op names an operation of a store, for counting.
type Op uint8

// The operations, named as the methods of the role interfaces.
const (
	OpCreate Op = iota
	OpGet
	OpHandshake
	OpClose
	OpTakeOver
	OpFinish
	OpDeliver
	OpEnqueue
	OpBodies
	OpAnswer
	OpPark
	OpPong
	OpBind
	OpProbe
	OpUpgrade
	OpAbort
	OpRenew
	OpRelease
	OpLink
	OpUnlink
	OpRecover
	OpLose
	OpSwitch
	OpSent
	OpTrim
	OpPutConnection
	OpConnection
	OpDeleteConnection
	OpRegister
	OpUpdate
	OpLook
	OpBeat
	OpExpire
	OpPinged
	OpUnregister
	OpRegistrations
	OpCountRegistrations
	OpLeaseShard
	OpPutSocket
	OpRemoveSocket
	OpClaimSocket
	OpVacate
	OpDropSocket
	OpReadSocket
	OpAuth
	OpData
	OpSetData
	OpSwapData
	OpSetExpiry
	OpSetHint
	OpClearSockets
	OpJoin
	OpLeave
	OpRoomsOf
	OpInRoom
	OpMember
	OpMembers
	OpReap
	OpPartial
	OpAck
	OpAsk
	OpClaim
	OpChild
	OpTimer
	OpDueTimers
	OpRecord
	OpHistory
	OpEvents
	OpKeeping
	OpMark
	numOps
)

var opNames = [numOps]string{
	"Create", "Get", "Handshake", "Close", "TakeOver", "Finish", "Deliver", "Enqueue", "Bodies", "Answer", "Park",
	"Pong", "Bind", "Probe", "Upgrade", "Abort", "Renew", "Release", "Link", "Unlink",
	"Recover", "Lose", "Switch", "Sent", "Trim",
	"PutConnection", "Connection",
	"DeleteConnection", "Register", "Update", "Look", "Beat", "Expire", "Pinged", "Unregister", "Registrations",
	"CountRegistrations", "LeaseShard", "PutSocket", "RemoveSocket", "ClaimSocket", "Vacate", "DropSocket",
	"ReadSocket", "Auth", "Data", "SetData", "SwapData", "SetExpiry", "SetHint",
	"ClearSockets", "Join", "Leave", "RoomsOf", "InRoom", "Member", "Members", "Reap", "Partial", "Ack", "Ask",
	"Claim", "Child", "Timer", "DueTimers",
	"Record", "History", "Events", "Keeping", "Mark",
}

// String returns the operation's name.
func (o Op) String() string {
	if o >= numOps {
		return "unknown"
	}
	return opNames[o]
}

// Usage is what operations cost. A read is one call (a page of a query, an item), a write one item.
type Usage struct {
	Calls, Reads, Writes int64
	// ReadMilliUnits and WriteMilliUnits are consumed capacity units times 1,000; 0 where the store bills none.
	ReadMilliUnits, WriteMilliUnits int64
}

// Sub returns u less v.
func (u Usage) Sub(v Usage) Usage {
	return Usage{
		u.Calls - v.Calls, u.Reads - v.Reads, u.Writes - v.Writes, u.ReadMilliUnits - v.ReadMilliUnits,
		u.WriteMilliUnits - v.WriteMilliUnits,
	}
}

func (u Usage) plus(v Usage) Usage {
	return Usage{
		u.Calls + v.Calls, u.Reads + v.Reads, u.Writes + v.Writes, u.ReadMilliUnits + v.ReadMilliUnits,
		u.WriteMilliUnits + v.WriteMilliUnits,
	}
}

// Meter counts what the operations of a store cost. The zero value is ready; a nil Meter counts nothing.
// Safe for concurrent use.
type Meter struct {
	ops [numOps]struct{ calls, reads, writes, rmu, wmu atomic.Int64 }
}

// Add counts one call of an operation.
func (m *Meter) Add(op Op, u Usage) {
	if m == nil {
		return
	}
	c := &m.ops[op]
	add := func(n *atomic.Int64, v int64) {
		if v != 0 {
			n.Add(v)
		}
	}
	add(&c.calls, u.Calls)
	add(&c.reads, u.Reads)
	add(&c.writes, u.Writes)
	add(&c.rmu, u.ReadMilliUnits)
	add(&c.wmu, u.WriteMilliUnits)
}

// Op returns what one operation has cost so far.
func (m *Meter) Op(op Op) Usage {
	if m == nil {
		return Usage{}
	}
	c := &m.ops[op]
	return Usage{c.calls.Load(), c.reads.Load(), c.writes.Load(), c.rmu.Load(), c.wmu.Load()}
}

// Total returns what all operations have cost so far, but for those of the sweeper, which runs by itself
// ([OpRegistrations], [OpLeaseShard], [OpDueTimers]).
func (m *Meter) Total() Usage {
	var u Usage
	for op := range numOps {
		if op != OpRegistrations && op != OpLeaseShard && op != OpDueTimers {
			u = u.plus(m.Op(op))
		}
	}
	return u
}

// Each calls f for every operation that was called, in a fixed order.
func (m *Meter) Each(f func(Op, Usage)) {
	for op := range numOps {
		if u := m.Op(op); u.Calls > 0 {
			f(op, u)
		}
	}
}
