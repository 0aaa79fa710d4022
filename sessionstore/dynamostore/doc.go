// Package dynamostore keeps sessions in one DynamoDB table.
//
// The table has a partition key PK and a sort key SK, both strings, no index, and time to live on the
// attribute "ttl". How items are keyed and what their attributes are called is said in keys.go, and
// nowhere else. Every transition of the sessionstore contract is one UpdateItem with a condition.
//
// # Errors
//
// Calls that DynamoDB refused for their rate and calls that never left this machine are repeated a few
// times with growing pauses, reads after any failure; then the error is [sessionstore.ErrThrottled] or
// [sessionstore.ErrUnavailable]. A write that is in doubt is never repeated. An operation of several writes
// that failed after the first is in doubt as a whole, whatever stopped it. Errors of the SDK do not leave
// the package; only their text does, and a context's end as itself.
//
// # Time to live
//
// The caller hands in the expiry that the contract knows (closed sessions, connections, acknowledgements). Apart from
// it every item but the leases of shards carries a far time to live, taken from the wall clock, so that what an
// instance left behind in a crash goes in the end: [Options.RowLife] for sessions and their rows, a day for packets
// that are stored apart, and for pages of the buffer. It decides nothing. No call extends it: a session that outlives
// it is lost, so it must be longer than any session lasts (API Gateway ends a WebSocket after two hours).
//
// # Cost
//
// The meter counts writes as they are asked for, refused ones too, once however often they are repeated.
// DynamoDB does not tell the capacity of refused writes: they add no units.
package dynamostore
