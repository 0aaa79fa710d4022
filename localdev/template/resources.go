package template

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// function reads a function, and what its events say.
func (r *reader) function(res *resource) {
	p := r.props(res)
	if kind := r.str(p, "PackageType"); kind == "Image" {
		r.fail(p.line, p.where, "functions from images are not emulated")
		return
	}
	name, err := r.name(res)
	if err != nil {
		r.errs = append(r.errs, r.at(err, res.node, res.id))
	}
	f := Function{
		ID: res.id, Name: name, Source: filepath.Join(r.dir, r.need(p, "CodeUri")), Handler: r.need(p, "Handler"),
		Line: p.line, Memory: r.number(p, "MemorySize", 128, 128, 10240), Timeout: r.seconds(p, "Timeout", 3, 1, 900),
		Environment: r.environment(p), AsyncRetries: 2,
	}
	if runtime := r.need(p, "Runtime"); !strings.HasPrefix(runtime, "provided.") {
		r.fail(p.line, p.where, "the runtime %s is not emulated: only provided.al2023 is", runtime)
	}
	if r.value(p, "ReservedConcurrentExecutions") != nil {
		n := r.number(p, "ReservedConcurrentExecutions", 0, 0, 1_000_000)
		f.Reserved = &n
	}
	async := p.in("EventInvokeConfig")
	f.AsyncRetries = r.number(async, "MaximumRetryAttempts", 2, 0, 2)
	f.AsyncAge = r.seconds(async, "MaximumEventAgeInSeconds", 6*3600, 60, 6*3600)
	switch loop := r.str(p, "RecursiveLoop"); loop {
	case "", "Terminate":
	case "Allow":
		f.AllowLoop = true
	default:
		r.fail(p.node("RecursiveLoop").Line, p.where, "RecursiveLoop is %q, and must be Allow or Terminate", loop)
	}
	logging := p.in("LoggingConfig")
	level := r.str(logging, "SystemLogLevel")
	f.Quiet = r.str(logging, "LogFormat") == "JSON" && (level == "WARN" || level == "ERROR" || level == "FATAL")
	r.destinations(&f, async.in("DestinationConfig"))
	if p.node("DeadLetterQueue") != nil {
		r.note(
			p.line, p.where,
			"dead letters of asynchronous calls are not emulated, but a destination OnFailure is: they are logged",
		)
	}
	r.out.Functions = append(r.out.Functions, f)
	for event, n := range pairs(get(res.props, "Events")) {
		e := properties{where: res.id, line: event.Line, own: get(n, "Properties")}
		kind := ""
		if k := get(n, "Type"); k != nil {
			kind = k.Value
		}
		r.event(res, event.Value, kind, e, name)
	}
}

// destinations reads where asynchronous calls go that are over.
func (r *reader) destinations(f *Function, p properties) {
	if p.node("OnSuccess") != nil {
		r.note(p.line, p.where, "the destination OnSuccess is not emulated")
	}
	to := p.in("OnFailure")
	if to.own == nil && to.base == nil {
		return
	}
	if kind := r.need(to, "Type"); kind != "SQS" {
		r.note(
			to.line, to.where,
			"the destination OnFailure of type "+kind+" is not emulated, only SQS is: what fails is logged",
		)
		return
	}
	f.OnFailure = r.need(to, "Destination")
}

// environment is that of Globals and the function's own, with local addresses for those of AWS.
func (r *reader) environment(p properties) map[string]string {
	vars := p.in("Environment").in("Variables")
	all := map[string]string{}
	for _, n := range []properties{{p.where, p.line, vars.base, nil}, {p.where, p.line, vars.own, nil}} {
		for k := range pairs(n.own) {
			if v := r.value(n, k.Value); v != nil {
				all[k.Value] = r.local(fmt.Sprint(v))
			}
		}
	}
	return all
}

// event reads what calls a function.
func (r *reader) event(res *resource, event, kind string, p properties, function string) {
	switch kind {
	case "SQS":
		r.mapping(res, p, function)
	case "Schedule", "ScheduleV2":
		r.schedule(event, kind, p, function)
	case "HttpApi":
		r.httpEvent(p, function)
	default:
		r.note(p.line, p.where, fmt.Sprintf("the event %s of type %s is not emulated", event, kind))
	}
}

