package template

import (
	"errors"
	"fmt"
)

// Resource is one resource of the stack, its properties evaluated: strings, []any and map[string]any.
type Resource struct {
	ID         string         // in the template
	Type       string         // AWS::...
	Properties map[string]any // by their names
}

// Resources returns every resource whose condition holds, of any type, as CloudFormation would make it. What only AWS
// knows is made up: names are those of the template, versions are 1.
func (f *File) Resources(o Options) ([]Resource, error) {
	d, err := newDocument(f, o)
	if err != nil {
		return nil, err
	}
	var all []Resource
	var errs []error
	for _, r := range d.resources {
		out := Resource{ID: r.id, Type: r.kind, Properties: map[string]any{}}
		if r.props != nil {
			v, err := d.eval(r.props)
			if err != nil {
				errs = append(errs, d.at(err, r.node, r.id))
				continue
			}
			properties, ok := v.(map[string]any)
			if !ok {
				errs = append(errs, &Error{d.file, r.node.Line, r.id, fmt.Sprintf("Properties are %v", v)})
				continue
			}
			out.Properties = properties
		}
		all = append(all, out)
	}
	return all, errors.Join(errs...)
}

// Parameter is a parameter of the template with what constrains it.
type Parameter struct {
	Name        string // in the template
	Type        string // String, Number and so on
	Default     string // meant if HasDefault
	Description string // empty: none
	// Allowed are the AllowedValues; none: any.
	Allowed []string
	// Pattern is the AllowedPattern; empty: none.
	Pattern string
	// MaxLength bounds a text; empty: only the service's 4,096 bytes do.
	MaxLength string
	// HasDefault says that there is one, which may be empty.
	HasDefault bool
}

// Parameters returns the parameters in the order of the template.
func (f *File) Parameters() []Parameter {
	if len(f.root.Content) == 0 {
		return nil
	}
	var all []Parameter
	for name, n := range pairs(get(f.root.Content[0], "Parameters")) {
		text := func(key string) string {
			if v := get(n, key); v != nil {
				return v.Value
			}
			return ""
		}
		p := Parameter{
			Name: name.Value, Type: text("Type"), Default: text("Default"), Description: text("Description"),
			Pattern: text("AllowedPattern"), MaxLength: text("MaxLength"), HasDefault: get(n, "Default") != nil,
		}
		for _, v := range items(get(n, "AllowedValues")) {
			p.Allowed = append(p.Allowed, v.Value)
		}
		all = append(all, p)
	}
	return all
}
