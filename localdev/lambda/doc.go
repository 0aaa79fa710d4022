// Package lambda is AWS Lambda on a laptop: it runs functions as processes that speak the Runtime API, as they
// are deployed, with the edges of the service. An environment serves one invocation at a time and is frozen
// (SIGSTOP) in between; there is a cold start whenever all are busy, and a throttle above the concurrency of the
// function; what takes too long or uses too much memory is killed; what crashes is an error of its caller.
//
// Every process is in a process group of its own, and ends when this process does, on Linux also when this one
// is killed. What is not emulated is said in docs/emulation.md.
package lambda
