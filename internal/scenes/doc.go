// Package scenes has tests of one client's trouble beside many healthy clients: no client may feel a neighbour. They
// run the real server; only the platform that takes its pushes is played. On the store in memory they run in simulated
// time, on DynamoDB Local, with the latency of a real table added, in real time. Each scene is also played without the
// cure that it shows, and has to fail then.
//
// NONSTICK_SCENE_PING=60s/20s has those on DynamoDB Local run with another ping interval and timeout than 10s/4s.
package scenes
