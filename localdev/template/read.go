package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// reader fills a [Template].
type reader struct {
	*document
	dir  string
	out  Template
	errs []error
	// webSockets are the APIs that are WebSocket APIs.
	webSockets map[string]bool
	// roles are those that have been read, by ARN; nil for one that is not of the template.
	roles map[string]*role
	// ofResources are in the place of the policies of resources; nil until they have been looked for.
	ofResources *[]rights.Statement
}

// all reads every resource.
func (r *reader) all() {
	r.apis()
	for _, res := range r.resources {
		switch res.kind {
		case kindFunction:
			r.function(res)
		case kindQueue:
			r.queue(res)
		case kindTable:
			r.table(res)
		case kindMapping:
			r.mapping(res, r.props(res), r.str(r.props(res), "FunctionName"))
		case kindStack:
			r.stack(res)
		case kindDistribution:
			r.distribution(res)
		case kindDomain:
			r.note(res.node.Line, res.id, "domains of one's own are not emulated")
		case kindRecords, kindRecordGroup:
			r.note(res.node.Line, res.id, "records of Route 53 are not made")
		case kindAuthorizer:
			r.note(res.node.Line, res.id, "authorizers are not emulated: every request passes")
		}
	}
	r.localOrigins()
	r.executionRoles()
	r.outputs()
	r.check()
}

// outputs reads what the template tells its user.
func (r *reader) outputs() {
	for name, n := range pairs(r.outputNode) {
		if c := get(n, "Condition"); c != nil {
			holds, err := r.condition(c.Value, c)
			if err != nil {
				r.errs = append(r.errs, r.at(err, c, name.Value))
			}
			if !holds {
				continue
			}
		}
		p := properties{where: name.Value, line: name.Line, own: n}
		r.out.Outputs = append(r.out.Outputs, Output{name.Value, r.local(r.need(p, "Value"))})
	}
}

func (r *reader) fail(line int, where, format string, args ...any) {
	r.errs = append(r.errs, &Error{r.file, line, where, fmt.Sprintf(format, args...)})
}

func (r *reader) note(line int, where, text string) {
	r.out.Notes = append(r.out.Notes, (&Error{r.file, line, where, text}).Error())
}

// properties are those of a resource, and of what it inherits.
type properties struct {
	where string // the resource
	line  int
	own   *yaml.Node
	base  *yaml.Node // Globals; may be nil
}

func (r *reader) props(res *resource) properties {
	p := properties{where: res.id, line: res.node.Line, own: res.props}
	if res.kind == kindFunction {
		p.base = r.globals
	}
	return p
}

// in returns the properties below one of them.
func (p properties) in(name string) properties {
	p.own, p.base = get(p.own, name), get(p.base, name)
	return p
}

func (p properties) node(name string) *yaml.Node {
	if n := get(p.own, name); n != nil {
		return n
	}
	return get(p.base, name)
}

// value evaluates a property; nil if it is not there.
func (r *reader) value(p properties, name string) any {
	n := p.node(name)
	if n == nil {
		return nil
	}
	v, err := r.eval(n)
	if err != nil {
		r.errs = append(r.errs, r.at(err, n, p.where))
		return nil
	}
	if _, none := v.(noValue); none {
		return nil
	}
	return v
}

// str is a property that is text; empty if it is not there.
func (r *reader) str(p properties, name string) string {
	switch v := r.value(p, name).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		r.fail(p.node(name).Line, p.where, "%s must be a string", name)
		return ""
	}
}

func (r *reader) need(p properties, name string) string {
	s := r.str(p, name)
	if s == "" && p.node(name) == nil {
		r.fail(p.line, p.where, "%s is missing", name)
	}
	return s
}

// number is a property that is a whole number within bounds; def if it is not there.
func (r *reader) number(p properties, name string, def, least, most int) int {
	s := r.str(p, name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		r.fail(p.node(name).Line, p.where, "%s is %q, and must be %d to %d", name, s, least, most)
		return def
	}
	return n
}

func (r *reader) seconds(p properties, name string, def, least, most int) time.Duration {
	return time.Duration(r.number(p, name, def, least, most)) * time.Second
}

func (r *reader) flag(p properties, name string) bool { return r.str(p, name) == "true" }

// lastOf is what an ARN ends in: the name of a function, without a version or alias, or that of a queue.
func lastOf(arn string) string {
	_, name, ok := strings.Cut(arn, ":function:")
	if ok {
		name, _, _ = strings.Cut(name, "/")
		name, _, _ = strings.Cut(name, ":")
		return name
	}
	return arn[strings.LastIndexByte(arn, ':')+1:]
}
