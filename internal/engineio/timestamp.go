package engineio

import (
	"strconv"
	"strings"
	"time"
)

// The query parameter "t" of official JavaScript clients, in the two forms that there have been. In both, the time in
// milliseconds comes with what makes it unique, so a client never sends one twice, and a proxy that repeats a request
// repeats it.
const (
	// engine.io-client 3.x to 6.5, and Java's and Go's: the time in 7 digits of base 64, and for all but the first of
	// one millisecond a dot and their number in the same digits (npm package yeast).
	yeastTime  = 7
	yeastCount = 3 // digits of the number at most: 262,144 requests in one millisecond
	// engine.io-client 6.6 and later: the last 5 digits of the time in base 36, and 3 random ones. (One random string
	// in 36 ends in a zero that is not written; it is not recognized.)
	randomTime   = 5
	randomDigits = 3
)

// Unique reports whether t, the cache buster of a request, is of the form that official JavaScript clients make: such
// a client never sends one twice, so two requests with the same are one that was repeated on the way. Others send
// what repeats by itself (the second of the clock, a parameter of the application's own), which names nothing. now is
// the server's time: a t that is the time and nothing else, in base 36, has eight digits too.
func Unique(t string, now time.Time) bool {
	if strings.Trim(t, ".0123456789") == "" { // a clock, or a checksum
		return false
	}
	stamp, count, counted := strings.Cut(t, ".")
	switch {
	case len(stamp) == yeastTime && consists(stamp, isDigit64):
		return !counted || count != "" && len(count) <= yeastCount && consists(count, isDigit64)
	case len(t) == randomTime+randomDigits && consists(t, isDigit36):
		return !isClock(t, now)
	default:
		return false
	}
}

// isClock reports whether eight digits of base 36 are the time, give or take a day. The last five of them and three
// random ones are that by chance for a few minutes in a month at most; then a repeated request is not recognized.
func isClock(t string, now time.Time) bool {
	ms, err := strconv.ParseInt(t, 36, 64)
	const day = 24 * time.Hour
	return err == nil && time.UnixMilli(ms).Sub(now).Abs() < day
}

func consists(s string, digit func(c byte) bool) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}

func isDigit36(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }

func isDigit64(c byte) bool {
	return isDigit36(c) || c >= 'A' && c <= 'Z' || c == '-' || c == '_'
}
