package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// chosen is what is left of a node when the Ifs around it are decided; nil for AWS::NoValue.
func (d *document) chosen(n *yaml.Node) (*yaml.Node, error) {
	if n = real(n); n == nil {
		return nil, nil
	}
	name, arg, ok := intrinsic(n)
	switch {
	case ok && name == "Ref" && arg.Value == "AWS::NoValue":
		return nil, nil
	case !ok || name != "If":
		return n, nil
	}
	args := items(arg)
	if len(args) != 3 {
		return nil, d.at(fmt.Errorf("the function If takes a condition and two values"), n, "")
	}
	holds, err := d.condition(args[0].Value, args[0])
	switch {
	case err != nil:
		return nil, err
	case holds:
		return d.chosen(args[1])
	}
	return d.chosen(args[2])
}

// chosenItems are the items of a sequence that are there when the Ifs are decided, each with its own line.
func (r *reader) chosenItems(n *yaml.Node, where string) []*yaml.Node {
	list, err := r.chosen(n)
	if err != nil {
		r.errs = append(r.errs, r.at(err, n, where))
		return nil
	}
	var all []*yaml.Node
	for _, item := range items(list) {
		switch c, err := r.chosen(item); {
		case err != nil:
			r.errs = append(r.errs, r.at(err, item, where))
		case c != nil:
			all = append(all, c)
		}
	}
	return all
}

// policy adds the statements of a document to a role. At is where messages are about if there is no document.
func (r *reader) policy(ro *role, document, at *yaml.Node, where string) {
	document, err := r.chosen(document)
	if err != nil {
		r.errs = append(r.errs, r.at(err, at, where))
		return
	}
	if document == nil || get(document, "Statement") == nil {
		if _, _, computed := intrinsic(at); computed || document != nil && isIntrinsic(document) {
			ro.unknown = append(ro.unknown, fmt.Sprintf("the policy in line %d, which is not written out", at.Line))
			return
		}
		r.fail(at.Line, where, "the policy has no PolicyDocument with a Statement")
		return
	}
	for _, s := range r.chosenItems(get(document, "Statement"), where) {
		r.statement(ro, s, where)
	}
}

func isIntrinsic(n *yaml.Node) bool {
	_, _, ok := intrinsic(n)
	return ok
}

// statement adds a statement of a policy to a role. What of it cannot be told counts as everything where it allows, and
// as nothing where it denies: nothing is refused that AWS might allow.
func (r *reader) statement(ro *role, n *yaml.Node, where string) {
	s := rights.Statement{Where: fmt.Sprintf("%s:%d", r.file, n.Line)}
	switch effect, known := r.texts(n, "Effect"); {
	case !known || isIntrinsic(n):
		ro.unknown = append(ro.unknown, fmt.Sprintf("the statement in line %d, which is not written out", n.Line))
		return
	case slices.Equal(effect, []string{"Deny"}):
		s.Deny = true
	case !slices.Equal(effect, []string{"Allow"}):
		r.fail(n.Line, where, "the Effect of a statement is %q, and must be Allow or Deny", strings.Join(effect, ", "))
		return
	}
	var doubts []string
	if get(n, "Condition") != nil {
		doubts = append(doubts, "its Condition is not evaluated")
	}
	for _, part := range []struct {
		name    string
		is, not *[]string
		check   func(string) (string, error)
	}{
		{"Action", &s.Actions, &s.NotActions, action},
		{"Resource", &s.Resources, &s.NotResources, resourceARN},
	} {
		doubt, err := r.part(n, part.name, part.is, part.not, part.check)
		if err != nil {
			r.fail(n.Line, where, "%v", err)
			return
		}
		if doubt != "" {
			doubts = append(doubts, doubt)
		}
	}
	if get(n, "Principal") != nil || get(n, "NotPrincipal") != nil {
		r.fail(n.Line, where, "a statement of a role's policy has no Principal: it is the role")
		return
	}
	if len(doubts) > 0 {
		counts := "the statement counts as if it held"
		if s.Deny {
			counts = "the statement, which denies, does not count"
		}
		r.note(n.Line, where, strings.Join(doubts, ", ")+": "+counts)
		if s.Deny {
			return
		}
	}
	ro.statements = append(ro.statements, s)
}

// part reads the actions, or the resources, of a statement: those that it is about, or those that it is not about.
// Doubt says what of it cannot be told.
func (r *reader) part(
	n *yaml.Node, name string, is, not *[]string, check func(string) (string, error),
) (doubt string, err error) {
	list, known := r.texts(n, name)
	others, othersKnown := r.texts(n, "Not"+name)
	switch {
	case !known || !othersKnown:
		*is = []string{"*"}
		return "its " + name + " cannot be told", nil
	case (list == nil) == (others == nil):
		return "", fmt.Errorf("a statement has either %s or Not%s", name, name)
	}
	for _, of := range []struct {
		list []string
		to   *[]string
	}{{list, is}, {others, not}} {
		for _, text := range of.list {
			pattern, err := check(text)
			if err != nil {
				return "", err
			}
			if pattern != text {
				doubt = "the variables in its " + name + " are not known"
			}
			*of.to = append(*of.to, pattern)
		}
	}
	if doubt != "" && others != nil { // everything might be what it is not about
		*is, *not = []string{"*"}, nil
	}
	return doubt, nil
}

// texts evaluates a value of a statement, a text or a list. It reports false if the value is not known here; nil says
// that there is none.
func (r *reader) texts(statement *yaml.Node, key string) ([]string, bool) {
	n := get(statement, key)
	if n == nil {
		return nil, true
	}
	v, err := r.eval(n)
	if err != nil {
		return nil, false
	}
	return texts(v), true
}

// told evaluates a property that is text, or that is not there, which is empty. It reports false if the value is not
// known here, which is no error: what is about rights was not read for anything else.
func (r *reader) told(p properties, name string) (text string, known bool) {
	n := p.node(name)
	if n == nil {
		return "", true
	}
	v, err := r.eval(n)
	if v == (any)(noValue{}) {
		return "", true
	}
	text, ok := v.(string)
	return text, ok && err == nil
}

// may reports whether a property may be such that a condition holds: it does, or the value is not known.
func (r *reader) may(p properties, name string, holds func(string) bool) bool {
	text, known := r.told(p, name)
	return !known || holds(text)
}

// action checks an action as IAM does.
func action(s string) (string, error) {
	service, name, ok := strings.Cut(s, ":")
	if s != "*" && (!ok || strings.ContainsAny(service, "*? ") || service == "" || strings.Contains(name, ":")) {
		return "", fmt.Errorf(
			"the action %q is none: IAM wants * or the service, a colon and the operation, as sqs:SendMessage", s,
		)
	}
	return s, nil
}

// variable is a variable of a policy, as ${aws:username}, or an escape as ${*}.
var variable = regexp.MustCompile(`\$\{[^}]*\}`)

// resourceARN checks a resource as IAM does, and returns it with wildcards for the variables of policies.
func resourceARN(s string) (string, error) {
	pattern := variable.ReplaceAllString(s, "*")
	parts := strings.SplitN(pattern, ":", 6)
	switch {
	case s == "*":
	case parts[0] != "arn" || len(parts) < 3:
		return "", fmt.Errorf("the resource %q is none: IAM wants * or an ARN", s)
	case strings.ContainsAny(parts[2], "*?"):
		return "", fmt.Errorf("the resource %q is none: IAM takes no wildcard for the service", s)
	}
	return pattern, nil
}
