// Command sam makes a template that `sam local` can run out of the one that `sam build` has made:
//
//	go run ./localdev/sam .aws-sam/build/template.yaml > .aws-sam/build/local.yaml
//
// The functions get the variables that name local endpoints, since `sam local` sets no others than those that a
// template declares; they get the architecture of this machine; and the authorizer goes, whose condition `sam local`
// does not evaluate.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"go.yaml.in/yaml/v3"
)

// endpoints are the variables that env.json gives a value, and the template does not declare.
var endpoints = []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sam TEMPLATE > LOCAL-TEMPLATE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "sam: %v\n", err)
		os.Exit(1)
	}
}

func run(file string, out io.Writer) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("read template %s: %w", file, err)
	}
	if err := prepare(&doc); err != nil {
		return fmt.Errorf("prepare %s: %w", file, err)
	}
	enc := yaml.NewEncoder(out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	return enc.Close()
}

var errShape = errors.New("want a template with Globals.Function.Environment.Variables, and Resources")

// prepare changes the template.
func prepare(doc *yaml.Node) error {
	if len(doc.Content) == 0 {
		return errShape
	}
	top := doc.Content[0]
	function := value(value(top, "Globals"), "Function")
	variables := value(value(function, "Environment"), "Variables")
	resources := value(top, "Resources")
	if variables == nil || resources == nil {
		return errShape
	}
	for _, name := range endpoints {
		variables.Content = append(variables.Content, text(name), text(""))
	}
	set(
		function, "Architectures",
		&yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{text(architecture())}},
	)
	for i := 0; i+1 < len(resources.Content); {
		r := resources.Content[i+1]
		switch kind := value(r, "Type"); {
		case kind == nil:
		case kind.Value == "AWS::ApiGatewayV2::Authorizer":
			resources.Content = append(resources.Content[:i], resources.Content[i+2:]...)
			continue
		case kind.Value == "AWS::ApiGatewayV2::Route":
			properties := value(r, "Properties")
			remove(properties, "AuthorizerId")
			set(properties, "AuthorizationType", text("NONE"))
		}
		i += 2
	}
	return nil
}

// architecture is the one of this machine, as Lambda calls it.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// value returns the value of a key of a mapping, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// set changes the value of a key, or adds it.
func set(n *yaml.Node, key string, to *yaml.Node) {
	remove(n, key)
	if n != nil {
		n.Content = append(n.Content, text(key), to)
	}
}

// remove takes a key out of a mapping.
func remove(n *yaml.Node, key string) {
	if n == nil {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			return
		}
	}
}
