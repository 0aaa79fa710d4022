package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var dataTests = []test{
	{"set", socketData},
	{"set too large", dataTooLarge},
	{"swap", swapData},
	{"a lost swap tells the data", swapLost},
	{"swap compares bytes", swapBytes},
	{"swap of a socket that left", swapGone},
	{"swap too large", swapTooLarge},
	{"limits after many changes", dataLimits},
	{"from anywhere", dataFromAnywhere},
}

func (x *tester) setData(k sessionstore.NewSocket, key, value string) error {
	return x.store.SetData(x.Context(), k.Row(), key, value, limits)
}

func (x *tester) swap(k sessionstore.NewSocket, key, old, value string) error {
	return x.store.SwapData(x.Context(), k.Row(), key, old, value, limits)
}

// data reads the data of a socket, whatever its row says of them.
func (x *tester) data(k sessionstore.NewSocket) map[string]string {
	x.Helper()
	row := k.Row()
	row.HasData = true
	data, err := x.store.Data(x.Context(), row)
	x.must(err)
	return canonData(data)
}

// changed checks that err is a refused swap that tells the data as they are.
func (x *tester) changed(err error, data map[string]string) {
	x.Helper()
	x.is(err, sessionstore.ErrConflict)
	found, ok := sessionstore.CurrentData(err)
	if !ok {
		x.Fatalf("error %v is no ChangedError", err)
	}
	equal(x, "the data in the refusal", canonData(found), canonData(data))
}

// awkwardKeys look like parts of an expression, or of a path.
var awkwardKeys = []string{
	"a.b", "a", "#", ":v", "size", "é😀", "with space", "[0]", "", "_", "#key", ":old",
	strings.Repeat("k", sessionstore.MaxDataKey),
}

func socketData(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	k.Data = make(map[string]string)
	for key, value := range map[string]string{
		"a": "1", "a.b": `{"x":[1,2]}`, "#": `"#"`, ":v": "null", "size": "true", "é😀": `"é😀"`, "with space": `"\""`,
		"[0]": "0",
	} {
		x.must(x.setData(k, key, value))
		k.Data[key] = value
	}
	x.sameSocket(k)
	x.must(x.setData(k, "a", "2"))
	x.must(x.setData(k, "a.b", ""))
	x.must(x.setData(k, "never there", ""))
	k.Data["a"] = "2"
	delete(k.Data, "a.b")
	x.sameSocket(k)

	gone := newSocket(k.Session, freshNamespace())
	for _, value := range []string{"1", ""} {
		x.is(x.setData(gone, "a", value), sessionstore.ErrNotFound)
	}
	if n := len(x.get(k.Session).Sockets); n != 1 {
		x.Errorf("%d sockets", n)
	}
}

// dataTooLarge: the limit holds for all of a socket's data together, and for the length of a key.
func dataTooLarge(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"a": `"kept"`}
	x.put(k)
	small := sessionstore.SocketLimits{Data: 1000}
	set := func(key, value string) error { return x.store.SetData(x.Context(), k.Row(), key, value, small) }
	left := small.Data - len(`a"kept"`)
	x.is(set("b", strings.Repeat("x", left)), sessionstore.ErrTooLarge)
	x.is(set(strings.Repeat("k", sessionstore.MaxDataKey+1), "1"), sessionstore.ErrTooLarge)
	x.sameSocket(k)
	k.Data["b"] = strings.Repeat("x", left-1)
	x.must(set("b", k.Data["b"]))
	x.is(set("c", "1"), sessionstore.ErrTooLarge)
	x.is(set("a", `"kept."`), sessionstore.ErrTooLarge)
	x.sameSocket(k)
	k.Data["a"] = `"tidy"`
	x.must(set("a", k.Data["a"]))
	delete(k.Data, "b")
	x.must(set("b", ""))
	long := strings.Repeat("k", sessionstore.MaxDataKey)
	k.Data[long] = "1"
	x.must(set(long, "1"))
	x.sameSocket(k)

	// Whatever the limit says, an item has to take it.
	most := sessionstore.SocketLimits{Data: 1 << 30}
	value := strings.Repeat("x", sessionstore.MaxKept-1)
	other := x.put(newSocket(k.Session, freshNamespace()))
	x.is(x.store.SetData(x.Context(), other.Row(), "a", value+"x", most), sessionstore.ErrTooLarge)
	x.must(x.store.SetData(x.Context(), other.Row(), "a", value, most))
	other.Data = map[string]string{"a": value}
	x.sameSocket(other)
}

