//go:build unix

package laptop

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/localdev/capacity"
	"github.com/nonstick-io/nonstick/localdev/emulator"
	"github.com/nonstick-io/nonstick/localdev/lambda"
	"github.com/nonstick-io/nonstick/localdev/queue"
	"github.com/nonstick-io/nonstick/localdev/rights"
	"github.com/nonstick-io/nonstick/localdev/topics"
)

// services finds what else is on the port: the APIs of SQS and Lambda, the state of everything, and the refusal of
// a WebSocket at a path that the service has none at.
func (s *stack) services(r *http.Request) http.Handler {
	switch {
	case queue.Serves(r):
		return emulator.ForPrograms(s.urls.polling, s.queues)
	case topics.Serves(r):
		return emulator.ForPrograms(s.urls.polling, s.topics)
	case r.URL.Path == eventsPath && r.Method == http.MethodGet:
		return emulator.ForPrograms(s.urls.polling, http.HandlerFunc(s.published))
	case strings.HasPrefix(r.URL.Path, lambda.InvokePath):
		return emulator.ForPrograms(s.urls.polling, s.functions)
	case r.URL.Path == "/healthz":
		return http.HandlerFunc(healthz)
	case r.URL.Path == deployPath && r.Method == http.MethodPost:
		return emulator.ForPrograms(s.urls.polling, http.HandlerFunc(s.deploy))
	case r.URL.Path == "/localdev/state" && r.Method == http.MethodGet:
		return emulator.ForPrograms(s.urls.polling, http.HandlerFunc(s.state))
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && !s.urls.twoHosts() &&
		!s.takesWebSockets(r.URL.Path):
		return http.HandlerFunc(forbid)
	}
	return nil
}

// takesWebSockets reports whether a path is one of a WebSocket API: the stage, or what a front like CloudFront maps
// to it.
func (s *stack) takesWebSockets(path string) bool {
	stage := "/" + s.templates[0].Stage
	engineIO := len(s.templates) > 1 && strings.HasPrefix(path, enginePath)
	return path == stage || path == stage+"/" || strings.HasPrefix(path, s.config.path) || engineIO
}

func forbid(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, `{"message":"Forbidden"}`) // the client may be gone
}

// state tells the counts of functions and queues, what AWS would bill, and which rights the functions used.
func (s *stack) state(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Functions []lambda.Stats      `json:"functions"`
		Account   lambda.AccountStats `json:"account"`
		Queues    []queue.Stats       `json:"queues"`
		Gateway   emulator.Stats      `json:"gateway"`
		Table     *capacity.Used      `json:"table,omitempty"` // all tables together
		Edge      int64               `json:"edgeRequests"`
		Rights    []rights.Use        `json:"rights"`
		Time      time.Time           `json:"time"`
	}{
		Functions: s.functions.Stats(), Account: s.functions.Account(), Queues: s.queues.Stats(),
		Gateway: s.service.server.Stats(), Rights: s.callers.Uses(), Time: time.Now(),
	}
	if s.capacity != nil {
		used := s.capacity.Used()
		out.Table = &used
	}
	if s.front != nil {
		out.Edge = s.front.Requests()
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}
