package template

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a template as text, with what its expressions may refer to.
type document struct {
	file, dir  string
	options    Options
	patterns   *patterns
	globals    *yaml.Node // of functions; may be nil
	outputNode *yaml.Node // may be nil
	parameters map[string]string
	lists      map[string][]any // parameters that are lists
	conditions map[string]*yaml.Node
	resources  []*resource
	byID       map[string]*resource
	deciding   map[string]bool      // conditions that are being evaluated, for circles
	stacks     map[string]*document // nested ones that have been read, by their ids here
	depth      int                  // of a nested stack
}

// resource is a resource whose condition holds.
type resource struct {
	id, kind string
	node     *yaml.Node
	props    *yaml.Node // may be nil
}

func newDocument(f *File, o Options) (*document, error) {
	o.defaults()
	file, root := f.name, &f.root
	d := &document{
		file:       file,
		dir:        f.dir,
		stacks:     map[string]*document{},
		options:    o,
		patterns:   &f.patterns,
		parameters: map[string]string{},
		lists:      map[string][]any{},
		conditions: map[string]*yaml.Node{},
		byID:       map[string]*resource{},
		deciding:   map[string]bool{},
	}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{file, 1, "", "a template is a mapping with Resources"}
	}
	top := root.Content[0]
	if err := d.readParameters(get(top, "Parameters")); err != nil {
		return nil, err
	}
	if !o.Unchecked {
		if err := d.checkRules(get(top, "Rules")); err != nil {
			return nil, err
		}
	}
	for name, n := range pairs(get(top, "Conditions")) {
		d.conditions[name.Value] = n
	}
	d.globals, d.outputNode = get(get(top, "Globals"), "Function"), get(top, "Outputs")
	resources := get(top, "Resources")
	if resources == nil {
		return nil, &Error{file, top.Line, "", "there are no Resources"}
	}
	return d, d.readResources(resources)
}

func (d *document) readParameters(section *yaml.Node) error {
	known := map[string]bool{}
	var refused []error
	for name, n := range pairs(section) {
		known[name.Value] = true
		value, given := d.options.Parameters[name.Value]
		def := get(n, "Default")
		switch {
		case given:
		case def != nil:
			value = def.Value
		default:
			return &Error{d.file, name.Line, name.Value, "the parameter has no default: give it a value"}
		}
		d.parameters[name.Value] = value
		if kind := get(
			n, "Type",
		); kind != nil &&
			(kind.Value == "CommaDelimitedList" || strings.HasPrefix(kind.Value, "List<")) {
			var list []any
			for part := range strings.SplitSeq(value, ",") {
				list = append(list, strings.TrimSpace(part))
			}
			d.lists[name.Value] = list
		}
		if err := d.constraint(n, value); err != nil && !d.options.Unchecked {
			refused = append(refused, &Error{d.file, name.Line, name.Value, err.Error()})
		}
	}
	for name := range d.options.Parameters {
		if !known[name] {
			refused = append(refused, &Error{d.file, 1, "Parameters", "there is no parameter " + name})
		}
	}
	return errors.Join(refused...)
}

func contains(list *yaml.Node, value string) bool {
	for _, n := range items(list) {
		if n.Value == value {
			return true
		}
	}
	return false
}

func (d *document) readResources(section *yaml.Node) error {
	for name, n := range pairs(section) {
		r := &resource{id: name.Value, node: n, props: get(n, "Properties")}
		kind := get(n, "Type")
		if kind == nil {
			return &Error{d.file, name.Line, r.id, "the resource has no Type"}
		}
		r.kind = kind.Value
		if c := get(n, "Condition"); c != nil {
			holds, err := d.condition(c.Value, c)
			if err != nil {
				return d.at(err, c, r.id)
			}
			if !holds {
				continue
			}
		}
		d.resources = append(d.resources, r)
		d.byID[r.id] = r
	}
	return nil
}

// at makes an error one of a place, unless it is already.
func (d *document) at(err error, n *yaml.Node, where string) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // evaluation does not wrap
		if e.Resource == "" {
			e.Resource = where
		}
		return e
	}
	return &Error{d.file, n.Line, where, err.Error()}
}

// get returns the value of a key of a mapping, or nil.
func get(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

// pairs iterates over a mapping, with aliases and merged mappings resolved. Nil and scalars are empty.
func pairs(n *yaml.Node) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		n := real(n)
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], real(n.Content[i+1])
			if k.Tag == "!!merge" {
				for mk, mv := range pairs(v) {
					if !yield(mk, mv) {
						return
					}
				}
				continue
			}
			if !yield(k, v) {
				return
			}
		}
	}
}

// items are those of a sequence; a scalar or a mapping is a sequence of one.
func items(n *yaml.Node) []*yaml.Node {
	n = real(n)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	list := make([]*yaml.Node, 0, len(n.Content))
	for _, c := range n.Content {
		list = append(list, real(c))
	}
	return list
}

// real is what an alias stands for.
func real(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
