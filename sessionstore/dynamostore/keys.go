package dynamostore

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// The key attributes of the table, and the one that holds an item's time to live in seconds since 1970.
const (
	attrPK  = "PK"
	attrSK  = "SK"
	attrTTL = "ttl"
)

// Attributes are short: a session is billed by its whole size at each write. One name means one thing
// in all kinds of items.
const (
	attrState         = "s"
	attrTransport     = "t"
	attrConn          = "c" // "id@endpoint"; of member rows: the hint
	attrCandidate     = "cc"
	attrCandidateEnds = "cu"
	attrProbed        = "cp"
	attrSerial        = "sr"
	attrHold          = "ho" // of an outbox without a carrier to push to: one that has no end
	attrHoldEnds      = "hu"
	attrPoll          = "pt"
	attrPollEnds      = "pu"
	attrBuffer        = "b"
	attrPackets       = "bn" // how many the buffer has, or a page
	attrBufferSize    = "bs" // bytes of all packets
	attrBufferWeight  = "bw" // bytes of the list within the item
	attrFrom          = "fr" // the place in its page of the first packet that a reference stands for
	attrFirstFrom     = "ff" // the same for the first entry of the buffer, if a part of its page has been acknowledged
	attrFirstSize     = "fs" // bytes of what is left of that page
	attrLevel         = "lv" // of a page: 1, or one more than those of the pages in it
	attrGiven         = "g"
	attrLastT         = "lt"
	attrOpenedT       = "ot"
	attrCodec         = "cd"
	attrClientPings   = "cl"
	attrPingAt        = "pa"
	attrPinged        = "pi"
	attrReason        = "r"
	attrDetails       = "rd"
	attrDrain         = "d"
	attrLease         = "lo" // owner of the handler lease, or of a shard's lease
	attrLeaseEnds     = "lu"
	attrCreatedAt     = "ca"
	attrHasHandshake  = "hs" // there is a handshake item
	attrHandshake     = "h"  // JSON
	attrID            = "i"  // packet or socket
	attrFrames        = "f"  // a string, or a list of them
	attrSize          = "z"  // bytes of the frames, only of what is stored apart
	attrText          = "v"  // a part of a body
	attrLengths       = "l"  // of the frames of a body, comma separated; on its first part
	attrSession       = "se"
	attrAuth          = "a"
	attrHasAuth       = "ha" // there is an auth item
	attrHasData       = "dt" // there is, or has been, a data item
	attrRoomCount     = "rn"
	attrData          = "da" // keys with a dot in front, since an empty one is not allowed
	attrDataSize      = "ds" // bytes of all keys and values of a data item
	attrWant          = "w"
	attrCount         = "at" // attachments that came
	attrDeadline      = "dl"
	attrLookAt        = "la"
	attrPingedAt      = "pp" // of registry rows
	attrExpired       = "e"
	attrNamespace     = "n"
	attrContinuation  = "co"
	attrAckState      = "st"
	attrAnswer        = "an"
	attrExpiresAt     = "x"  // milliseconds, where a condition needs them
	attrPut           = "p"  // the call that wrote a child's row last
	attrFirst         = "fp" // the call that made it
	attrSeenAt        = "sa"
	attrParent        = "pr" // of a socket's namespace
	attrAsked         = "ak" // the ids of sockets that are asked
	attrKeptUntil     = "ku" // milliseconds: from then on the item is none
	attrKind          = "ki" // of a timer
	attrBody          = "bo" // of a timer
	attrCarrier       = "cr" // of an outbox
	attrTrimmed       = "tr" // entries that an outbox had before those of its list
	attrMoves         = "mv"
	attrSent          = "sn" // the number of the last entry of an outbox that was sent
	attrOnce          = "o"  // of a packet
	attrOutbox        = "ob" // of a socket's row that is a link
	attrRewind        = "rw" // of an entry that stands for events of a room: JSON
	attrLast          = "nu" // of a history: the number of the last event
	attrFirstNumber   = "fn" // and of the first that there ever was
	attrNot           = "no" // of an event: sockets that it was not for
	attrExcept        = "ex" // and rooms
	attrAnd           = "nd" // rooms that a socket had to be in
	attrRewound       = "re" // of a member row
	attrJoining       = "jo" // of a member row: the owner, and when it ends
	attrJoiningEnds   = "je"
	attrKeeping       = "ke" // JSON
	attrMark          = "mo" // of a room's mark, and of a history that has one: "events/milliseconds"
	attrMarkEnds      = "mk" // until when it is there, in milliseconds
)

