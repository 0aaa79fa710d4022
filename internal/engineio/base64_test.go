package engineio_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

// TestBase64 has what Node 20 makes of each text with Buffer.from(text, "base64").
func TestBase64(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"YQ==":                    "61",
		"YQ==\n":                  "61",
		"YQ\n==":                  "61",
		"Y Q = =":                 "61",
		"YWJj\r\nZGVm\n":          "616263646566",
		"YQ":                      "61",
		"YWI":                     "6162",
		"YWJj=":                   "616263",
		"YWJj===":                 "616263",
		"YWJjZ":                   "616263",
		"YWJjZ=":                  "616263",
		"AAAAA":                   "000000",
		"AA":                      "00",
		"A":                       "",
		"YR==":                    "61",
		"+/+/":                    "fbffbf",
		"-_-_":                    "fbffbf",
		"-/_+":                    "fbfffe",
		"YQ==YQ==":                "61",
		"YQ=YQ==":                 "61",
		"YQ= =YQ":                 "61",
		"YWJ=jZGVm":               "6162",
		"Y=Q==":                   "",
		"=YQ==":                   "",
		"YQ==!":                   "61",
		"!!!!":                    "",
		"YWJj!ZGVm":               "616263646566",
		"YWJj\x00ZGVm":            "616263646566",
		"YWJj\u00e9ZGVm":          "616263646566",
		"YWJj\u0141ZGVm":          "616263019195",
		"YW\u4141JjZGVm":          "6160098d9195",
		"YW Jj\u0141ZGVm====YQ==": "616263019195",
	} {
		got, err := engineio.Decode("b" + text)
		if err != nil || !got.Binary || hex.EncodeToString([]byte(got.Data)) != want {
			t.Errorf("%q: got %x, %v; want %s", text, got.Data, err, want)
		}
	}
}

// TestBase64Bounded has a client send a lot of nothing.
func TestBase64Bounded(t *testing.T) {
	text := "b!" + strings.Repeat("A", 1<<20)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := engineio.Decode(text); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 4<<20 {
		t.Errorf("%d bytes for a frame of 1 MiB", allocated)
	}
}
