package template

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// deepest is how many stacks may be within one another here. A template that names itself would have no end.
const deepest = 5

// nested opens the template of a nested stack, once, with the parameters that the stack gives it.
func (d *document) nested(r *resource) (*document, error) {
	if n, ok := d.stacks[r.id]; ok {
		if n == nil { // it is being opened
			return nil, fmt.Errorf("the stack %s depends on itself", r.id)
		}
		return n, nil
	}
	if d.depth == deepest {
		return nil, fmt.Errorf("%d stacks are within one another: more are not read", deepest+1)
	}
	d.stacks[r.id] = nil
	n, err := d.openNested(r)
	if err != nil {
		delete(d.stacks, r.id)
		return nil, err
	}
	d.stacks[r.id] = n
	return n, nil
}

// openNested opens the template of a nested stack.
func (d *document) openNested(r *resource) (*document, error) {
	url := get(r.props, "TemplateURL")
	if url == nil {
		return nil, fmt.Errorf("TemplateURL is missing")
	}
	path, err := d.text(url)
	if err != nil {
		return nil, err
	}
	if strings.Contains(path, "://") {
		return nil, fmt.Errorf("TemplateURL is %s: only a file beside this template is read", path)
	}
	f, err := Open(filepath.Join(d.dir, path))
	if err != nil {
		return nil, err
	}
	f.name = filepath.Join(filepath.Dir(d.file), path)
	o := d.options
	o.Stack, o.Parameters = o.Stack+"-"+r.id, map[string]string{}
	for name, n := range pairs(get(r.props, "Parameters")) {
		switch n, err := d.chosen(n); {
		case err != nil:
			return nil, err
		case n == nil: // AWS::NoValue: the default
			continue
		}
		if o.Parameters[name.Value], err = d.text(n); err != nil {
			return nil, err
		}
	}
	n, err := newDocument(f, o)
	if err != nil {
		return nil, err
	}
	n.depth = d.depth + 1
	return n, nil
}

// output is what a nested stack tells the one that it is in.
func (d *document) output(r *resource, name string) (any, error) {
	n, err := d.nested(r)
	if err != nil {
		return nil, err
	}
	out := get(n.outputNode, name)
	if out == nil {
		return nil, fmt.Errorf("the stack %s has no output %s", r.id, name)
	}
	if c := get(out, "Condition"); c != nil {
		if holds, err := n.condition(c.Value, c); err != nil || !holds {
			return nil, fmt.Errorf("the stack %s has no output %s under its conditions", r.id, name)
		}
	}
	value := get(out, "Value")
	if value == nil {
		return nil, fmt.Errorf("the output %s of the stack %s has no Value", name, r.id)
	}
	return n.eval(value)
}

// stack reads what a nested stack has: distributions. The rest of it is a note.
func (r *reader) stack(res *resource) {
	n, err := r.nested(res)
	if err != nil {
		r.errs = append(r.errs, r.at(err, res.node, res.id))
		return
	}
	inner := &reader{document: n, dir: n.dir}
	for _, res := range n.resources {
		switch res.kind {
		case kindDistribution:
			inner.distribution(res)
		case kindEdgeFunction: // of a distribution
		case kindStack:
			inner.stack(res)
		case kindRecords, kindRecordGroup:
			inner.note(res.node.Line, res.id, "records of Route 53 are not made")
		default:
			inner.note(res.node.Line, res.id, "in a nested stack "+res.kind+" is not emulated, only CloudFront is")
		}
	}
	r.out.Distributions = append(r.out.Distributions, inner.out.Distributions...)
	r.out.Notes = append(r.out.Notes, inner.out.Notes...)
	r.errs = append(r.errs, inner.errs...)
}

// The managed policies of CloudFront that are emulated.
const (
	cachingDisabled     = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	allViewerExceptHost = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
)

// edgeHost is the host that CloudFront gives a distribution.
func edgeHost(id string) string { return strings.ToLower(id) + ".cloudfront.net" }

