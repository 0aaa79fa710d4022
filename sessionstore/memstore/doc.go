// Package memstore keeps sessions in the memory of one process.
//
// It gives the promises of the sessionstore contract in full: every transition is one step under one lock,
// with the condition that the contract names. Several gateways of one process may share a Store, as several
// instances share a table. Nothing survives the process.
//
// The package owns no goroutine, no timer and no clock. What has expired is removed by the calls that
// carry the time, a bounded number of items at each, so a process that sweeps its shards
// ([Store.LeaseShard]) holds closed sessions, connections and acknowledgements no longer than they live.
package memstore
