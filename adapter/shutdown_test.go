package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/adapter/delivery"
	"github.com/nonstick-io/nonstick/internal/deliverytest"
	"github.com/nonstick-io/nonstick/sessionstore"
)

var errWalk = errors.New("the registry cannot be read")

// brokenRegistry is a store whose walks of the registry break so many times, behind their first row.
type brokenRegistry struct {
	*deliverytest.Store
	breaks int
	walks  int
}

func (s *brokenRegistry) Registrations(ctx context.Context, shard int) iter.Seq2[sessionstore.Registration, error] {
	return func(yield func(sessionstore.Registration, error) bool) {
		s.walks++
		for r, err := range s.Store.Registrations(ctx, shard) {
			if !yield(r, err) {
				return
			}
			if s.breaks > 0 {
				s.breaks--
				yield(sessionstore.Registration{}, errWalk)
				return
			}
		}
	}
}

// A shutdown counts the sessions and walks them once, with a read for each; one that waits for its turn is read again.
func TestShutdownReads(t *testing.T) {
	for _, tt := range []struct {
		over  time.Duration
		reads int64 // of each session
	}{{0, 1}, {time.Hour, 2}} {
		t.Run(tt.over.String(), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				m := w.metered()
				const sessions = 300
				for i := range sessions {
					w.Polling(sessionstore.SessionID(fmt.Sprint("s", i)))
				}
				ended, err := w.adapter.Shutdown(t.Context(), tt.over)
				if ended != sessions || err != nil || w.Finished() != sessions {
					t.Errorf("ended %d, finished %d, %v", ended, w.Finished(), err)
				}
				gets, closes := m.Op(sessionstore.OpGet), m.Op(sessionstore.OpClose)
				if gets.Reads > tt.reads*sessions || closes.Writes != sessions {
					t.Errorf("%d reads, %d writes", gets.Reads, closes.Writes)
				}
				shards := int64(w.Store.Shards())
				counted, walked := m.Op(sessionstore.OpCountRegistrations), m.Op(sessionstore.OpRegistrations)
				if counted.Reads != shards || walked.Reads != shards {
					t.Errorf("%d and %d reads of the registry, want %d", counted.Reads, walked.Reads, shards)
				}
			})
		})
	}
}

// A part of the registry that cannot be read is walked again, and told of if that does not help; the rest is done.
func TestShutdownOfABrokenRegistry(t *testing.T) {
	for _, tt := range []struct {
		breaks int
		want   error
	}{{0, nil}, {1, nil}, {2, nil}, {1000, errWalk}} {
		t.Run(fmt.Sprint(tt.breaks), func(t *testing.T) {
			inWorld(t, delivery.Limits{}, func(t *testing.T, w *world) {
				const sessions = 100
				for i := range sessions {
					w.Polling(sessionstore.SessionID(fmt.Sprint("s", i)))
				}
				s := &brokenRegistry{Store: w.Store, breaks: tt.breaks}
				ended, err := adapter.New(s, w.Delivery, adapter.Options{}).Shutdown(t.Context(), time.Minute)
				if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
					t.Errorf("error = %v", err)
				}
				if tt.want == nil && ended != sessions || ended != w.Finished() || ended == 0 {
					t.Errorf("ended %d, finished %d", ended, w.Finished())
				}
				if tt.want != nil && s.walks != 3*w.Store.Shards() {
					t.Errorf("%d walks", s.walks)
				}
			})
		})
	}
}
