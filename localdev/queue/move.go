package queue

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// What a task that moves dead letters can be.
const (
	moveRunning   = "RUNNING"
	moveCompleted = "COMPLETED"
	moveCancelled = "CANCELLED"
	moveFailed    = "FAILED"
)

// maxMoveRate and keptMoves bound the tasks that move dead letters, as the service does.
const (
	maxMoveRate = 500 // messages a second
	keptMoves   = 10  // tasks of a queue that are remembered
)

// move is a task that moves dead letters back, or to a queue that was named. What changes is guarded by Queues.moving.
type move struct {
	id      string
	source  *Queue
	to      *Queue // nil: where each came from
	rate    int    // a second; 0: no bound
	total   int
	started time.Time
	moved   int
	status  string
	reason  string
}

// taskHandle is what names a task on the service.
type taskHandle struct {
	ID     string `json:"taskId"`
	Source string `json:"sourceArn"`
}

func (m *move) handle(arn string) string {
	b, err := json.Marshal(taskHandle{m.id, arn})
	if err != nil {
		panic(err) // strings always marshal
	}
	return base64.StdEncoding.EncodeToString(b)
}

// sourceOf is the ARN of the queue that a task is about; empty if the handle is none.
func sourceOf(handle string) string {
	var h taskHandle
	text, err := base64.StdEncoding.DecodeString(handle)
	if err != nil || json.Unmarshal(text, &h) != nil || h.ID == "" {
		return ""
	}
	return h.Source
}

// byARN returns a queue by its ARN. Parameter is where it was named.
func (qs *Queues) byARN(arn, parameter string) (*Queue, error) {
	q := qs.byName[arn[strings.LastIndexByte(arn, ':')+1:]]
	if q == nil || arn != qs.arn(q.configured().Name) {
		return nil, noResource.says("The resource that you specified for the %s parameter doesn't exist.", parameter)
	}
	return q, nil
}

func (qs *Queues) startMove(in struct {
	SourceArn, DestinationArn    string
	MaxNumberOfMessagesPerSecond *int
},
) (any, error) {
	m := &move{id: newID(), started: time.Now(), status: moveRunning}
	var err error
	if in.SourceArn == "" {
		return nil, missing("SourceArn")
	}
	if m.source, err = qs.byARN(in.SourceArn, "SourceArn"); err != nil {
		return nil, err
	}
	if in.DestinationArn != "" {
		if m.to, err = qs.byARN(in.DestinationArn, "DestinationArn"); err != nil {
			return nil, err
		}
	}
	if m.to == m.source {
		return nil, invalid.says("Source queue arn and destination queue arn cannot be the same.")
	}
	if r := in.MaxNumberOfMessagesPerSecond; r != nil {
		if m.rate = *r; m.rate < 1 || m.rate > maxMoveRate {
			return nil, badValue(
				itoa(m.rate), "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.",
			)
		}
	}
	if !slices.ContainsFunc(qs.all, func(q *Queue) bool { return q.dead == m.source }) {
		return nil, invalid.says("Source queue must be configured as a Dead Letter Queue.")
	}
	m.total = m.source.Stats().Visible
	return qs.enlist(m, in.SourceArn)
}

// enlist has a task run, unless there is one for its queue.
func (qs *Queues) enlist(m *move, arn string) (any, error) {
	qs.moving.Lock()
	defer qs.moving.Unlock()
	var others []*move // of the same queue, the last one first
	for _, x := range qs.moves {
		if x.source == m.source {
			others = append(others, x)
		}
	}
	if len(others) > 0 && others[0].status == moveRunning {
		return nil, invalid.says(
			"There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
		)
	}
	if len(others) >= keptMoves {
		last := others[keptMoves-1]
		qs.moves = slices.DeleteFunc(qs.moves, func(x *move) bool { return x == last })
	}
	qs.moves = slices.Insert(qs.moves, 0, m)
	select {
	case qs.moveStarted <- struct{}{}:
	default: // Move has been told already
	}
	return struct{ TaskHandle string }{m.handle(arn)}, nil
}

