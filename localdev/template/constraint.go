package template

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// constraint refuses a value of a parameter as CloudFormation does before it makes anything. It returns what the
// template allows, and the template's own words for it; nil if the value is allowed. A pattern has to match the whole
// value.
func (d *document) constraint(n *yaml.Node, value string) error {
	if allowed := get(n, "AllowedValues"); allowed != nil && !contains(allowed, value) {
		var values []string
		for _, v := range items(allowed) {
			values = append(values, v.Value)
		}
		return refusal(n, "%q is not among the allowed values: AllowedValues %s", value, strings.Join(values, ", "))
	}
	if pattern := get(n, "AllowedPattern"); pattern != nil {
		re, err := d.patterns.compile(pattern.Value)
		if err != nil {
			return fmt.Errorf("the AllowedPattern is none: %w", err)
		}
		if !re.MatchString(value) {
			return refusal(n, "%q is refused by the AllowedPattern %s", value, pattern.Value)
		}
	}
	if kind := get(n, "Type"); kind != nil && kind.Value == "Number" {
		return bounds(
			n, value, "MinValue", "MaxValue", func(s string) (float64, error) { return strconv.ParseFloat(s, 64) },
		)
	}
	return bounds(
		n, value, "MinLength", "MaxLength", func(s string) (float64, error) { return float64(len([]rune(s))), nil },
	)
}

// patterns are the AllowedPatterns that have been compiled.
type patterns struct{ compiled sync.Map }

// compile returns the expression that matches the whole of what a pattern allows.
func (p *patterns) compile(pattern string) (*regexp.Regexp, error) {
	if re, ok := p.compiled.Load(pattern); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err == nil {
		p.compiled.Store(pattern, re)
	}
	return re, err
}

// bounds checks the least and the greatest value, or length.
func bounds(n *yaml.Node, value, least, most string, size func(string) (float64, error)) error {
	got, err := size(value)
	if err != nil {
		return refusal(n, "%q is no number", value)
	}
	for _, name := range []string{least, most} {
		limit := get(n, name)
		if limit == nil {
			continue
		}
		bound, err := strconv.ParseFloat(limit.Value, 64)
		if err != nil {
			return fmt.Errorf("the %s %q is no number", name, limit.Value)
		}
		if name == least && got < bound || name == most && got > bound {
			return refusal(n, "%q is refused by the %s %s", value, name, limit.Value)
		}
	}
	return nil
}

// refusal adds the ConstraintDescription, which is what CloudFormation would say.
func refusal(n *yaml.Node, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if d := get(n, "ConstraintDescription"); d != nil {
		text += " (" + d.Value + ")"
	}
	return errors.New(text)
}

// checkRules refuses parameters that do not go together, as the section Rules says.
func (d *document) checkRules(section *yaml.Node) error {
	var errs []error
	for name, rule := range pairs(section) {
		if c := get(rule, "RuleCondition"); c != nil {
			applies, err := d.holds(c)
			if err != nil {
				return d.at(err, c, "rule "+name.Value)
			}
			if !applies {
				continue
			}
		}
		for _, a := range items(get(rule, "Assertions")) {
			assert := get(a, "Assert")
			if assert == nil {
				return &Error{d.file, a.Line, "rule " + name.Value, "an assertion has no Assert"}
			}
			holds, err := d.holds(assert)
			if err != nil {
				return d.at(err, assert, "rule "+name.Value)
			}
			if holds {
				continue
			}
			said := "an assertion does not hold"
			if text := get(a, "AssertDescription"); text != nil {
				said = text.Value
			}
			errs = append(errs, &Error{d.file, name.Line, "rule " + name.Value, said})
		}
	}
	return errors.Join(errs...)
}
