package dynamostore

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

const (
	// maxInlineAttachment is the most bytes of an attachment within the partial packet's item.
	maxInlineAttachment = 16 << 10
	// maxInlineAttachments is the most bytes of all attachments within it: it is read with the session.
	maxInlineAttachments = 64 << 10
)

// attachments are those of one call, each to be put within the item or apart.
type attachments struct {
	entries []types.AttributeValue
	bodies  []body
	within  int // bytes
}

// newAttachments puts small attachments within the item, as long as room is left, and none if there is no room.
func newAttachments(id sessionstore.SessionID, values []string, room int) attachments {
	var a attachments
	for _, v := range valid(values) {
		if len(v) <= maxInlineAttachment && a.within+len(v) <= room {
			a.entries = append(a.entries, str(v))
			a.within += len(v)
			continue
		}
		name := sessionstore.NewID()
		a.bodies = append(a.bodies, body{attachmentBody(id, name), []string{v}})
		a.entries = append(a.entries, &types.AttributeValueMemberM{Value: item{attrID: str(name), attrSize: num(len(v))}})
	}
	return a
}

// partialOf reads a partial packet with all its attachments.
func (s *Store) partialOf(ctx context.Context, op sessionstore.Op, id sessionstore.SessionID, it item) (sessionstore.Partial, error) {
	p := sessionstore.Partial{
		Header: text(it, attrHeader), Want: int(number(it, attrWant)), Deadline: moment(it, attrDeadline),
	}
	entries := elements(it, attrAttachments)
	refs := make([]bodyRef, len(entries))
	var apart []bodyRef
	for i, e := range entries {
		if m, ok := e.(*types.AttributeValueMemberM); ok {
			refs[i] = bodyRef{attachmentBody(id, text(m.Value, attrID)), int(number(m.Value, attrSize))}
			apart = append(apart, refs[i])
		}
	}
	bodies, err := s.bodies(ctx, op, apart)
	if err != nil {
		return p, fmt.Errorf("attachments: %w", err)
	}
	for i, e := range entries {
		if v, ok := e.(*types.AttributeValueMemberS); ok {
			p.Attachments = append(p.Attachments, v.Value)
		} else {
			p.Attachments = append(p.Attachments, bodies[refs[i].key]...)
		}
	}
	return p, nil
}

// PutPartial implements [sessionstore.Partials]. Large attachments take a write for each 300 KB or part of it.
func (s *Store) PutPartial(ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial) error {
	const op = sessionstore.OpPartial
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put partial packet: %w", err)
	}
	a := newAttachments(id, p.Attachments, maxInlineAttachments)
	if err := s.putBodies(ctx, op, a.bodies); err != nil {
		return fmt.Errorf("put partial packet: attachments: %w", err)
	}
	it := partialKey(id).item()
	it[attrHeader] = str(p.Header)
	it[attrWant] = num(p.Want)
	it[attrAttachments] = list(a.entries...)
	it[attrInlineSize] = num(a.within)
	withTime(it, attrDeadline, p.Deadline)
	it[attrTTL] = seconds(s.rowsEnd())
	if err := s.put(ctx, op, it, absent); err != nil {
		return lost(err, "put partial packet", sessionstore.ErrExists)
	}
	return nil
}

// AddAttachments implements [sessionstore.Partials]. Large attachments take a write for each 300 KB or part of it,
// and a read for each 100 of those.
func (s *Store) AddAttachments(ctx context.Context, id sessionstore.SessionID, values []string) (sessionstore.Partial, error) {
	const op = sessionstore.OpPartial
	var p sessionstore.Partial
	if err := s.begin(ctx, op); err != nil {
		return p, fmt.Errorf("add attachments: %w", err)
	}
	it, err := s.addAttachments(ctx, id, newAttachments(id, values, maxInlineAttachments))
	if r := refused(err); r != nil && r.found != nil {
		it, err = s.addAttachments(ctx, id, newAttachments(id, values, -1)) // the item has no room
	}
	if err != nil {
		return p, lost(err, "add attachments: partial packet", sessionstore.ErrNotFound)
	}
	if p, err = s.partialOf(ctx, op, id, it); err != nil {
		return p, fmt.Errorf("add attachments: partial packet: %w", partly(err))
	}
	return p, nil
}

// addAttachments appends attachments and returns the item afterwards. It is refused if there is none, and if
// it has no room.
func (s *Store) addAttachments(ctx context.Context, id sessionstore.SessionID, a attachments) (item, error) {
	const op = sessionstore.OpPartial
	if err := s.putBodies(ctx, op, a.bodies); err != nil {
		return nil, fmt.Errorf("attachments: %w", err)
	}
	c := change{
		key: partialKey(id),
		update: "SET #" + attrAttachments + " = list_append(#" + attrAttachments + ", :new), #" +
			attrInlineSize + " = #" + attrInlineSize + " + :within",
		condition: present,
		values:    item{":new": list(a.entries...), ":within": num(a.within)},
		returns:   types.ReturnValueAllNew,
	}
	if a.within > 0 {
		c.condition += " AND #" + attrInlineSize + " <= :room"
		c.values[":room"] = num(maxInlineAttachments - a.within)
	}
	return s.update(ctx, op, c)
}

// DeletePartial implements [sessionstore.Partials].
func (s *Store) DeletePartial(ctx context.Context, id sessionstore.SessionID) error {
	const op = sessionstore.OpPartial
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("delete partial packet: %w", err)
	}
	if _, err := s.remove(ctx, op, partialKey(id), "", nil); err != nil {
		return fmt.Errorf("delete partial packet: %w", err)
	}
	return nil
}