// moveResult is a task as clients see it.
type moveResult struct {
	TaskHandle                        string `json:",omitempty"` // of a task that can be cancelled
	Status                            string
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      int    `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int
	ApproximateNumberOfMessagesToMove int
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64
}

func (qs *Queues) listMoves(in struct {
	SourceArn  string
	MaxResults *int
},
) (any, error) {
	if in.SourceArn == "" {
		return nil, missing("SourceArn")
	}
	source, err := qs.byARN(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	most := 1
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > keptMoves {
			return nil, badValue(itoa(most), "MaxResults", "Must be between 1 and 10, if provided.")
		}
	}
	qs.moving.Lock()
	defer qs.moving.Unlock()
	out := struct{ Results []moveResult }{[]moveResult{}}
	for _, m := range qs.moves {
		if m.source != source || len(out.Results) == most {
			continue
		}
		r := moveResult{
			Status: m.status, SourceArn: in.SourceArn, MaxNumberOfMessagesPerSecond: m.rate,
			ApproximateNumberOfMessagesMoved: m.moved, ApproximateNumberOfMessagesToMove: m.total,
			FailureReason: m.reason, StartedTimestamp: m.started.UnixMilli(),
		}
		if m.to != nil {
			r.DestinationArn = qs.arn(m.to.configured().Name)
		}
		if m.status == moveRunning {
			r.TaskHandle = m.handle(in.SourceArn)
		}
		out.Results = append(out.Results, r)
	}
	return out, nil
}

func (qs *Queues) cancelMove(in struct{ TaskHandle string }) (any, error) {
	if in.TaskHandle == "" {
		return nil, missing("TaskHandle")
	}
	var h taskHandle
	text, err := base64.StdEncoding.DecodeString(in.TaskHandle)
	if err != nil || json.Unmarshal(text, &h) != nil || h.ID == "" || h.Source == "" {
		return nil, invalid.says("Value for parameter TaskHandle is invalid.")
	}
	source, err := qs.byARN(h.Source, "SourceArn")
	if err != nil {
		return nil, err
	}
	qs.moving.Lock()
	defer qs.moving.Unlock()
	for _, m := range qs.moves {
		if m.id == h.ID && m.source == source && m.status == moveRunning {
			m.end(moveCancelled, "")
			return struct{ ApproximateNumberOfMessagesMoved int }{m.moved}, nil
		}
	}
	return nil, noResource.says("Task does not exist.")
}

// end makes a task one that runs no more. The caller holds Queues.moving.
func (m *move) end(status, reason string) {
	if m.status == moveRunning {
		m.status, m.reason = status, reason
	}
}

// Move carries out the tasks that move dead letters (StartMessageMoveTask, over [Queues.ServeHTTP]), until ctx ends.
// Call it once; without it such tasks stay where they are.
func (qs *Queues) Move(ctx context.Context) {
	for {
		next := qs.step()
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return
		case <-qs.moveStarted:
		case <-due:
		}
	}
}

// step moves what is due, and returns when the next message is; zero if no task runs.
func (qs *Queues) step() (next time.Time) {
	qs.moving.Lock()
	defer qs.moving.Unlock()
	now := time.Now()
	for _, m := range qs.moves {
		for m.status == moveRunning && !m.due().After(now) {
			qs.moveOne(m)
		}
		if m.status == moveRunning && (next.IsZero() || m.due().Before(next)) {
			next = m.due()
		}
	}
	return next
}

// due is when a task may move its next message.
func (m *move) due() time.Time {
	if m.rate == 0 {
		return m.started
	}
	return m.started.Add(time.Duration(m.moved+1) * time.Second / time.Duration(m.rate))
}

// moveOne moves a message, or ends the task. The caller holds moving.
func (qs *Queues) moveOne(m *move) {
	e := m.source.pull()
	if e == nil {
		m.end(moveCompleted, "")
		return
	}
	to := m.to
	if to == nil {
		to = qs.byName[e.deadFrom]
	}
	if to == nil || to == m.source { // it was sent there by someone, and died nowhere else
		m.source.bury(e, e.deadFrom)
		m.end(moveFailed, "CouldNotDetermineMessageSource")
		return
	}
	to.readmit(e)
	m.moved++
}

// pull takes a visible message out of the queue, or returns nil.
func (q *Queue) pull() *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.expire(now)
	for i, e := range q.entries {
		if !e.visible.After(now) {
			q.entries = slices.Delete(q.entries, i, i+1)
			return e
		}
	}
	return nil
}

// readmit takes a dead letter back: it is a new message, with a new id.
func (q *Queue) readmit(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(&entry{Message: e.Message, id: newID(), sent: time.Now()})
}
