package queue

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// moveActions are what a caller that moves dead letters back must be allowed on the queue that they are taken from.
var moveActions = []string{
	"sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
}

// allow asks whether the caller may do an operation. That of a batch is, to policies, that of one message:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
func (qs *Queues) allow(r *http.Request, operation string, parameters []byte) error {
	if qs.authorize == nil {
		return nil
	}
	var in struct {
		QueueUrl, QueueName, SourceArn, DestinationArn, TaskHandle string //nolint:revive // as on the wire
	}
	if err := json.Unmarshal(parameters, &in); err != nil {
		return malformed.says("the request has not the form of this operation: %v", err)
	}
	actions, arn := []string{"sqs:" + strings.TrimSuffix(operation, "Batch")}, ""
	switch operation {
	case "ListQueues":
		arn = qs.arn("") // as messages of the service have it
	case "GetQueueUrl":
		arn = qs.arn(in.QueueName)
	case "StartMessageMoveTask":
		actions, arn = moveActions, in.SourceArn
	case "ListMessageMoveTasks":
		arn = in.SourceArn
	case "CancelMessageMoveTask":
		arn = sourceOf(in.TaskHandle)
	default:
		if in.QueueUrl == "" {
			return nil // the operation says what is missing, or that there is none of that name
		}
		arn = qs.arn(in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:])
	}
	for _, action := range actions {
		if err := qs.authorize(r, action, arn); err != nil {
			return denied.says("%v", err)
		}
	}
	if operation != "StartMessageMoveTask" {
		return nil
	}
	for _, arn := range qs.destinations(in.SourceArn, in.DestinationArn) {
		if err := qs.authorize(r, "sqs:SendMessage", arn); err != nil {
			return denied.says("%v", err)
		}
	}
	return nil
}

// destinations are the queues that dead letters may be moved to: the one that was named, else those whose dead letters
// they are.
func (qs *Queues) destinations(source, named string) []string {
	if named != "" {
		return []string{named}
	}
	var all []string
	for _, q := range qs.all {
		if q.dead != nil && qs.arn(q.dead.configured().Name) == source {
			all = append(all, qs.arn(q.configured().Name))
		}
	}
	slices.Sort(all)
	return all
}
