package laptop

import (
	"fmt"
)

// modeRule says when options do something. Where they do not, a rule that is strict refuses them; else they are named
// at the start, for an environment may hold them for other runs.
type modeRule struct {
	options []string
	active  func(c *config) bool
	strict  bool
	why     string // what stands after the name of the option
}

var modeRules = []modeRule{
	{
		[]string{
			"parameter", "built", "concurrency", "account-concurrency", "account-requests", "account-connects",
			"idle", "logs", "dispatch-jitter", "queue-p50", "queue-p99",
		},
		func(c *config) bool { return c.template != "" }, true, "is of --template",
	},
	{
		[]string{"instances", "push", "table"},
		func(c *config) bool { return c.template == "" }, true, "does not go with --template",
	},
	{
		[]string{"events", "events-out"},
		func(c *config) bool { return c.template == "" }, true,
		"does not go with --template, whose parameters are EventsTo and EventsOut",
	},
	{
		[]string{"events-out"},
		func(c *config) bool { return c.events != "" }, false, "has no effect without --events",
	},
	{
		[]string{"websocket-addr"},
		func(c *config) bool { return c.hosts == "two" }, true, "is of --hosts two",
	},
	{
		[]string{"dynamodb-endpoint", "table"},
		func(c *config) bool { return c.template != "" || c.store == "dynamodb" }, false,
		"has no effect with --store memory",
	},
	{
		[]string{"memory-limit"},
		func(c *config) bool { return c.template == "" && c.store == "memory" }, false,
		"has no effect: it is of --store memory",
	},
	{
		[]string{"cors-credentials"},
		func(c *config) bool { return c.template != "" || !c.corsCredentials || c.origins() != nil }, false,
		"has no effect without --cors-origin",
	},
	{
		[]string{"queue-p99"},
		func(c *config) bool { return c.queueP50 > 0 || c.queueP99 == 0 }, false, "has no effect without --queue-p50",
	},
}

// checkModes checks the options that do not go with one another.
func (c *config) checkModes(demand func(bool, string, ...any)) {
	for _, r := range modeRules {
		for _, name := range r.options {
			demand(!r.strict || !c.set(name) || r.active(c), "--%s: %s", name, r.why)
		}
	}
	with := c.template != ""
	demand(
		!with || c.store == "dynamodb" || !c.set("store"), "--store %s: the functions of a template use dynamodb",
		c.store,
	)
	demand(
		c.hosts != "two" || c.served().EngineIO.New == nil || !c.set("app") && with,
		"--hosts two: does not go with --app %s, which has two WebSocket APIs", c.app,
	)
	demand(
		c.queueP50 == 0 || c.queueP99 >= c.queueP50, "--queue-p99 %s: want --queue-p50 (%s) or more",
		brief(c.queueP99), brief(c.queueP50),
	)
}

// idleOptions are the options that were given and do nothing, as sentences.
func (c *config) idleOptions() []string {
	var said []string
	for _, r := range modeRules {
		for _, name := range r.options {
			if !r.strict && c.set(name) && !r.active(c) {
				said = append(said, fmt.Sprintf("--%s %s", name, r.why))
			}
		}
	}
	return said
}
