package engineio_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

// Which cache busters name a request. Those of clients were taken from them at this time.
func TestUnique(t *testing.T) {
	now := time.UnixMilli(1_764_188_000_123)
	for _, tt := range []struct {
		name, t string
		want    bool
	}{
		{"yeast", "PggDzUx", true},
		{"yeast, the second of a millisecond", "PggDzUx.0", true},
		{"yeast, the hundredth", "PggDzUx.1Z", true},
		{"yeast with - and _", "PggDz-_.a", true},
		{"random string", "ws2z3k4f", true},
		{"random string of another moment", "00000zzz", true},
		{"none", "", false},
		{".NET: seconds", "1764188000", false},
		{"milliseconds", "1764188000123", false},
		{"Python: seconds and a fraction", "1764188000.4831", false},
		{"Python: a short fraction", "1764188.5", false},
		{"Rust: a checksum", "28311552", false},
		{"digits alone, as long as yeast", "1764188", false},
		{"Dart: milliseconds in base 36", "migfzgxn", false},
		{"the application's own", "tenant-1", false},
		{"in capitals", "WS2Z3K4F", false},
		{"a short random string", "ws2z3k4", true}, // it looks like yeast, and is as unique
		{"too long", "ws2z3k4fa", false},
		{"9,000 bytes", strings.Repeat("a", 9000), false},
		{"a long count", "PggDzUx." + strings.Repeat("a", 9000), false},
		{"an empty count", "PggDzUx.", false},
		{"a count that is none", "PggDzUx.!", false},
		{"not ASCII", "Pgg\u00e9zUx", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := engineio.Unique(tt.t, now); got != tt.want {
				t.Errorf("Unique(%.20q) = %v, want %v", tt.t, got, tt.want)
			}
		})
	}
}
