// Package costs measures what requests of clients cost in the store at worst: whatever a client made the store keep
// before. It has tests only. Its table is that of docs/architecture.md.
package costs
