//go:build unix

package laptop

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/localdev/queue"
	"github.com/nonstick-io/nonstick/localdev/topics"
)

// eventsPath is where what was published to topics and buses is shown.
const eventsPath = "/localdev/events"

// eventARNs are where the functions tell events of sockets to, as far as it is of this machine's account and Region.
func (s *stack) eventARNs() []string {
	var all []string
	for _, t := range s.templates {
		for _, f := range t.Functions {
			arn := f.Environment["NONSTICK_EVENTS_TO"]
			if strings.Contains(arn, ":"+localRegion+":"+queue.Account+":") && !slices.Contains(all, arn) {
				all = append(all, arn)
			}
		}
	}
	return all
}

// eventQueues are the queues among them that are not the template's: on AWS they are there before the stack is.
func (s *stack) eventQueues(there []queue.Spec) []queue.Spec {
	var specs []queue.Spec
	for _, arn := range s.eventARNs() {
		name, ok := strings.CutPrefix(arn, "arn:aws:sqs:"+localRegion+":"+queue.Account+":")
		if ok && !slices.ContainsFunc(there, func(q queue.Spec) bool { return q.Name == name }) {
			specs = append(specs, queue.Spec{
				Name: name, FIFO: strings.HasSuffix(name, ".fifo"), Visibility: 30 * time.Second,
				Retention: 4 * 24 * time.Hour,
			})
		}
	}
	return specs
}

// eventTopics are the topics and buses among them.
func (s *stack) eventTopics() []string {
	return slices.DeleteFunc(s.eventARNs(), func(arn string) bool { return strings.HasPrefix(arn, "arn:aws:sqs:") })
}

// published shows what was published to topics and buses.
func (s *stack) published(w http.ResponseWriter, _ *http.Request) {
	list := s.topics.Messages()
	if list == nil {
		list = []topics.Message{}
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		panic(err) // strings and times always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}
