package dynamostore

import (
	"context"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// DefaultShards is the number of shards of the registry and of each namespace's members.
const DefaultShards = 16

// DefaultRowLife is the time to live of sessions and their rows, if no instance removes them.
const DefaultRowLife = 90 * 24 * time.Hour

// bodyLife is the time to live of what is stored apart: it is fetched within seconds, or never.
const bodyLife = 24 * time.Hour

// Options configures a Store.
type Options struct {
	// Table is the table's name; needed.
	Table string
	// Shards is the number of shards; DefaultShards if 0 or less. All users of a table must agree on it.
	Shards int
	// Meter counts operations; nil counts nothing.
	Meter *sessionstore.Meter
	// RowLife is when what a crash left behind is removed; DefaultRowLife if 0 or less. It must be longer than
	// any session lasts.
	RowLife time.Duration
}

// Store keeps sessions in a DynamoDB table. Use [New]. It is safe for concurrent use, and holds no state but
// its configuration.
type Store struct {
	client  Client
	table   string
	shards  int
	meter   *sessionstore.Meter
	rowLife time.Duration
}

var _ sessionstore.Store = (*Store)(nil)

// New returns a store in a table that exists, see [CreateTable]. It makes no call.
func New(client Client, o Options) *Store {
	if o.Shards <= 0 {
		o.Shards = DefaultShards
	}
	if o.RowLife <= 0 {
		o.RowLife = DefaultRowLife
	}
	return &Store{client: client, table: o.Table, shards: o.Shards, meter: o.Meter, rowLife: o.RowLife}
}

// begin counts an operation, unless its context has ended already.
func (s *Store) begin(ctx context.Context, op sessionstore.Op) error {
	if err := sessionstore.NotSent(ctx); err != nil {
		return err
	}
	s.meter.Add(op, sessionstore.Usage{Calls: 1})
	return nil
}

// rowsEnd and bodiesEnd are times to live. They take the wall clock, because what removes expired items
// does too, and because nothing is decided by them.
func (s *Store) rowsEnd() time.Time { return time.Now().Add(s.rowLife) }

func bodiesEnd() time.Time { return time.Now().Add(bodyLife) }

// shardOf says in which shard of the registry a session is, or of its namespace a socket.
func shardOf[T ~string](s *Store, id T) int { return int(hash(id) % uint32(s.shards)) }