func swapData(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	k.Data = make(map[string]string)
	step := func(key, old, value string) {
		x.Helper()
		x.must(x.swap(k, key, old, value))
		if k.Data[key] = value; value == "" {
			delete(k.Data, key)
		}
		x.sameSocket(k)
	}
	for _, key := range awkwardKeys {
		step(key, "", `{"x":[1,"`+key+`"]}`)
	}
	for _, key := range awkwardKeys {
		step(key, k.Data[key], "null")
		step(key, "null", "null")
	}
	for _, key := range awkwardKeys {
		step(key, "null", "")
		step(key, "", "")
	}
	step("a", "", "1")
	x.must(x.setData(k, "a", "2"))
	step("a", "2", "3")
	if !x.socket(k).HasData {
		x.Error("the row says that there are no data")
	}

	// As a socket is put with them, and where the first key is none.
	k = newSocket(k.Session, freshNamespace())
	k.Data = map[string]string{"a": "1"}
	x.put(k)
	step("b", "", "2")
	step("a", "1", "")
	k = x.put(newSocket(k.Session, freshNamespace()))
	x.must(x.swap(k, "a", "", ""))
	x.sameSocket(k)
	x.must(x.swap(k, "a", "", "1"))
	k.Data = map[string]string{"a": "1"}
	x.sameSocket(k)
}

func swapLost(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"a": "1", "b": `"other"`}
	x.put(k)
	unread := k.Row()
	unread.HasData = false
	for _, c := range []struct{ key, old, value string }{
		{"a", "2", "3"},
		{"a", "", "3"},
		{"a", "2", ""},
		{"a", "", ""},
		{"a", "2", "1"},
		{"never there", "1", "2"},
		{"never there", "1", ""},
		{"b", "1", "2"},
	} {
		x.changed(x.swap(k, c.key, c.old, c.value), k.Data)
		x.changed(x.store.SwapData(x.Context(), unread, c.key, c.old, c.value, limits), k.Data)
	}
	x.sameSocket(k)
	err := x.swap(k, "a", "2", "3")
	x.must(x.swap(k, "a", "1", "2"))
	x.must(x.swap(k, "b", `"other"`, ""))
	x.changed(err, k.Data) // as they were

	for _, value := range []string{"2", ""} {
		none := x.put(newSocket(k.Session, freshNamespace()))
		x.changed(x.swap(none, "a", "1", value), nil)
		x.must(x.swap(none, "a", "", "1"))
		x.must(x.swap(none, "a", "1", ""))
		x.changed(x.swap(none, "a", "1", value), nil)
	}
}

// swapBytes: equal JSON that is written otherwise is another value.
func swapBytes(x *tester) {
	k := x.put(newSocket(x.polling(), freshNamespace()))
	for _, c := range []struct{ value, other string }{
		{`{"a":1}`, `{"a": 1}`},
		{`1.0`, `1`},
		{`1e2`, `100`},
		{`1234567890123456789012345678901234567890.5`, `1234567890123456789012345678901234567890.50`},
		{`"é"`, `"é"`},
		{`""`, `null`},
	} {
		x.must(x.setData(k, "k", c.value))
		x.changed(x.swap(k, "k", c.other, "1"), map[string]string{"k": c.value})
		x.must(x.swap(k, "k", c.value, c.other))
		equal(x, "the data", x.data(k), map[string]string{"k": c.other})
	}
}

// swapGone: what a socket kept is not there for the next in its place, nor the other way round.
func swapGone(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"a": "1"}
	x.put(k)
	never := newSocket(k.Session, freshNamespace())
	_, err := x.remove(k)
	x.must(err)
	none := func() {
		x.Helper()
		for _, gone := range []sessionstore.NewSocket{k, never} {
			for _, hasData := range []bool{true, false} {
				row := gone.Row()
				row.HasData = hasData
				for _, c := range []struct{ old, value string }{{"1", "2"}, {"", "2"}, {"1", ""}, {"", ""}} {
					x.is(x.store.SwapData(x.Context(), row, "a", c.old, c.value, limits), sessionstore.ErrNotFound)
				}
			}
			equal(x, "the data", x.data(gone), nil)
		}
	}
	none()
	next := newSocket(k.Session, k.Namespace)
	next.Data = map[string]string{"a": "1"}
	x.put(next)
	none()
	x.sameSocket(next)
}

