// Package deliverytest has what the tests of deliveries share: a store in memory whose calls fail as told, one that is
// slow to close sessions, and a world of sessions on polling and WebSocket over both. It is for tests only.
package deliverytest
