package engineio

import (
	"strings"
	"unicode/utf8"
)

// maxFormPairs is how many fields of a form are read, as by Node's querystring.
const maxFormPairs = 1000

// JSONP is the script that brings a payload to a page of another origin: it calls the function that the client has put
// at the index. Of the index, the query's "j", the digits count. Bytes that are no text come as characters of their
// number.
func JSONP(index, payload string) string {
	out := make([]byte, 0, len(payload)+len(payload)/4+32)
	out = append(out, "___eio["...)
	for i := range len(index) {
		if c := index[i]; c >= '0' && c <= '9' {
			out = append(out, c)
		}
	}
	out = append(out, "]("...)
	if IsBinary(payload) {
		payload = latin1(payload)
	}
	out = appendQuoted(out, payload) // which escapes U+2028 and U+2029, the ends of lines in scripts
	return string(append(out, ");"...))
}

func latin1(payload string) string {
	out := make([]byte, 0, len(payload)+len(payload)/4)
	for i := range len(payload) {
		out = utf8.AppendRune(out, rune(payload[i]))
	}
	return string(out)
}

// FromForm returns the payload that a page posts by a form, in its field "d"; false if there is none, or several. The
// client writes the end of a line as \n, because browsers change it in forms, and what was \n before as \\n.
func FromForm(body string) (payload string, ok bool) {
	n := 0
	for pair := range strings.SplitSeq(body, "&") {
		if n++; n > maxFormPairs {
			break
		}
		key, value, _ := strings.Cut(pair, "=")
		if unescape(key) != "d" {
			continue
		}
		if ok {
			return "", false
		}
		payload, ok = unescape(value), true
	}
	return unescapeLines(payload), ok
}

func unescapeLines(s string) string {
	if !strings.Contains(s, `\n`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch rest := s[i:]; {
		case strings.HasPrefix(rest, `\\n`):
			out, i = append(out, `\n`...), i+2
		case strings.HasPrefix(rest, `\n`):
			out, i = append(out, '\n'), i+1
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}
