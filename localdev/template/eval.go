package template

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// noValue is what AWS::NoValue gives: the property is as if it were not there.
type noValue struct{}

// eval returns what a node stands for: a string, a []any, a map[string]any, or noValue.
func (d *document) eval(n *yaml.Node) (any, error) {
	n = real(n)
	if name, arg, ok := intrinsic(n); ok {
		v, err := d.call(name, arg)
		if err != nil {
			return nil, d.at(err, n, "")
		}
		return v, nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := d.eval(c)
			if err != nil {
				return nil, err
			}
			if v != (any)(noValue{}) {
				list = append(list, v)
			}
		}
		return list, nil
	case yaml.MappingNode:
		m := map[string]any{}
		for k, c := range pairs(n) {
			v, err := d.eval(c)
			if err != nil {
				return nil, err
			}
			if _, none := v.(noValue); !none {
				m[k.Value] = v
			}
		}
		return m, nil
	default:
		return n.Value, nil
	}
}

// intrinsic recognises a call of an intrinsic function, in its short form (!Ref x) or its long one ({Ref: x}).
func intrinsic(n *yaml.Node) (name string, arg *yaml.Node, ok bool) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		plain := *n
		plain.Tag = ""
		return n.Tag[1:], &plain, true
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if key == "Ref" || key == "Condition" && real(n.Content[1]).Kind == yaml.ScalarNode {
			return key, real(n.Content[1]), true
		}
		if name, ok := strings.CutPrefix(key, "Fn::"); ok {
			return name, real(n.Content[1]), true
		}
	}
	return "", nil, false
}

// call evaluates an intrinsic function.
func (d *document) call(name string, arg *yaml.Node) (any, error) {
	switch name {
	case "Ref":
		return d.ref(arg.Value)
	case "GetAtt":
		return d.getAtt(arg)
	case "Sub":
		return d.sub(arg)
	case "If":
		return d.choose(arg)
	case "Join", "Select", "Split":
		return d.ofLists(name, arg)
	case "Equals", "Not", "And", "Or", "Condition":
		holds, err := d.decide(name, arg)
		return strconv.FormatBool(holds), err
	default:
		return nil, fmt.Errorf("the function %s is not known here", name)
	}
}

func (d *document) choose(arg *yaml.Node) (any, error) {
	args := items(arg)
	if len(args) != 3 {
		return nil, fmt.Errorf("the function If takes a condition and two values")
	}
	holds, err := d.condition(args[0].Value, args[0])
	if err != nil {
		return nil, err
	}
	if holds {
		return d.eval(args[1])
	}
	return d.eval(args[2])
}

// condition evaluates a named condition.
func (d *document) condition(name string, n *yaml.Node) (bool, error) {
	c, ok := d.conditions[name]
	if !ok {
		return false, &Error{d.file, n.Line, "", "there is no condition " + name}
	}
	if d.deciding[name] {
		return false, &Error{d.file, n.Line, "", "the condition " + name + " depends on itself"}
	}
	d.deciding[name] = true
	defer delete(d.deciding, name)
	return d.holds(c)
}

func (d *document) holds(n *yaml.Node) (bool, error) {
	name, arg, ok := intrinsic(n)
	if !ok {
		return false, &Error{d.file, n.Line, "", "this is no condition"}
	}
	return d.decide(name, arg)
}

func (d *document) decide(name string, arg *yaml.Node) (bool, error) {
	args := items(arg)
	switch name {
	case "Condition":
		return d.condition(arg.Value, arg)
	case "Equals":
		if len(args) != 2 {
			return false, fmt.Errorf("the function Equals takes two values")
		}
		a, err := d.text(args[0])
		if err != nil {
			return false, err
		}
		b, err := d.text(args[1])
		return a == b, err
	case "Not", "And", "Or":
		for _, n := range args {
			holds, err := d.holds(n)
			if err != nil {
				return false, err
			}
			if name == "Not" || holds == (name == "Or") {
				return holds != (name == "Not"), nil
			}
		}
		return name == "And", nil
	default:
		return false, fmt.Errorf("%s is no condition", name)
	}
}

// ofLists evaluates the functions of lists.
func (d *document) ofLists(name string, arg *yaml.Node) (any, error) {
	args := items(arg)
	if len(args) != 2 {
		return nil, fmt.Errorf("%s takes two values", name)
	}
	first, err := d.text(args[0])
	if err != nil {
		return nil, err
	}
	second, err := d.eval(args[1])
	if err != nil {
		return nil, err
	}
	if name == "Split" {
		var list []any
		for part := range strings.SplitSeq(fmt.Sprint(second), first) {
			list = append(list, part)
		}
		return list, nil
	}
	list, ok := second.([]any)
	if !ok {
		return nil, fmt.Errorf("%s takes a list", name)
	}
	if name == "Select" {
		i, err := strconv.Atoi(first)
		if err != nil || i < 0 || i >= len(list) {
			return nil, fmt.Errorf("the Select of %s is out of a list of %d", first, len(list))
		}
		return list[i], nil
	}
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, first), nil
}

// text evaluates a node that must be a string.
func (d *document) text(n *yaml.Node) (string, error) {
	v, err := d.eval(n)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", &Error{d.file, n.Line, "", "a string is needed"}
	}
	return s, nil
}

// sub evaluates Sub: a text with ${Name}, ${Resource.Attribute} and ${!Literal}, and maybe values of its own.
func (d *document) sub(arg *yaml.Node) (any, error) {
	args := items(arg)
	if len(args) == 0 || args[0].Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("the function Sub takes a string")
	}
	own := map[string]*yaml.Node{}
	if len(args) > 1 {
		for k, v := range pairs(args[1]) {
			own[k.Value] = v
		}
	}
	var b strings.Builder
	rest := args[0].Value
	for {
		before, after, ok := strings.Cut(rest, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, tail, ok := strings.Cut(after, "}")
		if !ok {
			return nil, fmt.Errorf("the text of Sub: ${ without }")
		}
		value, err := d.variable(name, own)
		if err != nil {
			return nil, err
		}
		b.WriteString(value)
		rest = tail
	}
}

func (d *document) variable(name string, own map[string]*yaml.Node) (string, error) {
	if literal, ok := strings.CutPrefix(name, "!"); ok {
		return "${" + literal + "}", nil
	}
	if n, ok := own[name]; ok {
		return d.text(n)
	}
	var v any
	var err error
	if id, attribute, ok := strings.Cut(name, "."); ok {
		v, err = d.attribute(id, attribute)
	} else {
		v, err = d.ref(name)
	}
	return fmt.Sprint(v), err
}