func swapTooLarge(x *tester) {
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"a": `"kept"`}
	x.put(k)
	small := sessionstore.SocketLimits{Data: 1000}
	swap := func(key, old, value string) error {
		return x.store.SwapData(x.Context(), k.Row(), key, old, value, small)
	}
	left := small.Data - len(`a"kept"`)
	x.is(swap("b", "", strings.Repeat("x", left)), sessionstore.ErrTooLarge)
	x.is(swap(strings.Repeat("k", sessionstore.MaxDataKey+1), "", "1"), sessionstore.ErrTooLarge)
	x.sameSocket(k)
	k.Data["b"] = strings.Repeat("x", left-1)
	x.must(swap("b", "", k.Data["b"]))
	x.is(swap("c", "", "1"), sessionstore.ErrTooLarge)
	x.is(swap("a", `"kept"`, `"kept."`), sessionstore.ErrTooLarge)
	x.changed(swap("a", `"lost"`, `"kept."`), k.Data) // that comes first
	x.sameSocket(k)
	k.Data["a"] = `"tidy"`
	x.must(swap("a", `"kept"`, k.Data["a"]))

	// Limits that were lowered refuse what is too large still, and let go.
	small.Data = 500
	x.is(swap("a", `"tidy"`, "1"), sessionstore.ErrTooLarge)
	x.must(swap("a", `"tidy"`, ""))
	delete(k.Data, "a")
	x.sameSocket(k)

	// Whatever the limit says, an item has to take it.
	most := sessionstore.SocketLimits{Data: 1 << 30}
	value := strings.Repeat("x", sessionstore.MaxKept-1)
	other := x.put(newSocket(k.Session, freshNamespace()))
	for _, first := range []string{"", "1"} {
		x.is(x.store.SwapData(x.Context(), other.Row(), "a", first, value+"x", most), sessionstore.ErrTooLarge)
		x.must(x.store.SwapData(x.Context(), other.Row(), "a", first, value, most))
		other.Data = map[string]string{"a": value}
		x.sameSocket(other)
		x.must(x.swap(other, "a", value, "1"))
	}
}

// dataLimits: whatever was set, swapped and removed before, and by which way, the limit is exact.
func dataLimits(x *tester) {
	random := rand.New(rand.NewPCG(1, 2))
	tight := sessionstore.SocketLimits{Data: 60}
	k := newSocket(x.polling(), freshNamespace())
	k.Data = map[string]string{"é": "1"}
	x.put(k)
	tooLarge := 0
	for i := range 150 {
		key := []string{"é", "b", "long key"}[random.IntN(3)]
		value := strings.Repeat("😀", random.IntN(8))
		after := maps.Clone(k.Data)
		if after[key] = value; value == "" {
			delete(after, key)
		}
		var err error
		if random.IntN(2) == 0 {
			err = x.store.SetData(x.Context(), k.Row(), key, value, tight)
		} else {
			err = x.store.SwapData(x.Context(), k.Row(), key, k.Data[key], value, tight)
		}
		if value != "" && tight.CheckData(after) != nil {
			x.is(err, sessionstore.ErrTooLarge)
			tooLarge++
		} else {
			x.must(err)
			k.Data = after
		}
		if got := x.data(k); !maps.Equal(got, k.Data) {
			x.Fatalf("step %d: data %q, want %q", i, got, k.Data)
		}
	}
	if tooLarge < 20 || tooLarge > 100 {
		x.Errorf("%d of 150 changes were too large: too few of a kind", tooLarge)
	}
}

