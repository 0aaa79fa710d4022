package sessionstore

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDetails is the greatest length of the description of [Details] in bytes. It is written with the session's item.
const MaxDetails = 256

// Details say more about why a session has closed than its reason does.
type Details struct {
	// Code is the close code of the WebSocket, if it was that what closed it, and it is known.
	Code int `json:"code,omitempty"`
	// Description is what broke, for people; it may be empty.
	Description string `json:"description,omitempty"`
}

// Bounded returns details that may be stored: with valid text of at most [MaxDetails] bytes.
func (d Details) Bounded() Details {
	d.Description = strings.ToValidUTF8(d.Description, "\uFFFD")
	if len(d.Description) <= MaxDetails {
		return d
	}
	end := MaxDetails
	for !utf8.RuneStart(d.Description[end]) {
		end--
	}
	d.Description = d.Description[:end]
	return d
}

// String returns the form in which details are stored: the code and the description, with a space between them; empty
// for none.
func (d Details) String() string {
	switch {
	case d == Details{}:
		return ""
	case d.Code == 0:
		return " " + d.Description
	default:
		return strconv.Itoa(d.Code) + " " + d.Description
	}
}

// ParseDetails is the inverse of [Details.String].
func ParseDetails(s string) Details {
	code, description, _ := strings.Cut(s, " ")
	n, _ := strconv.Atoi(code) // 0 of none
	return Details{n, description}
}
