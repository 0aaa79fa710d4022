// Package mapping renders the mapping templates of API Gateway's integrations that are no proxies, for instance of a
// WebSocket API's route that sends its frames to a queue: that subset of Velocity which needs no more than values.
//
//   - $input.body is the body of the request or the frame;
//   - $context.connectionId and the other variables of a WebSocket API that its events have;
//   - $util.urlEncode(...) and $util.base64Encode(...) of one of these, or of each other.
//
// Anything else ($input.json, $stageVariables, #set, #if, texts as arguments) is an error when the template is read,
// not when a frame comes. What there is on AWS:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
package mapping

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrUnknown tells of a part of a template that is not emulated; the error that matches it names the part.
var ErrUnknown = errors.New("mapping: this is not emulated")

// Input is what a template is rendered with.
type Input struct {
	// Body is $input.body.
	Body string
	// Context are the variables of $context, by their names; one that is missing is empty.
	Context map[string]string
}

// Template is a template that was read, by [Parse]. Safe for concurrent use.
type Template struct{ parts []value }

// value is a part of a template.
type value func(Input) string

// functions are those of $util.
var functions = map[string]func(string) string{
	"urlEncode":    url.QueryEscape,
	"base64Encode": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
}

// variables are those of $context that a WebSocket API has.
var variables = map[string]bool{
	"apiId": true, "connectedAt": true, "connectionId": true,
	"disconnectReason": true, "disconnectStatusCode": true, "domainName": true,
	"eventType": true, "extendedRequestId": true, "messageId": true,
	"requestId": true, "requestTime": true, "requestTimeEpoch": true,
	"routeKey": true, "stage": true,
}

// Parse reads a template. Its errors match [ErrUnknown].
func Parse(text string) (*Template, error) {
	var t Template
	for text != "" {
		before, rest, found := strings.Cut(text, "$")
		if strings.Contains(before, "#") {
			return nil, fmt.Errorf("a directive in %q: %w", before, ErrUnknown)
		}
		t.parts = append(t.parts, func(Input) string { return before })
		if !found {
			break
		}
		v, after, err := reference(rest)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, v)
		text = after
	}
	return &t, nil
}

// reference reads what stands behind a $.
func reference(text string) (value, string, error) {
	if rest, ok := strings.CutPrefix(text, "input.body"); ok {
		return func(in Input) string { return in.Body }, rest, nil
	}
	if rest, ok := strings.CutPrefix(text, "context."); ok {
		name := word(rest)
		if !variables[name] {
			return nil, "", fmt.Errorf("$context.%s: %w", name, ErrUnknown)
		}
		return func(in Input) string { return in.Context[name] }, rest[len(name):], nil
	}
	if rest, ok := strings.CutPrefix(text, "util."); ok {
		return call(rest)
	}
	return nil, "", fmt.Errorf("$%s: %w", word(text), ErrUnknown)
}

// call reads a function of $util with its argument.
func call(text string) (value, string, error) {
	name := word(text)
	f := functions[name]
	arg, ok := strings.CutPrefix(text[len(name):], "($")
	if f == nil || !ok {
		return nil, "", fmt.Errorf("$util.%s: %w", name, ErrUnknown)
	}
	v, rest, err := reference(arg)
	if err != nil {
		return nil, "", err
	}
	rest, ok = strings.CutPrefix(rest, ")")
	if !ok {
		return nil, "", fmt.Errorf("$util.%s: more than one value: %w", name, ErrUnknown)
	}
	return func(in Input) string { return f(v(in)) }, rest, nil
}

func word(s string) string {
	end := strings.IndexFunc(
		s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') },
	)
	if end < 0 {
		return s
	}
	return s[:end]
}

// Render fills a template. It cannot fail: [Parse] has refused what could.
func (t *Template) Render(in Input) string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p(in))
	}
	return b.String()
}
