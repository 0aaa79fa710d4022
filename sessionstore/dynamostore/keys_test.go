package dynamostore

import (
	"hash/fnv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// place is where a name may appear in a key.
type place struct {
	nsp   sessionstore.Namespace
	room  sessionstore.Room
	shard int
}

func TestKeysDoNotMeet(t *testing.T) {
	names := []string{"", "/", "a", "a#", "#a", "a#b", "b", "#", "##", "%", "%0", "%1", "a%1b", "1", "a#1", "S#x", "A"}
	seen := make(map[string]place)
	add := func(pk string, p place) {
		if was, ok := seen[pk]; ok && was != p {
			t.Errorf("%+v and %+v share %q", was, p, pk)
		}
		seen[pk] = p
	}
	for _, a := range names {
		for shard := range 12 {
			add(namespacePK(sessionstore.Namespace(a), shard), place{nsp: sessionstore.Namespace(a), shard: shard})
		}
		for _, b := range names {
			p := place{nsp: sessionstore.Namespace(a), room: sessionstore.Room(b), shard: -1}
			add(roomPK(p.nsp, p.room), p)
		}
	}
}

func FuzzKeysDoNotMeet(f *testing.F) {
	f.Add("a#b", "c", "a", "b#c")
	f.Add("a%1b", "c", "a#b", "c")
	f.Add("/", "1", "/#1", "")
	f.Fuzz(func(t *testing.T, nspA, roomA, nspB, roomB string) {
		a, b := sessionstore.Namespace(nspA), sessionstore.Namespace(nspB)
		equal := roomPK(a, sessionstore.Room(roomA)) == roomPK(b, sessionstore.Room(roomB))
		if (nspA == nspB && roomA == roomB) != equal {
			t.Errorf("rooms %q %q and %q %q", nspA, roomA, nspB, roomB)
		}
		if (nspA == nspB) != (namespacePK(a, 1) == namespacePK(b, 1)) || namespacePK(a, 1) == namespacePK(b, 11) {
			t.Errorf("namespaces %q and %q", nspA, nspB)
		}
		if (nspA == nspB) != (socketKey("s", a) == socketKey("s", b)) {
			t.Errorf("sockets of %q and %q", nspA, nspB)
		}
		ka, kb := packetBody("s", sessionstore.PacketID(nspA)), packetBody("s", sessionstore.PacketID(nspB))
		if nspA != nspB && (ka.part(0) == kb.part(0) || ka.part(1) == kb.part(11)) {
			t.Errorf("bodies of %q and %q", nspA, nspB)
		}
	})
}

// TestKeysFit: names of the full length fit into 2,048 bytes of partition key and 1,024 of sort key.
func TestKeysFit(t *testing.T) {
	for _, c := range []string{"#", "%", "x", "é"} {
		name := strings.Repeat(c, sessionstore.MaxName/len(c))
		room := roomKey(sessionstore.Namespace(name), sessionstore.Room(name), "s")
		everybody := namespacePK(sessionstore.Namespace(name), 9999)
		if len(room.pk) > 2048 || len(everybody) > 2048 {
			t.Errorf("%q: partition keys of %d and %d bytes", c, len(room.pk), len(everybody))
		}
		if sk := socketKey("s", sessionstore.Namespace(name)).sk; len(sk) > 1024 {
			t.Errorf("%q: sort key of %d bytes", c, len(sk))
		}
	}
}

// TestWholeSession: one query meets the session, its sockets and its partial packet, and nothing else.
func TestWholeSession(t *testing.T) {
	in := []key{sessionKey("s"), partialKey("s"), socketKey("s", ""), socketKey("s", "/"), socketKey("s", "P")}
	out := []key{handshakeKey("s"), packetBody("s", "A").part(0)}
	seen := make(map[key]bool)
	for _, k := range append(in, out...) {
		if seen[k] {
			t.Errorf("%v twice", k)
		}
		seen[k] = true
		if want := len(seen) <= len(in); strings.HasPrefix(k.sk, wholeSession) != want {
			t.Errorf("%v is met: %v", k, !want)
		}
	}
}

// TestShards: where a row is must not change from one release to the next. It is by FNV-1a.
func TestShards(t *testing.T) {
	for _, shards := range []int{1, 7, 16} {
		s := New(nil, Options{Shards: shards})
		for _, id := range []sessionstore.SessionID{"", "a", "abcdefghijklmnopqrst", "é"} {
			h := fnv.New32a()
			_, _ = h.Write([]byte(id))
			if got, want := shardOf(s, id), int(h.Sum32()%uint32(shards)); got != want {
				t.Errorf("%q is in shard %d of %d, want %d", id, got, shards, want)
			}
		}
	}
}

func TestNames(t *testing.T) {
	got := names("SET #b = list_append(#b, :new), #bs=#bs+:n REMOVE #c,#b[0]", "#PK = :pk AND size(#cc) <= :c")
	want := []string{"b", "bs", "c", "PK", "cc"}
	if len(got) != len(want) {
		t.Errorf("names: %v", got)
	}
	for _, n := range want {
		if got["#"+n] != n {
			t.Errorf("#%s is %q", n, got["#"+n])
		}
	}
}

func FuzzBodies(f *testing.F) {
	f.Add("", "", 1)
	f.Add("4a", "bAAEC", 3)
	f.Add("é", "日本語", 200_000)
	f.Fuzz(func(t *testing.T, a, b string, n int) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) || n < 0 || n > 300_000 {
			return // not what a store is given
		}
		frames := []string{a, strings.Repeat(b, min(n, 2<<20/(len(b)+1))), b, ""}
		bd := body{packetBody("s", "p"), frames}
		parts := make(map[key]item)
		for i, it := range bd.items() {
			if n := len(text(it, attrText)); n > partSize || !utf8.ValidString(text(it, attrText)) {
				t.Errorf("part %d of %d bytes", i, n)
			}
			parts[key{text(it, attrPK), text(it, attrSK)}] = it
		}
		ref := bodyRef{bd.key, size(frames)}
		got, ok := join(ref, parts)
		if !ok || strings.Join(got, "|") != strings.Join(frames, "|") {
			t.Errorf("%d parts of %d bytes do not make the frames", len(parts), ref.size)
		}
		for k := range parts {
			delete(parts, k)
			break
		}
		if got, ok := join(ref, parts); ok && ref.size > 0 {
			t.Errorf("made %d frames without a part", len(got))
		}
	})
}
