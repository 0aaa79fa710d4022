// Package sessionstore is the contract between the gateway and the place where sessions live.
//
// A session is shared by every instance of the gateway: any of them may act on it at any moment, and
// die in the middle. So each transition of a session is one conditional write on one item, and the
// methods of the role interfaces below are exactly those transitions (docs/protocol.md lists them).
// The package holds no implementation; memstore keeps sessions in the memory of one process,
// dynamostore in a DynamoDB table, and storetest is the conformance suite that both pass.
//
// # Rules for every method
//
//   - A write that did not happen because its condition failed returns a *[ConflictError] that carries
//     the session as it was (DynamoDB: ReturnValuesOnConditionCheckFailure ALL_OLD). It matches [ErrConflict].
//     That of a socket's data returns a *[ChangedError], which carries the data and matches the same.
//   - [ErrNotFound]: the item does not exist, or its time to live has passed.
//   - [ErrThrottled] and [ErrUnavailable]: it is certain that nothing was written.
//   - Any other error, a cancelled context included, is in doubt: the write may have been applied, or
//     may still be applied at any later moment. [InDoubt] tells the two kinds apart. A store never
//     repeats a write that is in doubt.
//   - Reads are strongly consistent unless the method says otherwise.
//   - Whatever a client, or the application on its behalf, can make a store keep has a limit, the same in every
//     store: an argument of the call ([SocketLimits], [BufferLimits]) or a constant ([MaxHandshake], [MaxKept], ...).
//     Above it nothing is written, and the error names the limit. What a session is read with stays small whatever is
//     kept.
//   - Time is handed in: a store never asks the clock for a decision.
//   - Values returned (slices and maps included) are shared and must not be modified; values handed
//     in are copied or kept, so the caller must not modify them afterwards either.
package sessionstore
