package queue

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol asks for it
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// attributesMD5 is the checksum of message attributes, as clients compute it: over names, types and values, each
// with its length, in the order of the names. No attributes have none.
func attributesMD5(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b bytes.Buffer
	part := func(p []byte) {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		b.Write(p)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		part([]byte(name))
		part([]byte(a.Type))
		if strings.HasPrefix(a.Type, "Binary") {
			b.WriteByte(2)
			part(a.Binary)
		} else {
			b.WriteByte(1)
			part([]byte(a.String))
		}
	}
	sum := md5.Sum(b.Bytes()) //nolint:gosec // the protocol asks for it
	return hex.EncodeToString(sum[:])
}
