// Package boot is how a function starts: its configuration from the environment, its log and metrics, its store, its
// way to connections and to queues, and what surrounds each invocation. What a function does with them is up to
// packages serve and emitting.
package boot
