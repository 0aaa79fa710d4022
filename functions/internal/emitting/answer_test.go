package emitting

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// data gives a socket as much data as it may have, of one character.
func (w *world) data(name string, c rune) {
	w.t.Helper()
	limits := delivery.Limits{}.WithDefaults().Socket
	value, err := json.Marshal(strings.Repeat(string(c), 15<<10))
	if c == '<' {
		value, err = []byte(`"`+strings.Repeat("<", 15<<10)+`"`), nil // escaped by the answer
	}
	if err == nil {
		err = w.store.SetData(
			w.t.Context(),
			sessionstore.Socket{ID: sessionstore.SocketID(name), Session: sessionstore.SessionID(name), Namespace: "/"},
			"d", string(value), limits,
		)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// fetchAll fetches page by page, and returns how often each socket came and in how many pages. Each answer is held
// against the platform's limit.
func fetchAll(t *testing.T, w *world, selection string, limit int) (seen map[string]int, pages, greatest int) {
	t.Helper()
	seen = map[string]int{}
	for after := ""; ; {
		raw, err := Emit(
			w.parts,
		)(
			t.Context(), []byte(fmt.Sprintf(`{%s"fetch":%d,"after":%q}`, selection, limit, after)),
		)
		if err != nil {
			t.Fatal(err)
		}
		pages, greatest = pages+1, max(greatest, len(raw))
		var a Answer
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		for _, k := range a.Sockets {
			seen[k.ID]++
		}
		if a.Next == "" {
			return seen, pages, greatest
		}
		if after = a.Next; pages > 1000 {
			t.Fatal("there is no end of pages")
		}
	}
}

// A fetch is answered in pages, none above what a function may answer, whatever the sockets have, and all sockets
// come once.
func TestFetchFits(t *testing.T) {
	const sockets = 150
	w := newWorld(t)
	for i := range sockets {
		name := fmt.Sprintf("socket-%03d", i)
		w.client(name, "a")
		w.data(name, '<')
	}
	w.client("another", "b")
	for _, tt := range []struct {
		selection          string
		limit, want, pages int
	}{
		{``, 1000, sockets + 1, 3},
		{`"rooms":["a"],`, 40, sockets, 4},
		{`"rooms":["another","a"],"except":["b"],`, 1000, sockets, 3},
		{`"rooms":["none"],`, 1000, 0, 1},
	} {
		seen, pages, greatest := fetchAll(t, w, tt.selection, tt.limit)
		if len(seen) != tt.want || pages != tt.pages {
			t.Errorf(
				"%s by %d: found %d sockets in %d pages, want %d in %d", tt.selection, tt.limit, len(seen), pages,
				tt.want, tt.pages,
			)
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s by %d: %s came %d times", tt.selection, tt.limit, id, n)
			}
		}
		if greatest > boot.MaxAnswer || tt.pages == 3 && greatest < maxSockets-100<<10 {
			t.Errorf("%s by %d: the greatest answer has %d bytes", tt.selection, tt.limit, greatest)
		}
	}
}

// The greatest answer there is: a batch whose requests all fetch, or fail with as much text as they can.
func TestLargestAnswer(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		name := fmt.Sprintf("socket-%03d", i)
		w.client(name, "a")
		w.data(name, '<')
	}
	requests := strings.Repeat(`{"fetch":1000},`, 99) + `{"fetch":1000}`
	_, err := Emit(w.parts)(t.Context(), []byte(`{"batch":[`+requests+`]}`))
	f, ok := errors.AsType[*boot.TypedError](err)
	if !ok || f.Type != failed || len(f.Message) > boot.MaxAnswer ||
		!strings.Contains(f.Message, errAnswerFull.Error()) {
		t.Errorf("more than fits: %.300v", err)
	}
	raw, err := Emit(w.parts)(t.Context(), []byte(`{"batch":[{"fetch":10},{"fetch":30},{"fetch":30}]}`))
	var a Answer
	if err != nil || json.Unmarshal(raw, &a) != nil {
		t.Fatalf("%.300v", err)
	}
	if n := len(
		a.Results[2].Sockets,
	); len(raw) > boot.MaxAnswer || len(raw) < maxSockets-100<<10 || n == 0 || n == 30 ||
		a.Results[2].Next == "" {
		t.Errorf("%d bytes, %d sockets in the last", len(raw), n)
	}
	nasty := strings.Repeat("<", 50<<10)
	for _, request := range []string{
		`{"batch":[` + strings.Repeat(`{"event":"e","rooms":["`+nasty+`"]},`, 99) + `{"disconnect":"socket"}]}`,
		`{"` + nasty + `":1}`, `{"disconnect":"` + nasty + `"}`, `{"batch":[{"` + nasty + `":1}]}`,
		`{"namespace":"` + nasty + `","event":"e"}`,
	} {
		_, err := Emit(w.parts)(t.Context(), []byte(request))
		if f, ok := errors.AsType[*boot.TypedError](
			err,
		); !ok || len(f.Message) > 1<<20 ||
			strings.Count(f.Message, `\u003c`) > 100*maxError {
			t.Errorf("%.40s: %.300v", request, err)
		}
	}
}

// A socket that no answer has space for is left out, and said to be.
func TestSocketTooBig(t *testing.T) {
	var a Answer
	in := newSpace()
	big := adapter.Found{
		Member: sessionstore.Member{Socket: "big"},
		Data:   map[string]json.RawMessage{"d": json.RawMessage(`"` + strings.Repeat("<", maxSockets/6) + `"`)},
	}
	if taken, err := in.add(&a, big); !taken || !errors.Is(err, errSocketTooBig) || len(a.Sockets) != 0 {
		t.Errorf("taken %t, %v", taken, err)
	}
	if taken, err := in.add(
		&a, adapter.Found{Member: sessionstore.Member{Socket: "small"}, ConnectedAt: time.UnixMilli(1)},
	); !taken || err != nil ||
		len(a.Sockets) != 1 {
		t.Errorf("taken %t, %v", taken, err)
	}
	if taken, err := in.add(
		&a,
		adapter.Found{
			Member: sessionstore.Member{Socket: "bad"}, Data: map[string]json.RawMessage{"d": json.RawMessage("{")},
		},
	); !taken ||
		err == nil {
		t.Errorf("taken %t, %v", taken, err)
	}
}

// A request with millions of requests in it is refused before they take memory.
func TestBatchOfMillions(t *testing.T) {
	raw := []byte(`{"batch":[` + strings.Repeat(`{},`, 1<<20) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := parse(raw)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errRequest) || len(r.Batch) > maxBatch {
		t.Errorf("%d requests, %v", len(r.Batch), err)
	}
	if allocated, most := after.TotalAlloc-before.TotalAlloc, uint64(
		5*len(raw),
	); allocated > most { // copies of the text
		t.Errorf("%d bytes were allocated for a request of %d, want at most %d", allocated, len(raw), most)
	}
}

// Places that no answer gave are refused.
func TestPlaces(t *testing.T) {
	w := newWorld(t)
	w.client("one")
	for _, after := range []string{
		"x", "-1.a", "99999.a", ".", "1." + strings.Repeat("a", 30), "1." + strings.Repeat("a", 100),
	} {
		if a := w.ask(fmt.Sprintf(`{"fetch":1,"after":%q}`, after)); a.OK || len(a.Sockets) != 0 {
			t.Errorf("%s: %+v", after, a)
		}
	}
}
