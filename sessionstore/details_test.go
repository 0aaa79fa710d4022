package sessionstore_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nonstick-io/nonstick/sessionstore"
)

func TestDetails(t *testing.T) {
	for _, d := range []sessionstore.Details{
		{}, {Code: 1001}, {Description: "bad packet"}, {Code: 4000, Description: "bye, now"}, {Description: " 1001 x "},
	} {
		if got := sessionstore.ParseDetails(d.String()); got != d {
			t.Errorf("%+v is stored as %q, and read as %+v", d, d.String(), got)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{strings.Repeat("a", 256), strings.Repeat("a", 256)},
		{strings.Repeat("a", 257), strings.Repeat("a", 256)},
		{strings.Repeat("ä", 129), strings.Repeat("ä", 128)},
		{"a" + strings.Repeat("ä", 128), "a" + strings.Repeat("ä", 127)},
		{"a\xffb", "a\uFFFDb"},
		{strings.Repeat("\xff", 300), "\uFFFD"},
	} {
		got := sessionstore.Details{Code: 1, Description: tt.text}.Bounded()
		if got.Code != 1 || got.Description != tt.want || !utf8.ValidString(got.Description) {
			t.Errorf("%q: %q", tt.text, got.Description)
		}
	}
}
