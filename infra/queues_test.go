package infra

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What Lambda's documentation asks of a queue that feeds a function.
const (
	visibilityFactor = 6
	leastReceives    = 5
)

// shortVisibility are queues whose messages come again sooner than the rule has it, and why.
var shortVisibility = map[string]string{
	"InboundQueue": "a frame that comes twice ends its connection, and so do pongs that wait for longer than the " +
		"ping timeout",
}

// While a function is throttled nothing is lost: messages wait, and are received as often as their retention lets
// them be.
func TestQueuesOutlastThrottles(t *testing.T) {
	s := deploy(t, nil)
	for _, problem := range s.queueProblems(t) {
		t.Error(problem)
	}
	for _, tt := range []struct {
		name, id string
		to       any
		path     []string
		want     string
	}{
		{
			"a function that may take longer", "FanoutFunction", "31",
			[]string{"Timeout"},
			"FanoutQueue: messages are invisible for 180 s, want 186",
		},
		{
			"frames that come again while they are handled", "InboundQueue", "30",
			[]string{"VisibilityTimeout"},
			"InboundQueue: messages are invisible for 30 s, want 31",
		},
		{
			"what lost a broadcast", "FanoutQueue", "3",
			[]string{"RedrivePolicy", "maxReceiveCount"},
			"received 3 times is given up, want 20",
		},
		{
			"few deliveries in a short life", "OpenQueue", "2",
			[]string{"RedrivePolicy", "maxReceiveCount"},
			"received 2 times is given up, want 5",
		},
		{
			"a batching window", "CloseFunctionEnd", "10",
			[]string{"MaximumBatchingWindowInSeconds"},
			"ClosesQueue: messages are invisible for 210 s, want 220",
		},
		{
			"single messages that nobody asks for", "CloseFunctionEnd", nil,
			[]string{"FunctionResponseTypes"},
			"is not listened to",
		},
		{
			"dead letters of the other kind", "FanoutQueue", "arn:aws:sqs:us-east-1:000000000000:DeadLetters",
			[]string{"RedrivePolicy", "deadLetterTargetArn"},
			"want a queue of its kind",
		},
		{
			"a queue that feeds nobody", "FanoutFunctionRest", "arn:aws:sqs:us-east-1:000000000000:ClosesQueue",
			[]string{"EventSourceArn"},
			"FanoutQueue: feeds a function: false",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := deploy(t, nil)
			changed.set(tt.to, tt.id, tt.path...)
			if got := strings.Join(changed.queueProblems(t), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("problems %q, want %q", got, tt.want)
			}
		})
	}
}

// queueProblems says what is wrong with the queues of a stack.
func (s stack) queueProblems(t *testing.T) (problems []string) {
	t.Helper()
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	fed := map[string]bool{}
	for _, id := range s.of(kindMapping) {
		queue, function := last(s.text(id, "EventSourceArn")), last(s.text(id, "FunctionName"))
		fed[queue] = true
		timeout, window := s.number(t, function, "Timeout"), 0
		if s.at(id, "MaximumBatchingWindowInSeconds") != nil {
			window = s.number(t, id, "MaximumBatchingWindowInSeconds")
		}
		visibility, retention := s.number(t, queue, "VisibilityTimeout"), s.number(t, queue, "MessageRetentionPeriod")
		least := visibilityFactor*timeout + window
		if shortVisibility[queue] != "" {
			least = timeout + 1
		}
		if visibility < least {
			say(
				"%s: messages are invisible for %d s, want %d: %s may take %d s", queue, visibility, least, function,
				timeout,
			)
		}
		receives := s.number(t, queue, "RedrivePolicy", "maxReceiveCount")
		if want := max(leastReceives, (retention+visibility-1)/visibility); receives < want {
			say(
				"%s: a message that is received %d times is given up, want %d: it is kept for %d s and comes every %d s",
				queue, receives, want, retention, visibility,
			)
		}
		if types := list(s.at(id, "FunctionResponseTypes")); !slices.Contains(types, any("ReportBatchItemFailures")) {
			say("%s: what %s says of single messages is not listened to", id, function)
		}
		dead := last(s.text(queue, "RedrivePolicy", "deadLetterTargetArn"))
		if s[dead].Type != kindQueue || s.text(dead, "FifoQueue") != s.text(queue, "FifoQueue") ||
			s.number(t, dead, "MessageRetentionPeriod") != 1_209_600 {
			say("%s: dead letters go to %q, want a queue of its kind that keeps them for two weeks", queue, dead)
		}
	}
	for _, id := range s.of(kindQueue) {
		if fed[id] == strings.HasSuffix(id, "DeadLetters") {
			say("%s: feeds a function: %v", id, fed[id])
		}
	}
	return problems
}

