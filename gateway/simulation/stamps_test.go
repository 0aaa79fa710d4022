package simulation

import (
	"fmt"
	"time"
)

// stamps is what a client sends as t.
type stamps int

const (
	noStamps stamps = iota
	constant        // a parameter of the application's own
	likeName        // the same, and by chance of the form that the official client makes
	coarse          // a clock that stands still for a while
	allStamps
	official = allStamps // and all above: a new one for each request
)

// stamp is the t of the client's nth request; the 0th is the handshake.
func (c *client) stamp(n int) string {
	t := ""
	switch c.stamps {
	case constant:
		t = "tenant-1"
	case likeName:
		t = "tenant_"
	case coarse:
		t = fmt.Sprint(time.Now().UnixMilli() / 500)
	case official:
		t = fmt.Sprintf("PggDzUx.%d", n)
	case noStamps:
	}
	return t
}
