package functions

import (
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// A process that is not told which function it is, or told of one that there is not, says which there are.
func TestWhichFunction(t *testing.T) {
	for _, given := range []string{"", "Polling", "other"} {
		err := boot.Check(build(testApps), func(name string) (string, bool) {
			if name == Variable {
				return given, given != ""
			}
			v, ok := platform[name]
			return v, ok
		})
		want := `NONSTICK_FUNCTION="` + given +
			`": want one of close, emit, fanout, heartbeat, inbound, polling, websocket`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", given, err, want)
		}
	}
}
