package simulation

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// pageRows is how many rows a page of a walk has.
const pageRows = 2

// paged gives rows out page by page. Each page is a scheduling point, at which the walk may fail: what has come
// before it has been given out, and is old by the time that it is used. A page is read by what next returns for the
// last row of the page before.
func paged[T any](
	ctx context.Context, s *store, name string, next func(last *T) iter.Seq2[T, error],
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *T
		for n := 1; ; n++ {
			if s.w.at(ctx, fmt.Sprintf("%s, page %d", name, n), kindRead) != proceed {
				if s.mutant == "a-walk-that-fails-ends" {
					return
				}
				var none T
				yield(none, sessionstore.ErrThrottled)
				return
			}
			var page []T
			for row, err := range next(last) {
				if err != nil {
					yield(row, err)
					return
				}
				if page = append(page, row); len(page) == pageRows {
					break
				}
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			last = &page[len(page)-1]
		}
	}
}

// behind is the rest of a range behind a member.
func (s *store) behind(last *sessionstore.Member, ids sessionstore.Range) sessionstore.Range {
	if last != nil {
		ids.From = last.Socket + "\x00"
	}
	return ids
}

func (s *store) Members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	return s.members(ctx, nsp, room, ids, s.Store.Members(ctx, nsp, room, ids))
}

// members is a walk of a room whose first page is of a walk that is given.
func (s *store) members(
	ctx context.Context, nsp sessionstore.Namespace, room sessionstore.Room, ids sessionstore.Range,
	first iter.Seq2[sessionstore.Member, error],
) iter.Seq2[sessionstore.Member, error] {
	name := fmt.Sprintf("Members %s %s-%s", room, ids.From, ids.To)
	pages := paged(ctx, s, name, func(last *sessionstore.Member) iter.Seq2[sessionstore.Member, error] {
		if last == nil {
			return first
		}
		return s.Store.Members(ctx, nsp, room, s.behind(last, ids))
	})
	return func(yield func(sessionstore.Member, error) bool) {
		for m, err := range pages {
			if err == nil {
				meets(ctx, m.Socket)
				m = s.seen(m)
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

func (s *store) NamespaceMembers(
	ctx context.Context, nsp sessionstore.Namespace, shard int, ids sessionstore.Range,
) iter.Seq2[sessionstore.Member, error] {
	name := fmt.Sprintf("NamespaceMembers %s %d %s-%s", nsp, shard, ids.From, ids.To)
	return paged(ctx, s, name, func(last *sessionstore.Member) iter.Seq2[sessionstore.Member, error] {
		return s.Store.NamespaceMembers(ctx, nsp, shard, s.behind(last, ids))
	})
}

// Registrations walks a shard as it was when the walk began: it is eventually consistent.
func (s *store) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	var rows []sessionstore.Registration
	n := 0
	return paged(
		ctx, s, "Registrations "+strconv.Itoa(shard),
		func(last *sessionstore.Registration) iter.Seq2[sessionstore.Registration, error] {
			for s.mutant == "ping-waits-for-closes" && s.r.endings() > 0 && ctx.Err() == nil {
				after(ctx, 50*time.Millisecond)
			}
			return func(yield func(sessionstore.Registration, error) bool) {
				if last == nil {
					for r, err := range s.Store.Registrations(ctx, shard) {
						if err != nil {
							yield(r, err)
							return
						}
						rows = append(rows, r)
					}
				}
				for _, r := range rows[n:] {
					n++
					if !yield(r, nil) {
						return
					}
				}
			}
		},
	)
}

func (s *store) LeaseShard(ctx context.Context, shard int, l sessionstore.Lease, now time.Time) error {
	return s.write(ctx, "LeaseShard "+strconv.Itoa(shard), func(ctx context.Context) error {
		return s.Store.LeaseShard(ctx, shard, s.lease(l), now.Add(s.skew))
	})
}

func (s *store) Member(
	ctx context.Context, nsp sessionstore.Namespace, id sessionstore.SocketID,
) (sessionstore.Member, error) {
	return read(
		ctx, s, "Member "+string(id), func() (sessionstore.Member, error) { return s.Store.Member(ctx, nsp, id) },
	)
}

func (s *store) RoomsOf(ctx context.Context, k sessionstore.Socket) ([]sessionstore.Room, error) {
	return read(ctx, s, "RoomsOf "+string(k.ID), func() ([]sessionstore.Room, error) { return s.Store.RoomsOf(ctx, k) })
}

func (s *store) InRoom(ctx context.Context, k sessionstore.Socket, room sessionstore.Room) (bool, error) {
	return read(ctx, s, "InRoom "+string(k.ID), func() (bool, error) { return s.Store.InRoom(ctx, k, room) })
}

func (s *store) Handshake(ctx context.Context, id sessionstore.SessionID) (sessionstore.Handshake, error) {
	return read(
		ctx, s, "Handshake "+string(id), func() (sessionstore.Handshake, error) { return s.Store.Handshake(ctx, id) },
	)
}

func (s *store) Auth(ctx context.Context, k sessionstore.Socket) (string, error) {
	return read(ctx, s, "Auth "+string(k.ID), func() (string, error) { return s.Store.Auth(ctx, k) })
}
