package dynamostore_test

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/nonstick-io/nonstick/internal/dynamotest"
	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// appends is traffic to a polling client, and what 1,000 packets may cost in it.
type appends struct {
	name string
	size int // of a packet
	wait int // packets that wait when the client asks; 0: it never does
	most float64
}

var traffic = []appends{
	{"100 bytes, fetched by 5", 100, 5, 2400},
	{"100 bytes, fetched by 20", 100, 20, 2600},
	{"100 bytes, fetched by 100", 100, 100, 2600},
	{"100 bytes, nothing fetched", 100, 0, 2600},
	{"900 bytes, fetched by 20", 900, 20, 6000},
	{"900 bytes, nothing fetched", 900, 0, 6000},
	{"1,100 bytes, nothing fetched", 1100, 0, 4500},
}

// TestAppends prints what 1,000 packets cost that are appended one by one, with the GETs that fetch them.
func TestAppends(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "1,000 packets of\tWRU\tof them of refusals\tRRU")
	for _, a := range traffic {
		meter := new(sessionstore.Meter)
		client := &dynamotest.Refused{Client: newTable(t)}
		s := dynamostore.New(client, dynamostore.Options{Table: table, Meter: meter})
		v := polling(t, s)
		before, refusedBefore := meter.Total(), client.Units()
		for i := 1; i <= 1000; i++ {
			must(
				t,
				s.Deliver(
					t.Context(), v.ID, []sessionstore.Packet{packet(fmt.Sprintf("4%0*d", a.size-1, i))},
					sessionstore.BufferLimits{Packets: 1100, Bytes: 4 << 20},
				),
			)
			if a.wait > 0 && i%a.wait == 0 {
				read := get(t, s, v.ID)
				whole, err := s.Bodies(t.Context(), v.ID, read.Pending())
				must(t, err)
				must(
					t,
					s.Answer(
						t.Context(),
						sessionstore.AnswerRequest{Read: &read, T: sessionstore.NewID(), Give: len(whole)},
					),
				)
			}
		}
		u := meter.Total().Sub(before)
		refused := client.Units() - refusedBefore
		wru := float64(u.WriteMilliUnits)/1000 + float64(refused)
		_, _ = fmt.Fprintf(w, "%s\t%g\t%d\t%g\n", a.name, wru, refused, float64(u.ReadMilliUnits)/1000)
		if wru > a.most {
			t.Errorf("%s: %g write units, at most %g", a.name, wru, a.most)
		}
	}
	must(t, w.Flush())
	t.Logf("\n%s", out.String())
}

// retained is traffic to a recoverable socket on WebSocket, and what 1,000 packets may cost in it.
type retained struct {
	size int // of a packet
	keep int // how many packets are kept at most; half of them stay when that is reached
	most float64
}

var recoverable = []retained{
	{100, 1000, 4200},
	{100, 50, 4000},
	{900, 1000, 7600},
}

// TestOutboxAppends prints what 1,000 packets cost that are sent to a recoverable socket one by one.
func TestOutboxAppends(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "1,000 packets of\tkept\tWRU\tof them of refusals\tRRU")
	for _, a := range recoverable {
		meter := new(sessionstore.Meter)
		client := &dynamotest.Refused{Client: newTable(t)}
		s := dynamostore.New(client, dynamostore.Options{Table: table, Meter: meter})
		n := outbox(sessionstore.Session{ID: newID()}, sessionstore.Lease{})
		must(t, s.Create(t.Context(), n))
		before, refusedBefore := meter.Total(), client.Units()
		for i := 1; i <= 1000; i++ {
			p := packet(fmt.Sprintf("4%0*d", a.size-1, i))
			v, err := s.Enqueue(t.Context(), n.ID, []sessionstore.Packet{p}, wide, lease)
			must(t, err)
			must(t, s.Sent(t.Context(), &v, lease.Owner, len(v.Buffer)))
			if len(v.Buffer) >= a.keep {
				must(t, s.Trim(t.Context(), &v, a.keep/2))
			}
		}
		u := meter.Total().Sub(before)
		refused := client.Units() - refusedBefore
		wru := float64(u.WriteMilliUnits)/1000 + float64(refused)
		rru := float64(u.ReadMilliUnits) / 1000
		_, _ = fmt.Fprintf(w, "%d bytes\t%d\t%g\t%d\t%g\n", a.size, a.keep, wru, refused, rru)
		if wru > a.most {
			t.Errorf("%d bytes: %g write units, at most %g", a.size, wru, a.most)
		}
	}
	must(t, w.Flush())
	t.Logf("\n%s", out.String())
}
