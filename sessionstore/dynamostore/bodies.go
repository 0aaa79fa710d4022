package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// A body is frames that are too large for the item they belong to. Their text is cut into parts, each an item;
// the first part says how long the frames are. Bodies are written before what refers to them, and never
// removed: their time to live ends them.

// partSize is the most text in one part, so that it and 100 KB of lengths (some 15,000 frames) fit into the
// 400 KB of an item.
const partSize = 300 << 10

// body is frames under a key.
type body struct {
	key    bodyKey
	frames []string
}

// bodyRef names a body of a known size in bytes.
type bodyRef struct {
	key  bodyKey
	size int
}

// cut splits a text into parts of at most partSize bytes, between characters.
func cut(text string) []string {
	var parts []string
	for len(text) > partSize {
		n := partSize
		for n > partSize-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		parts = append(parts, text[:n])
		text = text[n:]
	}
	return append(parts, text)
}

// mostParts is how many parts a body of this size may have: a cut may be up to three bytes early.
func mostParts(size int) int { return 1 + size/(partSize-utf8.UTFMax+1) }

// items returns the parts of a body.
func (b body) items() []item {
	lengths := make([]string, len(b.frames))
	for i, f := range b.frames {
		lengths[i] = strconv.Itoa(len(f))
	}
	parts := cut(strings.Join(b.frames, ""))
	items := make([]item, len(parts))
	for i, part := range parts {
		items[i] = b.key.part(i).item()
		items[i][attrText] = str(part)
		items[i][attrTTL] = seconds(bodiesEnd())
	}
	items[0][attrLengths] = str(strings.Join(lengths, ","))
	return items
}

// puts are the writes that store a body.
func (b body) puts() []types.WriteRequest {
	var writes []types.WriteRequest
	for _, it := range b.items() {
		writes = append(writes, putRequest(it))
	}
	return writes
}

// putApart stores bodies and pages. Nothing refers to them yet. So if it fails, it is certain that the write which was
// to refer to them was not made.
func (s *Store) putApart(ctx context.Context, op sessionstore.Op, writes []types.WriteRequest) error {
	err := s.writeAll(ctx, op, writes)
	if sessionstore.InDoubt(err) {
		return fmt.Errorf("%w: %w", sessionstore.ErrUnavailable, err)
	}
	return err
}

// bodies fetches bodies. ErrNotFound if one is gone.
func (s *Store) bodies(ctx context.Context, op sessionstore.Op, refs []bodyRef) (map[bodyKey][]string, error) {
	out := make(map[bodyKey][]string, len(refs))
	if len(refs) == 0 {
		return out, nil
	}
	var keys []key
	for _, r := range refs {
		if _, ok := out[r.key]; ok {
			continue // DynamoDB takes each key once
		}
		out[r.key] = nil
		for i := range mostParts(r.size) {
			keys = append(keys, r.key.part(i))
		}
	}
	parts, err := s.getAll(ctx, op, keys)
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		frames, ok := join(r, parts)
		if !ok {
			return nil, fmt.Errorf("body: %w", sessionstore.ErrNotFound)
		}
		out[r.key] = frames
	}
	return out, nil
}

// join puts the parts of a body together; false if any is missing.
func join(r bodyRef, parts map[key]item) ([]string, bool) {
	var all strings.Builder
	all.Grow(r.size)
	for i := range mostParts(r.size) {
		all.WriteString(text(parts[r.key.part(i)], attrText))
	}
	first, ok := parts[r.key.part(0)]
	if !ok || all.Len() != r.size {
		return nil, false
	}
	rest := all.String()
	lengths := strings.Split(text(first, attrLengths), ",")
	frames := make([]string, 0, len(lengths))
	for _, l := range lengths {
		n, err := strconv.Atoi(l)
		if err != nil || n > len(rest) {
			return nil, false
		}
		frames = append(frames, rest[:n])
		rest = rest[n:]
	}
	return slices.Clip(frames), rest == ""
}