// The HTTP API gives up after 30 s, the WebSocket API after 29 s.
func TestFunctionsEndBeforeTheirAPI(t *testing.T) {
	s := deploy(t, nil)
	for id, most := range map[string]int{"PollingFunction": 29, "WebSocketFunction": 28} {
		if got := s.number(t, id, "Timeout"); got > most {
			t.Errorf("%s may take %d s, the API waits for less", id, got)
		}
	}
}

// A function that nothing feeds is invoked by programs, maybe asynchronously: then it is tried again once, soon or
// never, and what fails is among the dead letters.
func TestAsynchronousInvocations(t *testing.T) {
	s := deploy(t, nil)
	called := map[string]bool{}
	for _, id := range s.of(kindMapping) {
		called[last(s.text(id, "FunctionName"))] = true
	}
	for _, id := range s.of("AWS::Lambda::Permission") {
		called[last(s.text(id, "FunctionName"))] = true
	}
	for _, function := range s.of(kindFunction) {
		config := function + "EventInvokeConfig"
		if called[function] {
			continue
		}
		destination := s.text(config, "DestinationConfig", "OnFailure", "Destination")
		if s[last(destination)].Type != kindQueue || s.text(last(destination), "FifoQueue") == "true" {
			t.Errorf("%s: calls that fail go to %q, want a queue", function, destination)
		}
		if s[config].Type == "" {
			continue
		}
		if retries, age := s.number(
			t, config, "MaximumRetryAttempts",
		), s.number(
			t, config, "MaximumEventAgeInSeconds",
		); retries > 1 ||
			age > 300 {
			t.Errorf("%s: %d retries within %d s", function, retries, age)
		}
		if !s.allows(s.role(function), "sqs:SendMessage", destination) {
			t.Errorf("%s may not send to %s", s.role(function), destination)
		}
		if got := s.text(config, "FunctionName"); got != function {
			t.Errorf("%s is about %s", config, got)
		}
	}
}

// loopsOnce are functions that send to a queue which feeds them, and are no loop.
var loopsOnce = map[string]string{"WebSocketFunction": "what a $connect queues queues nothing more"}

// Lambda cuts a function that calls itself after 16 rounds, but where the template says that it is meant to.
func TestLoops(t *testing.T) {
	for _, problem := range deploy(t, nil).loopProblems() {
		t.Error(problem)
	}
	for function, to := range map[string]any{
		"HeartbeatFunction": nil, "CloseFunction": "Terminate", "InboundFunction": "Allow",
	} {
		changed := deploy(t, nil)
		changed.set(to, function, "RecursiveLoop")
		if got := changed.loopProblems(); len(got) != 1 || !strings.HasPrefix(got[0], function) {
			t.Errorf("%s with %v: problems %q", function, to, got)
		}
	}
}

// loopProblems says which functions call themselves and are not allowed to, or are for nothing.
func (s stack) loopProblems() (problems []string) {
	loops := map[string]bool{}
	for _, id := range s.of(kindMapping) {
		queue, function := s.text(id, "EventSourceArn"), last(s.text(id, "FunctionName"))
		loops[function] = loops[function] ||
			s.allows(s.role(function), "sqs:SendMessage", queue) && loopsOnce[function] == ""
	}
	for _, function := range s.of(kindFunction) {
		if allowed := s.text(function, "RecursiveLoop") == "Allow"; allowed != loops[function] {
			problems = append(
				problems, fmt.Sprintf("%s: is a loop: %v, is allowed to be: %v", function, loops[function], allowed),
			)
		}
	}
	return problems
}
