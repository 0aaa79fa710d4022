package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// The item of a partial packet is read at every request of its session. So it has numbers, references and, of what
// came, the header alone, if that is small.

// maxInlineHeader is the most bytes of a header within the item.
const maxInlineHeader = 512

// partialLife is how long the item stays, by the clock of the table that removes it; its deadline is long before.
const partialLife = time.Hour

// partialOf reads a partial packet; packets that are stored apart have no frames.
func partialOf(it item) sessionstore.Partial {
	return sessionstore.Partial{
		Want: int(
			number(it, attrWant),
		),
		Count: int(number(it, attrCount)), Packets: bufferOf(it), Deadline: moment(it, attrDeadline),
	}
}

// livePartial is the partial packet of an item as it is at now, or nil.
func livePartial(it item, now time.Time) *sessionstore.Partial {
	if it == nil {
		return nil
	}
	p := partialOf(it)
	if ended(p.Deadline, now) {
		return nil
	}
	return &p
}

// keepApart stores packets apart, unless the only frame is a small header, and returns their entries.
func (s *Store) keepApart(
	ctx context.Context, id sessionstore.SessionID, packets []sessionstore.Packet, inline bool,
) ([]sessionstore.Packet, []types.AttributeValue, error) {
	packets = slices.Clone(packets)
	entries := make([]types.AttributeValue, len(packets))
	var apart []types.WriteRequest
	for i, p := range packets {
		p.Frames = valid(p.Frames)
		p.Size = size(p.Frames)
		within := inline && i == 0 && len(p.Frames) == 1 && p.Size <= maxInlineHeader
		e := packetEntry(p, within)
		entries[i] = e.value()
		if !within {
			apart = append(apart, body{packetBody(id, p.ID), p.Frames}.puts()...)
			p.Frames = nil
		}
		packets[i] = p
	}
	if err := s.putApart(ctx, sessionstore.OpPartial, apart); err != nil {
		return nil, nil, fmt.Errorf("frames: %w", err)
	}
	return packets, entries, nil
}

// PutPartial implements [sessionstore.Partials]. What is stored apart takes a write for each 300 KB or part of it.
func (s *Store) PutPartial(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, now time.Time,
) error {
	const op = sessionstore.OpPartial
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("put partial packet: %w", err)
	}
	if err := p.Check(); err != nil {
		return fmt.Errorf("put partial packet: %w", err)
	}
	_, entries, err := s.keepApart(ctx, id, p.Packets, true)
	if err != nil {
		return fmt.Errorf("put partial packet: %w", err)
	}
	_, err = s.update(ctx, op, change{
		key: partialKey(id),
		update: "SET #" + attrID + " = :id, #" + attrWant + " = :want, #" + attrCount + " = :count, #" + attrBuffer +
			" = :packets, #" +
			attrDeadline + " = :deadline, #" + attrTTL + " = :ttl",
		condition: absent + " OR #" + attrDeadline + " <= :now",
		values: item{
			":id": str(
				p.ID(),
			),
			":want": num(p.Want), ":count": num(p.Count), ":packets": list(entries...),
			":now": millis(now), ":deadline": millis(p.Deadline),
			":ttl": seconds(time.Now().Add(partialLife)),
		},
	})
	if refused(err) == nil {
		if err != nil {
			return fmt.Errorf("put partial packet: %w", err)
		}
		return nil
	}
	_, err = s.update(ctx, op, change{ // the caller that has it complete cannot take it any more
		key: partialKey(
			id,
		),
		update: "SET #" + attrCount + " = #" + attrWant + " + :one", condition: present, values: item{":one": num(1)},
	})
	if err != nil && refused(err) == nil {
		return fmt.Errorf("put partial packet: spoil another: %w", err)
	}
	return fmt.Errorf("put partial packet: %w", sessionstore.ErrExists)
}

// isPartial is the condition that a partial packet is the one that was read; its values are those of partialValues.
const isPartial = "#" + attrID + " = :id AND #" + attrCount + " = :count"

func partialValues(p sessionstore.Partial) item {
	return item{":id": str(p.ID()), ":count": num(p.Count)}
}

// AddAttachments implements [sessionstore.Partials]. It takes a write for each 300 KB or part of it.
func (s *Store) AddAttachments(
	ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial, more sessionstore.Packet,
) (sessionstore.Partial, error) {
	const op = sessionstore.OpPartial
	if err := s.begin(ctx, op); err != nil {
		return p, fmt.Errorf("add attachments: %w", err)
	}
	after := p
	after.Packets = append(slices.Clip(p.Packets), more)
	if err := after.Check(); err != nil {
		return p, fmt.Errorf("add attachments: %w", err)
	}
	kept, entries, err := s.keepApart(ctx, id, []sessionstore.Packet{more}, false)
	if err != nil {
		return p, fmt.Errorf("add attachments: %w", err)
	}
	values := partialValues(p)
	values[":new"], values[":more"] = list(entries...), num(len(more.Frames))
	_, err = s.update(ctx, op, change{
		key: partialKey(id),
		update: "SET #" + attrBuffer + " = list_append(#" + attrBuffer + ", :new), #" + attrCount + " = #" +
			attrCount + " + :more",
		condition: isPartial,
		values:    values,
	})
	if err != nil {
		return p, lost(err, "add attachments: partial packet", sessionstore.ErrNotFound)
	}
	after.Packets = append(slices.Clip(p.Packets), kept...)
	after.Count += len(more.Frames)
	return after, nil
}

// CountAttachment implements [sessionstore.Partials].
func (s *Store) CountAttachment(
	ctx context.Context, id sessionstore.SessionID, now time.Time,
) (sessionstore.Partial, error) {
	const op = sessionstore.OpPartial
	var p sessionstore.Partial
	if err := s.begin(ctx, op); err != nil {
		return p, fmt.Errorf("count attachment: %w", err)
	}
	it, err := s.update(ctx, op, change{
		key:    partialKey(id),
		update: "SET #" + attrCount + " = #" + attrCount + " + :one",
		// What is complete is counted too: so the count says that it is spoilt.
		condition: "#" + attrDeadline + " > :now",
		values:    item{":one": num(1), ":now": millis(now)}, returns: types.ReturnValueAllNew,
	})
	if err != nil {
		return p, lost(err, "count attachment: partial packet", sessionstore.ErrNotFound)
	}
	if p = partialOf(it); p.Count > p.Want {
		return p, fmt.Errorf("count attachment: %w", sessionstore.ErrSpoilt)
	}
	return p, nil
}

// TakePartial implements [sessionstore.Partials]. What was stored apart is left to its time to live.
func (s *Store) TakePartial(ctx context.Context, id sessionstore.SessionID, p sessionstore.Partial) error {
	const op = sessionstore.OpPartial
	if err := s.begin(ctx, op); err != nil {
		return fmt.Errorf("take partial packet: %w", err)
	}
	if _, err := s.remove(ctx, op, partialKey(id), isPartial, partialValues(p)); err != nil {
		return lost(err, "take partial packet", sessionstore.ErrNotFound)
	}
	return nil
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
