package mapping_test

import (
	"errors"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/mapping"
)

func TestRender(t *testing.T) {
	in := mapping.Input{
		Body: `42["a b",1]`, Context: map[string]string{"connectionId": "x+y=", "requestTimeEpoch": "17"},
	}
	for text, want := range map[string]string{
		"":                                       "",
		"plain&text=.":                           "plain&text=.",
		"$input.body":                            `42["a b",1]`,
		"a=$context.requestTimeEpoch&b":          "a=17&b",
		"$util.urlEncode($context.connectionId)": "x%2By%3D",
		"m=.$util.urlEncode($input.body)":        "m=.42%5B%22a+b%22%2C1%5D",
		"$util.urlEncode($util.base64Encode($input.body))": "NDJbImEgYiIsMV0%3D",
		"$context.messageId.":                              ".",
	} {
		parsed, err := mapping.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := parsed.Render(in); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, text := range []string{
		"#set($x = 1)", "$input.json('$')", "$context.nothing", "$util.escapeJavaScript($input.body)",
		"$util.urlEncode('x')",
		"$util.urlEncode($input.body", "$x", "$",
	} {
		if _, err := mapping.Parse(text); !errors.Is(err, mapping.ErrUnknown) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
