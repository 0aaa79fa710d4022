// Package queue is SQS on a laptop: standard and FIFO queues in memory, with delays, visibility timeouts, receive
// counts and dead letters; the API that the SDKs and the command line speak; and the mappings that feed functions
// from queues, as Lambda's pollers do.
//
// Queues deliver at least once, as SQS does: a message that is not deleted within its visibility timeout comes
// again. A standard queue delivers in the order of sending as a rule, which the service does not promise. What is
// sent is gone when the process ends.
//
// [New] makes the queues; [Queues.ServeHTTP] serves them to other programs; [Queue.Send], [Queue.Receive] and
// [Queue.Delete] are for this one. [Queues.Feed] and [Schedule.Run] call functions. What is not emulated is said in
// docs/emulation.md.
//
// What is emulated is described here, and limits come from the second of these pages:
//
//   - https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
//   - https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
//   - https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
package queue
