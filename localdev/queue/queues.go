package queue

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Config is what [Queues] are made of.
type Config struct {
	// Base is the URL that [Queues.ServeHTTP] is reached at, without a trailing slash.
	Base string
	// Region is the one of the queues' ARNs.
	Region string
	// Queues are all queues; their names differ.
	Queues []Spec
	// Authorize decides about a request to [Queues.ServeHTTP]: may the caller that signed r do action, for instance
	// sqs:SendMessage, to the queue with an ARN? The text of an error goes to the caller, with 403 AccessDenied. Nil:
	// every caller may.
	Authorize func(r *http.Request, action, arn string) error
}

// Queues are all queues of an account in a Region. Make them with [New]. Safe for concurrent use.
type Queues struct {
	base      string // of their URLs
	region    string
	authorize func(r *http.Request, action, arn string) error // may be nil
	byName    map[string]*Queue
	all       []*Queue

	moving      sync.Mutex
	moves       []*move       // guarded by moving; the last one first
	moveStarted chan struct{} // wakes Move
}

// Account is the id of the account that queues belong to: a part of their URLs and ARNs.
const Account = "000000000000"

// New makes queues, which are empty. There is an error if two of them have one name, and one that matches [ErrNotFound]
// if a queue of dead letters is missing.
func New(c Config) (*Queues, error) {
	qs := &Queues{
		base: c.Base, region: c.Region, authorize: c.Authorize, byName: map[string]*Queue{},
		moveStarted: make(chan struct{}, 1),
	}
	for _, s := range c.Queues {
		if qs.byName[s.Name] != nil {
			return nil, fmt.Errorf("queue: two queues are called %s", s.Name)
		}
		q := newQueue(s)
		qs.byName[s.Name] = q
		qs.all = append(qs.all, q)
	}
	for _, q := range qs.all {
		if q.spec.DeadLetters == "" {
			continue
		}
		if q.dead = qs.byName[q.spec.DeadLetters]; q.dead == nil {
			return nil, fmt.Errorf("dead letters of %s to %q: %w", q.spec.Name, q.spec.DeadLetters, ErrNotFound)
		}
	}
	return qs, nil
}

// Get returns a queue by its name or URL. The error matches [ErrNotFound].
func (qs *Queues) Get(nameOrURL string) (*Queue, error) {
	name := nameOrURL[strings.LastIndexByte(nameOrURL, '/')+1:]
	if q := qs.byName[name]; q != nil {
		return q, nil
	}
	return nil, noQueue.says("The specified queue does not exist.")
}

// URL is where a queue is reached, be there one of that name or not: BASE/ACCOUNT/NAME.
func (qs *Queues) URL(name string) string { return qs.base + "/" + Account + "/" + name }

// arn is the name of a queue in events.
func (qs *Queues) arn(name string) string {
	return "arn:aws:sqs:" + qs.region + ":" + Account + ":" + name
}

// Stats returns the counts of all queues, in the order that [New] got them in.
func (qs *Queues) Stats() []Stats {
	all := make([]Stats, 0, len(qs.all))
	for _, q := range qs.all {
		all = append(all, q.Stats())
	}
	return all
}
