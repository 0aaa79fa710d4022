// Package queue is SQS on a laptop: standard and FIFO queues in memory, with delays, visibility timeouts, receive
// counts and dead letters; the API that the SDKs and the command line speak; and the mappings that feed functions
// from queues, as Lambda's pollers do.
//
// Queues deliver at least once, as SQS does: a message that is not deleted within its visibility timeout comes
// again. A standard queue delivers in the order of sending as a rule, which the service does not promise.
package queue
