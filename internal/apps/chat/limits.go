package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// limits are what a person may send, and what is sent to them. The page is told them (limitsPath), and has none of
// its own.
type limits struct {
	Name   int `json:"name"`   // characters of a person's name
	Room   int `json:"room"`   // characters of a room's name
	Text   int `json:"text"`   // characters of a message
	Rooms  int `json:"rooms"`  // rooms that one person may be in; each is a row to remove when they leave
	People int `json:"people"` // people of a room that are listed
}

// most holds the limits. JSON takes six bytes for a character at most, so the longest message is 12 KB: it fits into
// a frame that API Gateway takes (32 KB).
var most = limits{Name: 32, Room: 32, Text: 2000, Rooms: 50, People: 200}

// tidy trims what a person typed. A problem is in words for that person.
func tidy(text, what string, limit int) (tidied, problem string) {
	tidied = strings.TrimSpace(text)
	if !strings.ContainsFunc(tidied, isSeen) {
		return "", "the " + what + " is empty"
	}
	if n := utf8.RuneCountInString(tidied); n > limit {
		return "", fmt.Sprintf("the %s is too long: it has %d characters, %d are the limit", what, n, limit)
	}
	return tidied, ""
}

// tidyName is tidy for what stands in one line, beside what others wrote: it may not have line breaks, nor characters
// that change the direction of what follows.
func tidyName(text, what string, limit int) (tidied, problem string) {
	tidied, problem = tidy(text, what, limit)
	if problem == "" && strings.ContainsFunc(tidied, isUnruly) {
		return "", "the " + what + " has characters that cannot be shown in one line"
	}
	return tidied, problem
}

// isSeen tells whether a character leaves a mark: a name of spaces that have no width is empty too.
func isSeen(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }

// isUnruly tells whether a character breaks a line or turns its direction.
func isUnruly(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
