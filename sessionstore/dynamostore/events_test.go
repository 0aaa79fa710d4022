package dynamostore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/nonstick-io/nonstick/sessionstore"
	"github.com/nonstick-io/nonstick/sessionstore/dynamostore"
)

// weighing is a client that counts the bytes of what reads bring.
type weighing struct {
	dynamostore.Client
	bytes, calls int
}

func weigh(v types.AttributeValue) (n int) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		n = len(v.Value)
	case *types.AttributeValueMemberN:
		n = len(v.Value)
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			n += weigh(e)
		}
	case *types.AttributeValueMemberM:
		for _, e := range v.Value {
			n += weigh(e)
		}
	}
	return n
}

func (w *weighing) weigh(items ...map[string]types.AttributeValue) {
	w.calls++
	for _, it := range items {
		w.bytes += weigh(&types.AttributeValueMemberM{Value: it})
	}
}

func (w *weighing) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	out, err := w.Client.GetItem(ctx, in, f...)
	if err == nil {
		w.weigh(out.Item)
	}
	return out, err
}

func (w *weighing) Query(
	ctx context.Context, in *dynamodb.QueryInput, f ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	out, err := w.Client.Query(ctx, in, f...)
	if err == nil {
		w.weigh(out.Items...)
	}
	return out, err
}

func (w *weighing) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	out, err := w.Client.BatchGetItem(ctx, in, f...)
	if err == nil {
		for _, items := range out.Responses {
			w.weigh(items...)
		}
	}
	return out, err
}

// TestEventsInPieces: a walk of a long history with large events has no more than a megabyte of them at a time, counted
// as what the reads bring between two events that the walk yields. All of them are some 20 MB.
func TestEventsInPieces(t *testing.T) {
	t.Parallel()
	const events = 1500
	client := &weighing{Client: newTable(t)}
	s := dynamostore.New(client, dynamostore.Options{Table: table})
	keep := sessionstore.Keeping{Rooms: []string{"*"}, Events: events, For: time.Hour}
	for i := range events {
		size := 500
		if i%15 == 0 {
			size = 200_000
		}
		_, err := s.Record(t.Context(), "/", "room", sessionstore.Event{
			ID: sessionstore.PacketID(fmt.Sprint(i)), Frames: []string{strings.Repeat("x", size)}, At: time.Now(),
		}, keep)
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := s.History(t.Context(), "/", "room")
	if err != nil {
		t.Fatal(err)
	}
	client.bytes, client.calls = 0, 0
	most, all, n := 0, 0, 0
	for e, err := range s.Events(t.Context(), "/", "room", h.Last-events, h.Last) {
		if err != nil {
			t.Fatal(err)
		}
		most, client.bytes = max(most, client.bytes), 0
		all += e.Bytes()
		n++
	}
	t.Logf("%d events of %d bytes, %d bytes at a time at most, %d calls", n, all, most, client.calls)
	if n != events || most > 1<<20 {
		t.Errorf("%d events, of which %d bytes were read at a time", n, most)
	}
}
