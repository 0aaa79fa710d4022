package queue

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the protocol asks for it
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
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

// errorOf is an error as clients see it: in the new protocol, and by the name that it had in the old one.
func errorOf(err error) (status int, code, old string) {
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"
	case errors.Is(err, ErrReceipt):
		return http.StatusBadRequest, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"
	case errors.Is(err, errAction):
		return http.StatusBadRequest, "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"
	default:
		return http.StatusBadRequest, "com.amazonaws.sqs#InvalidParameterValue", "InvalidParameterValue"
	}
}

func refuse(w http.ResponseWriter, err error) {
	status, code, old := errorOf(err)
	writeError(w, status, code, old, err.Error())
}

func writeError(w http.ResponseWriter, status int, code, old, message string) {
	if old != "" {
		w.Header().Set("X-Amzn-Query-Error", old+";Sender")
	}
	writeJSON(w, status, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{code, message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", newID())
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