// maxKeyPart bounds ids that come from clients: DynamoDB takes 1,024 bytes of sort key.
const maxKeyPart = 1000

// key is the key of an item.
type key struct{ pk, sk string }

// The items of a session share a partition. One query for sort keys that begin with wholeSession reads the
// session, its sockets and its partial packet, and nothing else.
const (
	wholeSession = "A"
	skSession    = "A"
	skPartial    = "AP"
	skSocket     = "A#"
	skHandshake  = "H"
	skKept       = "K#" // what sockets keep: auth, data, rooms
	skPage       = "P#"
	skMark       = " " // of a room: before all members
)

func sessionPK(id sessionstore.SessionID) string { return "S#" + string(id) }

func sessionKey(id sessionstore.SessionID) key   { return key{sessionPK(id), skSession} }
func partialKey(id sessionstore.SessionID) key   { return key{sessionPK(id), skPartial} }
func handshakeKey(id sessionstore.SessionID) key { return key{sessionPK(id), skHandshake} }

func pageKey(id sessionstore.SessionID, page string) key { return key{sessionPK(id), skPage + page} }

func socketKey(id sessionstore.SessionID, nsp sessionstore.Namespace) key {
	return key{sessionPK(id), skSocket + string(nsp)}
}

// What a socket keeps is named by its id and not by its namespace, so that the next socket in the namespace shares
// nothing with one whose rows are still being removed.
const (
	keptAuth = "#a"
	keptData = "#d"
	keptRoom = "#r#"
)

func authKey(k *sessionstore.Socket) key {
	return key{sessionPK(k.Session), skKept + keeper(k.ID) + keptAuth}
}

func dataKey(k *sessionstore.Socket) key {
	return key{sessionPK(k.Session), skKept + keeper(k.ID) + keptData}
}

// keptRooms is what the sort keys of a socket's rooms begin with; the room's name follows.
func keptRooms(id sessionstore.SocketID) string { return skKept + keeper(id) + keptRoom }

// keeper names a socket in the keys of what it keeps: by its id, or by a digest of that where it is a namespace, "#"
// and the id of the session, as those of old clients are. A namespace may be too long for a key.
func keeper(id sessionstore.SocketID) string {
	if !strings.Contains(string(id), "#") {
		return string(id)
	}
	sum := sha256.Sum256([]byte(id))
	return keeperDigest + base64.RawURLEncoding.EncodeToString(sum[:15])
}

// keeperDigest begins no id.
const keeperDigest = "."

func keptRoomKey(k *sessionstore.Socket, room sessionstore.Room) key {
	return key{sessionPK(k.Session), keptRooms(k.ID) + string(room)}
}

// keptBy splits the sort key of what a socket keeps, of a session and in a namespace.
func keptBy(
	sk string, session sessionstore.SessionID, nsp sessionstore.Namespace,
) (id sessionstore.SocketID, room sessionstore.Room) {
	owner, rest, _ := strings.Cut(strings.TrimPrefix(sk, skKept), "#")
	if strings.HasPrefix(owner, keeperDigest) {
		owner = string(sessionstore.OldSocketID(session, nsp))
	}
	return sessionstore.SocketID(owner), sessionstore.Room(strings.TrimPrefix("#"+rest, keptRoom))
}

// bodyKey names a body: the parts of a value that is too large for the item it belongs to.
type bodyKey struct{ pk, prefix string }

