package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// maxAttributes is how many attributes a message may have.
const maxAttributes = 10

// maxID is the length of a group's and of a deduplication id.
const maxID = 128

// punctuation is what the ids of groups and of deduplication may have beside letters and digits.
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// size is what of a message counts.
func (m *Message) size() int {
	n := len(m.Body)
	for k, a := range m.Attributes {
		n += len(k) + len(a.Type) + len(a.String) + len(a.Binary)
	}
	return n
}

// check judges a message, and gives it its deduplication id.
func (q *Queue) check(m *Message) error {
	switch {
	case m.Body == "":
		return missing("MessageBody")
	case m.size() > maxMessage:
		return tooLarge.says(
			"One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", maxMessage,
		)
	case !plainText(m.Body):
		return badContents.says(
			"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
		)
	case m.Delay != nil && (*m.Delay < 0 || *m.Delay > maxDelay):
		return badValue(seconds(*m.Delay), "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	case m.Group != "" && !validID(m.Group):
		return badID(m.Group, "MessageGroupId")
	case m.Dedup != "" && !validID(m.Dedup):
		return badID(m.Dedup, "MessageDeduplicationId")
	}
	if err := checkAttributes(m.Attributes); err != nil {
		return err
	}
	return q.checkFIFO(m)
}

// checkFIFO judges what is of FIFO queues about a message.
func (q *Queue) checkFIFO(m *Message) error {
	spec := q.configured()
	const kind = "The request include parameter that is not valid for this queue type."
	switch {
	case !spec.FIFO && m.Dedup != "":
		return badValue(m.Dedup, "MessageDeduplicationId", kind)
	case !spec.FIFO:
		return nil
	case m.Delay != nil && *m.Delay > 0:
		return badValue(seconds(*m.Delay), "DelaySeconds", kind)
	case m.Group == "":
		return missing("MessageGroupId")
	case m.Dedup == "" && !spec.ContentDedup:
		return invalid.says(
			"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
		)
	case m.Dedup == "":
		sum := sha256.Sum256([]byte(m.Body))
		m.Dedup = hex.EncodeToString(sum[:])
	}
	return nil
}

func checkAttributes(all map[string]Attribute) error {
	if len(all) > maxAttributes {
		return invalid.says(
			"Number of message attributes [%d] exceeds the allowed maximum [%d].", len(all), maxAttributes,
		)
	}
	for name, a := range all {
		kind, _, _ := strings.Cut(a.Type, ".")
		switch {
		case kind != "String" && kind != "Number" && kind != "Binary":
			return invalid.says(
				"The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
				name,
			)
		case kind == "Binary" && len(a.Binary) == 0, kind != "Binary" && a.String == "":
			return invalid.says(
				"Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind,
			)
		}
	}
	return nil
}

// plainText reports whether a text has only characters that XML may have, which is all that SQS takes.
func plainText(s string) bool {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return utf8.ValidString(s)
}

func validID(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') &&
			!strings.ContainsRune(punctuation, r) {
			return false
		}
	}
	return len(s) <= maxID
}

func badID(value, parameter string) error {
	return badValue(
		value, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.",
	)
}

// seconds is a time as the API tells it.
func seconds(d time.Duration) string { return itoa(int(d / time.Second)) }
