package engineio_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/internal/engineio"
)

// TestJSONP has what the reference answers (engine.io 6.6.12, polling-jsonp.js).
func TestJSONP(t *testing.T) {
	for _, tt := range []struct{ index, payload, want string }{
		{"0", `4hello`, `___eio[0]("4hello");`},
		{"12", `4a"b\c</script>`, `___eio[12]("4a\"b\\c</script>");`},
		{"1;alert(2)//", "4", `___eio[12]("4");`},
		{"", "6", `___eio[]("6");`},
		{
			"0", "4\u2028\u2029\b\f\n\r\t\x01\x1e\x7fé🙂",
			`___eio[0]("4\u2028\u2029\b\f\n\r\t\u0001\u001e` + "\x7fé🙂" + `");`,
		},
		{"0", "\x01\x02\xff\x04\x80", "___eio[0](\"\\u0001\\u0002ÿ\\u0004\u0080\");"},
	} {
		if got := engineio.JSONP(tt.index, tt.payload); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.payload, got, tt.want)
		}
	}
}

// TestFromForm has what the reference reads.
func TestFromForm(t *testing.T) {
	for _, tt := range []struct {
		body, want string
		ok         bool
	}{
		{"d=4hello", "4hello", true},
		{"d=8%3A4a%2Bb+c%E2%82%AC", "8:4a+b c€", true},
		{`d=4a%5Cnb`, "4a\nb", true},
		{`d=4a%5C%5Cnb`, `4a\nb`, true},
		{`d=4a%5C%5C%5Cnb`, `4a\\nb`, true},
		{`d=4a%0Ab`, "4a\nb", true},
		{"x=1&d=4a", "4a", true},
		{"d=", "", true},
		{"d", "", true},
		{"d=4a&d=4b", "", false},
		{"", "", false},
		{"4hello", "", false},
		{strings.Repeat("x&", 1000) + "d=4a", "", false},
	} {
		got, ok := engineio.FromForm(tt.body)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%.40q: got %q, %v; want %q, %v", tt.body, got, ok, tt.want, tt.ok)
		}
	}
}

// A script carries any text, and a form that a client makes is read as the client meant it.
func FuzzJSONP(f *testing.F) {
	for _, s := range []string{"4a\nb", `4a\nb`, `4\\n`, "4\u2028", "\x00\x01\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8("4"+s, "\uFFFD")
		script := engineio.JSONP("0", s)
		var got string
		quoted := strings.TrimSuffix(strings.TrimPrefix(script, "___eio[0]("), ");")
		if err := json.Unmarshal([]byte(quoted), &got); err != nil || got != s {
			t.Fatalf("%q: %s, %v", s, script, err)
		}
		sent := strings.ReplaceAll(strings.ReplaceAll(s, `\n`, `\\n`), "\n", `\n`)
		back, ok := engineio.FromForm("d=" + url.QueryEscape(sent))
		ambiguous := strings.Contains(s, `\\n`) || strings.Contains(s, "\\\n") // as the client writes them
		if !ambiguous && (!ok || back != s) {
			t.Fatalf("%q: sent as %q, came as %q", s, sent, back)
		}
	})
}