func (b bodyKey) part(i int) key { return key{b.pk, b.prefix + "#" + strconv.Itoa(i)} }

func packetBody(id sessionstore.SessionID, packet sessionstore.PacketID) bodyKey {
	return bodyKey{sessionPK(id), "B#" + string(packet)}
}

func connectionKey(c sessionstore.Connection) key { return key{"C#" + c.String(), skSession} }

func registryPK(shard int) string { return "H#" + strconv.Itoa(shard) }

// leaseKey is the lease of a shard's sweeper: in a partition of its own, so that walks do not meet it.
func leaseKey(shard int) key { return key{"W#" + strconv.Itoa(shard), skSession} }

// claimKey is the lease of a name: an item without a session.
func claimKey(name string) key { return key{"F#" + name, skSession} }

// namespacePK is a shard of a namespace's members. The number is behind the last '#'.
func namespacePK(nsp sessionstore.Namespace, shard int) string {
	return "N#" + escape(string(nsp)) + "#" + strconv.Itoa(shard)
}

// roomPK is a room. The namespace ends at the first '#' behind the prefix, so the room needs no escape; with
// two, names of the full length would not fit into a key.
func roomPK(nsp sessionstore.Namespace, room sessionstore.Room) string {
	return "R#" + escape(string(nsp)) + "#" + string(room)
}

// childKey is a child of a parent. All of a parent are one partition, which takes 1,000 of them a second.
func childKey(parent string, name sessionstore.Namespace) key {
	return key{childrenPK(parent), string(name)}
}

func childrenPK(parent string) string { return "D#" + parent }

// historyPK is the history of a room: its end and its last events, pages of events, and large ones.
func historyPK(nsp sessionstore.Namespace, room sessionstore.Room) string {
	return "L#" + escape(string(nsp)) + "#" + string(room)
}

// eventDigits is how many digits the number of an event has.
const eventDigits = 17

// eventsKey is a page of events, by the number of the first of them.
func eventsKey(pk string, first int) key {
	return key{pk, skPage + fmt.Sprintf("%0*d", eventDigits, max(first, 0))}
}

func eventBody(pk string, id string) bodyKey { return bodyKey{pk, "B#" + id} }

// markKey is the mark of a room. A walk of the room meets it first.
func markKey(nsp sessionstore.Namespace, room sessionstore.Room) key {
	return key{roomPK(nsp, room), skMark}
}

func keepingKey(nsp sessionstore.Namespace) key { return key{"J#" + string(nsp), skSession} }

func ackPK(id sessionstore.SessionID) string { return "K#" + string(id) }

func ackKey(id sessionstore.SessionID, n uint64) key {
	return key{ackPK(id), strconv.FormatUint(sessionstore.AckPlace(n), 10)}
}

// answerBody is a large answer in the partition of what it answers.
func answerBody(pk, answer string) bodyKey { return bodyKey{pk, "B#" + answer} }

// askPK is a part of a question to several sockets. Its answers begin with skAnswer, their socket's id follows.
func askPK(nsp sessionstore.Namespace, id uint64, part int) string {
	return "Q#" + escape(string(nsp)) + "#" + strconv.FormatUint(id, 10) + "#" + strconv.Itoa(part)
}

const skAnswer = "R#"

func timersPK(shard int) string { return "T#" + strconv.Itoa(shard) }

// timerDigits is how many digits a time has in milliseconds since 1970, until the year 33658.
const timerDigits = 15

func timerTime(ms int64) string { return fmt.Sprintf("%0*d", timerDigits, max(ms, 0)) }

var escaper = strings.NewReplacer("%", "%0", "#", "%1")

// escape removes '#' from a part of a key, so that what stands behind it cannot be mistaken: "a#b" is
// "a%1b". It at most doubles the length.
func escape(s string) string { return escaper.Replace(s) }

// hash is FNV-1a: which shard an id belongs to must never change.
func hash[T ~string](s T) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