// distribution reads an AWS::CloudFront::Distribution.
func (r *reader) distribution(res *resource) {
	c := r.props(res).in("DistributionConfig")
	if r.str(c, "Enabled") == "false" {
		return
	}
	d := Distribution{ID: res.id, Line: c.line}
	for _, n := range r.chosenItems(c.node("Origins"), res.id) {
		d.Origins = append(d.Origins, r.origin(properties{where: res.id, line: n.Line, own: n}))
	}
	b := c.in("DefaultCacheBehavior")
	d.Default = r.need(b, "TargetOriginId")
	if id := r.need(b, "CachePolicyId"); id != cachingDisabled {
		r.note(b.line, res.id, "the cache policy "+id+" is not emulated: nothing is cached")
	}
	if id := r.need(b, "OriginRequestPolicyId"); id != allViewerExceptHost {
		r.note(b.line, res.id, "the origin request policy "+id+" is not emulated: all but Host goes to the origin")
	}
	for _, missing := range []struct {
		at    properties
		names []string
	}{
		{c, []string{"CacheBehaviors", "CustomErrorResponses", "DefaultRootObject", "OriginGroups"}},
		{b, []string{"LambdaFunctionAssociations", "ResponseHeadersPolicyId", "TrustedKeyGroups", "TrustedSigners"}},
	} {
		for _, name := range missing.names {
			if r.value(missing.at, name) != nil {
				r.note(missing.at.node(name).Line, res.id, name+" is not emulated")
			}
		}
	}
	for _, n := range r.chosenItems(b.node("AllowedMethods"), res.id) {
		method, err := r.text(n)
		if err != nil {
			r.errs = append(r.errs, r.at(err, n, res.id))
		}
		d.Methods = append(d.Methods, method)
	}
	for _, n := range r.chosenItems(b.node("FunctionAssociations"), res.id) {
		a := properties{where: res.id, line: n.Line, own: n}
		if event := r.need(a, "EventType"); event != "viewer-request" {
			r.note(n.Line, res.id, "a function at "+event+" is not emulated, only at viewer-request")
			continue
		}
		d.Function = r.edgeFunction(a)
	}
	found := false
	for _, o := range d.Origins {
		found = found || o.ID == d.Default
	}
	if !found {
		r.fail(b.line, res.id, "the default origin is %q, which is none of the origins", d.Default)
	}
	r.out.Distributions = append(r.out.Distributions, d)
}

// edgeFunction is the code that a distribution's function has.
func (r *reader) edgeFunction(association properties) string {
	arn := r.need(association, "FunctionARN")
	for _, res := range r.resources {
		if res.kind != kindEdgeFunction || !strings.HasSuffix(arn, "/"+res.id) {
			continue
		}
		p := r.props(res)
		if runtime := r.str(p.in("FunctionConfig"), "Runtime"); runtime != "cloudfront-js-2.0" {
			r.fail(p.line, res.id, "the runtime is %q: cloudfront-js-2.0 is emulated", runtime)
		}
		if r.str(p, "AutoPublish") != "true" {
			r.fail(p.line, res.id, "AutoPublish must be true: a distribution runs published functions alone")
		}
		return r.need(p, "FunctionCode")
	}
	r.fail(association.line, association.where, "FunctionARN names no function of this template")
	return ""
}

// origin reads one origin.
func (r *reader) origin(p properties) Origin {
	custom := p.in("CustomOriginConfig")
	if custom.own == nil {
		r.fail(p.line, p.where, "an origin without CustomOriginConfig is not emulated")
	}
	o := Origin{
		ID: r.need(p, "Id"), URL: "https://" + r.need(p, "DomainName") + r.str(p, "OriginPath"),
		Attempts: r.number(p, "ConnectionAttempts", 3, 1, 3), Headers: map[string]string{},
		ConnectTime: r.seconds(p, "ConnectionTimeout", 10, 1, 10),
		ReadTime:    time.Duration(r.number(custom, "OriginReadTimeout", 30, 1, 120)) * time.Second,
	}
	for _, n := range r.chosenItems(p.node("OriginCustomHeaders"), p.where) {
		h := properties{where: p.where, line: n.Line, own: n}
		o.Headers[r.need(h, "HeaderName")] = r.need(h, "HeaderValue")
	}
	return o
}

// localOrigins puts where the APIs are reached on this machine in the place of the hosts that origins have on AWS. It
// is done where the APIs are: a nested template knows nothing of them.
func (r *reader) localOrigins() {
	for _, d := range r.out.Distributions {
		for i := range d.Origins {
			d.Origins[i].URL = r.local(d.Origins[i].URL)
		}
	}
}
