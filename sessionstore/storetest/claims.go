package storetest

import (
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

var claimTests = []test{
	{"claim", claim},
	{"hand a claim over", claimHandOver},
	{"give a claim up", claimGiveUp},
	{"names of claims", claimNames},
	{"claim at once", raceClaim},
	{"claim with a cancelled context", claimCancelled},
}

// claimed asks for a lease of the usual length, d after the start.
func (x *tester) claimed(name string, o, from sessionstore.Owner, d time.Duration) error {
	x.Helper()
	return x.store.Claim(x.Context(), name, sessionstore.Lease{Owner: o, Until: after(d + leaseEnd)}, from, after(d))
}

func claim(x *tester) {
	name := "claim " + sessionstore.NewID()
	x.must(x.claimed(name, me, "", 0))
	err := x.claimed(name, other, "", time.Second)
	x.is(err, sessionstore.ErrExists)
	held, ok := sessionstore.Holder(err)
	equal(x, "the refusal has a holder", ok, true)
	equal(x, "the holder", held, sessionstore.Lease{Owner: me, Until: after(leaseEnd)})
	x.must(x.claimed(name, me, "", 5*time.Second)) // renewed until 15 s
	x.is(x.claimed(name, other, "", 14*time.Second), sessionstore.ErrExists)
	x.must(x.claimed(name, other, "", 15*time.Second))
	x.is(x.claimed(name, me, "", 16*time.Second), sessionstore.ErrExists)
	x.must(x.claimed(name+".", me, "", 16*time.Second))
}

func claimHandOver(x *tester) {
	name := "hand over " + sessionstore.NewID()
	x.must(x.claimed(name, me, "", 0))
	x.is(x.claimed(name, other, "third", time.Second), sessionstore.ErrExists)
	x.must(x.claimed(name, other, me, time.Second))
	x.must(x.claimed(name, other, me, time.Second)) // the same call again
	x.is(x.claimed(name, "third", me, 2*time.Second), sessionstore.ErrExists)
	x.is(x.claimed(name, me, "", 2*time.Second), sessionstore.ErrExists)
	x.must(x.claimed(name, me, "nobody", 12*time.Second))
}

func claimGiveUp(x *tester) {
	name := "give up " + sessionstore.NewID()
	x.must(x.claimed(name, me, "", 0))
	x.must(
		x.store.Claim(
			x.Context(), name, sessionstore.Lease{Owner: me, Until: after(time.Second)}, "", after(time.Second),
		),
	)
	x.must(x.claimed(name, other, "", time.Second))
}

func claimNames(x *tester) {
	long := strings.Repeat("é", sessionstore.MaxName/2-10) + sessionstore.NewID()
	x.must(x.claimed(long, me, "", 0))
	x.is(x.claimed(long, other, "", 0), sessionstore.ErrExists)
	x.is(x.claimed(long+"..", me, "", 0), sessionstore.ErrTooLarge)
	for _, name := range []string{"", "#", "a#A", " "} {
		x.must(x.claimed(name, me, "", 0))
	}
}

func raceClaim(x *tester) {
	for round := range rounds {
		now := time.Duration(round) * time.Minute
		x.oneWins(sessionstore.ErrExists, func(i int) error {
			return x.claimed("race", racer(i).Owner, "", now)
		})
	}
}

func claimCancelled(x *tester) {
	name := "cancelled " + sessionstore.NewID()
	x.notSent("Claim", x.store.Claim(x.cancelled(), name, lease(other), "", start))
	x.must(x.claimed(name, me, "", 0))
}