// mapping reads a queue that feeds a function.
func (r *reader) mapping(res *resource, p properties, function string) {
	arn := "Queue"
	if res.kind == kindMapping {
		arn = "EventSourceArn"
	}
	if r.str(p, "Enabled") == "false" {
		return
	}
	m := Mapping{
		Queue: lastOf(r.need(p, arn)), Function: lastOf(function), Batch: r.number(p, "BatchSize", 10, 1, 10_000),
		Window:      r.seconds(p, "MaximumBatchingWindowInSeconds", 0, 0, 300),
		Concurrency: r.number(p.in("ScalingConfig"), "MaximumConcurrency", 0, 2, 1000), Line: p.line,
	}
	if types, ok := r.value(p, "FunctionResponseTypes").([]any); ok {
		for _, t := range types {
			m.Partial = m.Partial || t == "ReportBatchItemFailures"
		}
	}
	if p.node("FilterCriteria") != nil {
		r.note(p.line, p.where, "filters of queues are not emulated: every message passes")
	}
	r.out.Mappings = append(r.out.Mappings, m)
}

// schedule reads a rate.
func (r *reader) schedule(event, kind string, p properties, function string) {
	if r.str(p, "Enabled") == "false" || r.str(p, "State") == "DISABLED" {
		return
	}
	name := map[string]string{"Schedule": "Schedule", "ScheduleV2": "ScheduleExpression"}[kind]
	text := r.need(p, name)
	every, err := rate(text)
	if err != nil {
		r.note(p.line, p.where, fmt.Sprintf("the schedule %s is not emulated: %v", event, err))
		return
	}
	r.out.Schedules = append(
		r.out.Schedules,
		Schedule{Name: event, Function: function, Every: every, Input: r.str(p, "Input"), Line: p.line},
	)
}

// rate reads "rate(5 minutes)".
func rate(s string) (time.Duration, error) {
	var n int
	var unit string
	inner, ok := strings.CutPrefix(s, "rate(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return 0, fmt.Errorf("only rate(...) is, not %q", s)
	}
	if _, err := fmt.Sscanf(strings.TrimSuffix(inner, ")"), "%d %s", &n, &unit); err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no rate", s)
	}
	each := map[string]time.Duration{
		"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
	}[strings.TrimSuffix(unit, "s")]
	if each == 0 {
		return 0, fmt.Errorf("%q is no rate", s)
	}
	return time.Duration(n) * each, nil
}

// queue reads a queue.
func (r *reader) queue(res *resource) {
	p := r.props(res)
	name, err := r.name(res)
	if err != nil {
		r.errs = append(r.errs, r.at(err, res.node, res.id))
	}
	q := Queue{
		ID: res.id, Name: name, FIFO: r.flag(p, "FifoQueue"), ContentDedup: r.flag(p, "ContentBasedDeduplication"),
		GroupDedup: r.str(p, "DeduplicationScope") == "messageGroup", Line: p.line,
		Visibility: r.seconds(p, "VisibilityTimeout", 30, 0, 43_200), Delay: r.seconds(p, "DelaySeconds", 0, 0, 900),
		Retention: r.seconds(p, "MessageRetentionPeriod", 345_600, 60, 1_209_600),
	}
	if q.FIFO != strings.HasSuffix(name, ".fifo") {
		r.fail(p.line, p.where, "the name of a FIFO queue, and of no other, ends in .fifo: this is %s", name)
	}
	if redrive := p.in("RedrivePolicy"); redrive.own != nil {
		q.DeadLetters = lastOf(r.need(redrive, "deadLetterTargetArn"))
		q.MaxReceives = r.number(redrive, "maxReceiveCount", 10, 1, 1000)
	}
	r.out.Queues = append(r.out.Queues, q)
}

// table reads a table: its keys, and what expires.
func (r *reader) table(res *resource) {
	p := r.props(res)
	name, err := r.name(res)
	if err != nil {
		r.errs = append(r.errs, r.at(err, res.node, res.id))
	}
	t := Table{ID: res.id, Name: name, Line: p.line}
	types := map[string]string{}
	for _, n := range items(p.node("AttributeDefinitions")) {
		a := properties{where: p.where, line: n.Line, own: n}
		types[r.need(a, "AttributeName")] = r.need(a, "AttributeType")
	}
	for _, n := range items(p.node("KeySchema")) {
		a := properties{where: p.where, line: n.Line, own: n}
		key := Attribute{Name: r.need(a, "AttributeName")}
		if key.Type = types[key.Name]; key.Type == "" {
			r.fail(n.Line, p.where, "the key %s is not among the AttributeDefinitions", key.Name)
		}
		if r.need(a, "KeyType") == "HASH" {
			t.Hash = key
		} else {
			t.Range = key
		}
	}
	if t.Hash.Name == "" {
		r.fail(p.line, p.where, "there is no HASH key")
	}
	if ttl := p.in("TimeToLiveSpecification"); r.flag(ttl, "Enabled") {
		t.TTL = r.need(ttl, "AttributeName")
	}
	if p.node("GlobalSecondaryIndexes") != nil || p.node("StreamSpecification") != nil {
		r.note(p.line, p.where, "indexes and streams are not made")
	}
	r.out.Tables = append(r.out.Tables, t)
}
