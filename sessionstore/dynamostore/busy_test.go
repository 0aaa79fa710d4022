package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// busyRooms is a client whose rooms are partitions above their rate until some time, as when thousands join one at
// once.
type busyRooms struct {
	dynamostore.Client
	until time.Time
}

func (c *busyRooms) busy(it map[string]types.AttributeValue) bool {
	pk, ok := it["PK"].(*types.AttributeValueMemberS)
	return ok && strings.HasPrefix(pk.Value, "R#") && time.Now().Before(c.until)
}

func (c *busyRooms) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	if c.busy(in.Item) {
		return nil, throttled(nil)
	}
	return c.Client.PutItem(ctx, in, o...)
}

func (c *busyRooms) DeleteItem(
	ctx context.Context, in *dynamodb.DeleteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	if c.busy(in.Key) {
		return nil, throttled(nil)
	}
	return c.Client.DeleteItem(ctx, in, o...)
}

func (c *busyRooms) BatchWriteItem(
	ctx context.Context, in *dynamodb.BatchWriteItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchWriteItemOutput, error) {
	var now, later []types.WriteRequest
	for _, w := range in.RequestItems[table] {
		if w.PutRequest != nil && c.busy(w.PutRequest.Item) || w.DeleteRequest != nil && c.busy(w.DeleteRequest.Key) {
			later = append(later, w)
		} else {
			now = append(now, w)
		}
	}
	if len(now) == 0 {
		return &dynamodb.BatchWriteItemOutput{UnprocessedItems: map[string][]types.WriteRequest{table: later}}, nil
	}
	in.RequestItems = map[string][]types.WriteRequest{table: now}
	out, err := c.Client.BatchWriteItem(ctx, in, o...)
	if err == nil && len(later) > 0 {
		out.UnprocessedItems = map[string][]types.WriteRequest{table: append(out.UnprocessedItems[table], later...)}
	}
	return out, err
}

// busyCalls are what waits for a busy room.
var busyCalls = []struct {
	name    string
	run     func(ctx context.Context, s *dynamostore.Store, k sessionstore.NewSocket) error
	certain bool // nothing is written if it gives up
}{
	{"join", func(ctx context.Context, s *dynamostore.Store, k sessionstore.NewSocket) error {
		return s.Join(ctx, k.Row(), "r", conn, wideSocket)
	}, true},
	{"put", func(ctx context.Context, s *dynamostore.Store, k sessionstore.NewSocket) error {
		k.Namespace, k.Rooms = "/busy", []sessionstore.Room{"r"}
		return s.PutSocket(ctx, k, conn, wideSocket)
	}, false},
	{"leave", func(ctx context.Context, s *dynamostore.Store, k sessionstore.NewSocket) error {
		return s.Leave(ctx, k.Row(), "mine")
	}, true},
	{"remove", func(ctx context.Context, s *dynamostore.Store, k sessionstore.NewSocket) error {
		_, err := s.RemoveSocket(ctx, k.Row())
		return err
	}, false},
}

// TestBusyRoomIsWaitedFor: what changes the members of a room waits as long as its context has time.
func TestBusyRoomIsWaitedFor(t *testing.T) {
	c := &busyRooms{Client: newTable(t)}
	s := dynamostore.New(c, dynamostore.Options{Table: table})
	for _, call := range busyCalls {
		k := sessionstore.NewSocket{ID: "k", Session: newID(), Namespace: "/", Rooms: []sessionstore.Room{"mine"}}
		c.until = time.Time{}
		must(t, s.PutSocket(t.Context(), k, conn, wideSocket))
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		c.until = time.Now().Add(1500 * time.Millisecond)
		if err := call.run(ctx, s, k); err != nil {
			t.Errorf("%s: %v", call.name, err)
		}
		cancel()
	}
}

// TestBusyRoomForTooLong: a call gives up in time to tell of it, and a join leaves nothing.
func TestBusyRoomForTooLong(t *testing.T) {
	c := &busyRooms{Client: newTable(t)}
	s := dynamostore.New(c, dynamostore.Options{Table: table})
	for _, call := range busyCalls {
		k := sessionstore.NewSocket{ID: "k", Session: newID(), Namespace: "/", Rooms: []sessionstore.Room{"mine"}}
		c.until = time.Time{}
		must(t, s.PutSocket(t.Context(), k, conn, wideSocket))
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		end, _ := ctx.Deadline()
		c.until = time.Now().Add(time.Minute)
		err := call.run(ctx, s, k)
		left := time.Until(end)
		if err == nil || left < 500*time.Millisecond || left > 2*time.Second {
			t.Errorf("%s: error %v with %v left", call.name, err, left)
		}
		if call.certain != errors.Is(err, sessionstore.ErrThrottled) {
			t.Errorf("%s: error %v; certain %v", call.name, err, call.certain)
		}
		cancel()
		c.until = time.Time{}
		rooms, readErr := s.RoomsOf(t.Context(), k.Row())
		must(t, readErr)
		if call.certain && fmt.Sprint(rooms, members(t, s, "r")) != "[mine] 0" {
			t.Errorf("%s: rooms %v, and %d members of the other", call.name, rooms, members(t, s, "r"))
		}
	}
}
