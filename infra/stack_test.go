package infra

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// python is that of the SAM CLI, where `make tools` puts it.
const python = "../.cache/sam/bin/python"

// transformed is the template as CloudFormation gets it, after AWS's transform.
var transformed = sync.OnceValues(func() (*template.File, error) {
	program, err := filepath.Abs(python)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("the SAM CLI is missing, run `make tools`: %w", err)
	}
	cmd := exec.Command(program, filepath.Join("testdata", "transform.py"), filepath.Join("..", "template.yaml"))
	cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION=us-east-1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("transform the template: %w\n%s", err, said.String())
	}
	return template.Parse("transformed", ".", out)
})

// stack is the resources by their ids.
type stack map[string]template.Resource

// deploy returns the stack that parameters make.
func deploy(t *testing.T, parameters map[string]string) stack {
	t.Helper()
	return deployAs(t, template.Options{Parameters: parameters})
}

func deployAs(t *testing.T, o template.Options) stack {
	t.Helper()
	f, err := transformed()
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.Resources(o)
	if err != nil {
		t.Fatal(err)
	}
	s := stack{}
	for _, r := range list {
		s[r.ID] = r
	}
	return s
}

// of returns the ids of the resources of a type, in order.
func (s stack) of(kind string) []string {
	var ids []string
	for id, r := range s {
		if r.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// at is a property of a resource, or of a property; nil if there is none.
func (s stack) at(id string, path ...string) any {
	var v any = s[id].Properties
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text is a property that is a text; empty if there is none.
func (s stack) text(id string, path ...string) string {
	v, _ := s.at(id, path...).(string)
	return v
}

// set changes a property that is a value or is in one; nil takes it away.
func (s stack) set(to any, id string, path ...string) {
	m := s[id].Properties
	for _, key := range path[:len(path)-1] {
		m = m[key].(map[string]any)
	}
	m[path[len(path)-1]] = to
}

func (s stack) number(t *testing.T, id string, path ...string) int {
	t.Helper()
	n, err := strconv.Atoi(s.text(id, path...))
	if err != nil {
		t.Fatalf("%s %v: %v", id, path, err)
	}
	return n
}

// last is what an ARN ends in, as an id of the template; what is behind a function's name is a version or an alias.
func last(arn string) string {
	arn = strings.TrimSuffix(arn, ".fifo")
	if _, name, ok := strings.Cut(arn, ":function:"); ok {
		name, _, _ = strings.Cut(name, ":")
		return name
	}
	return arn[strings.LastIndexAny(arn, ":/")+1:]
}

// list makes a list of a value or a list of values.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// allows reports whether a role may do something with a resource.
func (s stack) allows(role, action, resource string) bool {
	policies, _ := s.at(role, "Policies").([]any)
	for _, p := range policies {
		document := p.(map[string]any)["PolicyDocument"].(map[string]any)
		for _, statement := range document["Statement"].([]any) {
			m := statement.(map[string]any)
			if slices.Contains(list(m["Action"]), any(action)) && slices.Contains(list(m["Resource"]), any(resource)) {
				return true
			}
		}
	}
	return false
}

// role is the id of a function's role.
func (s stack) role(function string) string { return last(s.text(function, "Role")) }

const (
	kindFunction = "AWS::Lambda::Function"
	kindMapping  = "AWS::Lambda::EventSourceMapping"
	kindQueue    = "AWS::SQS::Queue"
	kindRole     = "AWS::IAM::Role"
)