// dataFromAnywhere: a socket's session, namespace and id are all that it takes, whatever the caller knows else.
func dataFromAnywhere(x *tester) {
	for _, hasData := range []bool{true, false} {
		k := x.put(newSocket(x.websocket(), freshNamespace(), "a"))
		k.Data = make(map[string]string)
		from := sessionstore.Socket{Session: k.Session, Namespace: k.Namespace, ID: k.ID, HasData: hasData}
		for i := range 3 {
			set, swapped := fmt.Sprint("set ", i), fmt.Sprint("swapped ", i)
			x.must(x.store.SetData(x.Context(), from, set, "1", limits))
			x.must(x.store.SetData(x.Context(), from, "set", fmt.Sprint(i), limits))
			x.must(x.store.SwapData(x.Context(), from, swapped, "", "1", limits))
			x.must(x.store.SwapData(x.Context(), from, swapped, "1", "2", limits))
			k.Data[set], k.Data["set"], k.Data[swapped] = "1", fmt.Sprint(i), "2"
			x.sameSocket(k)
		}
		x.must(x.store.SetData(x.Context(), from, "set", "", limits))
		x.must(x.store.SwapData(x.Context(), from, "swapped 0", "2", "", limits))
		delete(k.Data, "set")
		delete(k.Data, "swapped 0")
		x.sameSocket(k)
	}
}

// add adds to a number of a socket's data by read and swap, as callers do.
func (x *tester) add(k sessionstore.NewSocket, key string, n int) error {
	data, err := x.store.Data(x.Context(), k.Row())
	for err == nil {
		sum := n
		if old := data[key]; old != "" {
			v, err := strconv.Atoi(old)
			if err != nil {
				return err
			}
			sum += v
		}
		lost := x.swap(k, key, data[key], strconv.Itoa(sum))
		if !errors.Is(lost, sessionstore.ErrConflict) {
			return lost
		}
		found, ok := sessionstore.CurrentData(lost)
		if !ok || found[key] == data[key] {
			return fmt.Errorf("lost with %q to %q", data[key], found[key])
		}
		data = found
	}
	return err
}

// raceAdds: of what many callers add at once, nothing is lost, whatever the others do to other keys.
func raceAdds(x *tester) {
	const adds = 12
	for _, began := range []map[string]string{nil, {"score": "0"}} {
		k := newSocket(x.polling(), freshNamespace())
		k.Data = began
		x.put(k)
		x.must(errors.Join(race(racers, func(i int) error {
			for n := range adds {
				if err := x.add(k, "score", i+1); err != nil {
					return err
				}
				if err := x.setData(k, fmt.Sprint("own ", i), fmt.Sprint(n)); err != nil {
					return err
				}
			}
			return nil
		})...))
		k.Data = map[string]string{"score": strconv.Itoa(adds * racers * (racers + 1) / 2)}
		for i := range racers {
			k.Data[fmt.Sprint("own ", i)] = strconv.Itoa(adds - 1)
		}
		x.sameSocket(k)
	}
}

// raceSwap: one of those that swap the same value wins, and the others learn what it has set.
func raceSwap(x *tester) {
	for _, first := range []string{"", "1"} {
		for range rounds {
			k := newSocket(x.polling(), freshNamespace())
			k.Data = map[string]string{"b": "1"}
			x.put(k)
			if first != "" {
				x.must(x.setData(k, "a", first))
			}
			value := func(i int) string { return fmt.Sprintf(`"racer %d"`, i) }
			var found [racers]string
			i := x.oneWins(sessionstore.ErrConflict, func(i int) error {
				err := x.swap(k, "a", first, value(i))
				data, _ := sessionstore.CurrentData(err)
				found[i] = data["a"]
				return err
			})
			k.Data["a"] = value(i)
			x.sameSocket(k)
			for j := range found {
				if j != i {
					equal(x, "what a loser found", found[j], value(i))
				}
			}
		}
	}
}

// raceToTheLimit: those for whose keys there is room get it, and no more of them.
func raceToTheLimit(x *tester) {
	const room = 3
	for range rounds {
		k := newSocket(x.polling(), freshNamespace())
		k.Data = map[string]string{"a": "1"}
		x.put(k)
		tight := sessionstore.SocketLimits{Data: len("a1") + room*len("k0x")}
		n := 0
		for i, err := range race(racers, func(i int) error {
			key := fmt.Sprint("k", i)
			if i%2 == 0 {
				return x.store.SetData(x.Context(), k.Row(), key, "x", tight)
			}
			return x.store.SwapData(x.Context(), k.Row(), key, "", "x", tight)
		}) {
			if err != nil {
				x.is(err, sessionstore.ErrTooLarge)
				continue
			}
			k.Data[fmt.Sprint("k", i)] = "x"
			n++
		}
		equal(x, "keys for which there was room", n, room)
		x.sameSocket(k)
	}
}
