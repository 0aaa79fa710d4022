package infra

import (
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/edge"
	"github.com/nonstick-io/nonstick/localdev/template"
)

// edgeStack is the nested stack with CloudFront, with the parameters that it needs.
func edgeStack(t *testing.T, parameters map[string]string) stack {
	t.Helper()
	f, err := template.Open("edge/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"HttpDomain": "http.example.com", "WebSocketDomain": "ws.example.com", "WebSocketPath": "/v1",
		"Key": "0123456789abcdef",
	}
	for k, v := range parameters {
		all[k] = v
	}
	list, err := f.Resources(template.Options{Parameters: all})
	if err != nil {
		t.Fatal(err)
	}
	s := stack{}
	for _, r := range list {
		s[r.ID] = r
	}
	return s
}

// viewerRequest is the function of the distribution as it is deployed.
func viewerRequest(t *testing.T) *edge.Function {
	t.Helper()
	f, err := edge.NewFunction(edgeStack(t, nil).text("Function", "FunctionCode"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A viewerCase is a request of a client, and where the function sends it: to the WebSocket API, or as it came to the
// HTTP API.
type viewerCase struct {
	name, method, uri, query string
	webSocket                bool
}

var viewerCases = []viewerCase{
	{"a WebSocket", "GET", "/socket.io/", "EIO=4&transport=websocket", true},
	{"an upgrade", "GET", "/socket.io/", "EIO=4&transport=websocket&sid=abc", true},
	{"without a slash at the end", "GET", "/socket.io", "EIO=4&transport=websocket", true},
	{"with what the application adds", "GET", "/socket.io/", "token=a%3Db&EIO=4&transport=websocket&x=&x=2", true},
	{"of version 3", "GET", "/socket.io/", "EIO=3&transport=websocket", true},
	{"the parameter comes first", "GET", "/socket.io/", "transport=websocket", true},
	{"polling", "GET", "/socket.io/", "EIO=4&transport=polling&t=abc", false},
	{"a POST of polling", "POST", "/socket.io/", "EIO=4&transport=polling&sid=abc", false},
	{"a preflight", "OPTIONS", "/socket.io/", "EIO=4&transport=polling", false},
	{"no transport", "GET", "/socket.io/", "EIO=4", false},
	{"an empty transport", "GET", "/socket.io/", "EIO=4&transport=", false},
	{"a transport without a value", "GET", "/socket.io/", "EIO=4&transport", false},
	{"no query", "GET", "/socket.io/", "", false},
	{"a POST that says WebSocket", "POST", "/socket.io/", "EIO=4&transport=websocket", false},
	{"a HEAD that says WebSocket", "HEAD", "/socket.io/", "EIO=4&transport=websocket", false},
	{"a preflight that says WebSocket", "OPTIONS", "/socket.io/", "EIO=4&transport=websocket", false},
	{"in capitals", "GET", "/socket.io/", "EIO=4&transport=WebSocket", false},
	{"the name in capitals", "GET", "/socket.io/", "EIO=4&Transport=websocket", false},
	{"a longer word", "GET", "/socket.io/", "EIO=4&transport=websockets", false},
	{
		"a transport of the reference that API Gateway has none of",
		"GET",
		"/socket.io/",
		"EIO=4&transport=webtransport",
		false,
	},
	{"two transports", "GET", "/socket.io/", "transport=websocket&transport=polling", false},
	{"two transports, the other way round", "GET", "/socket.io/", "transport=polling&transport=websocket", false},
	{"the word elsewhere", "GET", "/socket.io/", "EIO=4&transport=polling&x=websocket", false},
	{"encoded", "GET", "/socket.io/", "EIO=4&transport=web%73ocket", false},
	{"a page", "GET", "/", "", false},
	{"a page that says WebSocket", "GET", "/", "transport=websocket", false},
	{"another path", "GET", "/engine.io/", "EIO=4&transport=websocket", false},
	{"a longer path", "GET", "/socket.io/socket.io.js", "transport=websocket", false},
	{"a path that begins alike", "GET", "/socket.iox/", "transport=websocket", false},
	{"two slashes", "GET", "/socket.io//", "transport=websocket", false},
	{"the stage itself", "GET", "/v1", "transport=websocket", false},
	{"a very long query", "GET", "/socket.io/", "x=" + strings.Repeat("y", 7000) + "&transport=websocket", true},
	{"a name that every object has", "GET", "/socket.io/", "constructor=1&toString=2&__proto__=3", false},
}

// The function sends WebSockets to the WebSocket API, at the path of its stage, and all else to the HTTP API, as it
// came.
func TestViewerRequest(t *testing.T) {
	f := viewerRequest(t)
	for _, c := range viewerCases {
		t.Run(c.name, func(t *testing.T) {
			out, err := f.Run(edge.Request{
				Method: c.method, URI: c.uri, Query: c.query, IP: "192.0.2.7",
				Headers: map[string][]string{"host": {"chat.example.com"}, "x-one": {"1"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := edge.Outcome{URI: c.uri, Query: c.query}
			if c.webSocket {
				want.URI, want.Origin = "/v1", "websocket"
			}
			if out.URI != want.URI || out.Origin != want.Origin || out.Query != want.Query {
				t.Errorf(
					"%s?%s at origin %q, want %s?%s at %q",
					out.URI,
					out.Query,
					out.Origin,
					want.URI,
					want.Query,
					want.Origin,
				)
			}
			if got := out.Headers.Get("X-One"); got != "1" {
				t.Errorf("a header of the client is %q", got)
			}
		})
	}
}

// What the function tells the origins is what CloudFront knows, whatever the client says.
func TestViewerRequestHeaders(t *testing.T) {
	f := viewerRequest(t)
	for name, headers := range map[string]map[string][]string{
		"none": {"host": {"chat.example.com"}},
		"forged": {
			"host": {
				"chat.example.com",
			}, "x-forwarded-host": {"evil.example"}, "x-nonstick-viewer": {"1.1.1.1", "2.2.2.2"},
		},
	} {
		out, err := f.Run(edge.Request{Method: "GET", URI: "/", Headers: headers, IP: "2001:db8::1"})
		if err != nil {
			t.Fatal(err)
		}
		for header, want := range map[string]string{
			"X-Forwarded-Host": "chat.example.com", "X-Nonstick-Viewer": "2001:db8::1",
		} {
			if got := out.Headers.Values(header); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	if _, err := f.Run(edge.Request{Method: "GET", URI: "/", IP: "192.0.2.7"}); err != nil {
		t.Errorf("without a Host: %v", err)
	}
}

// origins checks what every origin of a distribution must have. It returns what is wrong.
func origins(s stack) []string {
	var wrong []string
	list, _ := s.at("Distribution", "DistributionConfig", "Origins").([]any)
	if len(list) != 2 {
		wrong = append(wrong, "there are not two origins")
	}
	for _, o := range list {
		m := o.(map[string]any)
		custom, _ := m["CustomOriginConfig"].(map[string]any)
		headers, _ := m["OriginCustomHeaders"].([]any)
		switch {
		case m["ConnectionAttempts"] != "1":
			wrong = append(wrong, "a request may be sent twice")
		case custom["OriginProtocolPolicy"] != "https-only":
			wrong = append(wrong, "the key may travel in the clear")
		case custom["OriginReadTimeout"] != "60":
			wrong = append(wrong, "CloudFront may give up before API Gateway does, after 30 s")
		case len(headers) != 1 || headers[0].(map[string]any)["HeaderName"] != "x-nonstick-edge":
			wrong = append(wrong, "the functions cannot tell what comes through it")
		case m["OriginPath"] != nil:
			wrong = append(wrong, "the path of the stage would get a slash at its end")
		}
	}
	return wrong
}

// behavior checks the one cache behavior.
func behavior(s stack) []string {
	var wrong []string
	b, _ := s.at("Distribution", "DistributionConfig", "DefaultCacheBehavior").(map[string]any)
	for key, want := range map[string]string{
		"TargetOriginId": "http", "ViewerProtocolPolicy": "https-only",
		"CachePolicyId":         "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", // CachingDisabled
		"OriginRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac", // AllViewerExceptHostHeader
	} {
		if b[key] != want {
			wrong = append(wrong, key+" is not "+want)
		}
	}
	methods, _ := b["AllowedMethods"].([]any)
	if len(methods) != 7 {
		wrong = append(wrong, "not all methods are passed on")
	}
	if s.at("Distribution", "DistributionConfig", "CustomErrorResponses") != nil {
		wrong = append(wrong, "the errors of Engine.IO would be replaced by pages")
	}
	return wrong
}

// The distribution repeats, caches and replaces nothing.
func TestDistribution(t *testing.T) {
	s := edgeStack(t, nil)
	if wrong := append(origins(s), behavior(s)...); len(wrong) > 0 {
		t.Error(wrong)
	}
	for _, spoil := range []func(stack){
		func(s stack) {
			all := s.at("Distribution", "DistributionConfig", "Origins").([]any)
			all[1].(map[string]any)["ConnectionAttempts"] = "3"
		},
		func(s stack) {
			s.at("Distribution", "DistributionConfig", "Origins").([]any)[0].(map[string]any)["OriginPath"] = "/v1"
		},
		func(s stack) {
			s.set("all", "Distribution", "DistributionConfig", "DefaultCacheBehavior", "CachePolicyId")
		},
		func(s stack) {
			s.set([]any{"GET", "HEAD"}, "Distribution", "DistributionConfig", "DefaultCacheBehavior", "AllowedMethods")
		},
		func(s stack) { s.set([]any{}, "Distribution", "DistributionConfig", "CustomErrorResponses") },
	} {
		s := edgeStack(t, nil)
		spoil(s)
		if wrong := append(origins(s), behavior(s)...); len(wrong) == 0 {
			t.Error("a distribution that is wrong passes")
		}
	}
	own := edgeStack(t, map[string]string{
		"Domain":         "chat.example.com",
		"HostedZoneId":   "Z1",
		"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x",
		"WebAclArn":      "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b",
	})
	if got := own.at(
		"Distribution",
		"DistributionConfig",
		"Aliases",
	); len(list(got)) != 1 ||
		list(got)[0] != "chat.example.com" {
		t.Errorf("aliases %v", got)
	}
	if len(own.of("AWS::Route53::RecordSetGroup")) != 1 || len(s.of("AWS::Route53::RecordSetGroup")) != 0 {
		t.Error("records are there where no zone is, or the other way round")
	}
	if own.text("Distribution", "DistributionConfig", "WebACLId") == "" ||
		s.at("Distribution", "DistributionConfig", "WebACLId") != nil {
		t.Error("the web ACL")
	}
}

// Edge adds one nested stack, and its key is what the functions know; without it there is neither.
func TestEdgeParameter(t *testing.T) {
	off := deploy(t, nil)
	if got := off.of("AWS::CloudFormation::Stack"); len(got) != 0 {
		t.Errorf("without Edge there is %v", got)
	}
	for _, edge := range []string{"on", "only"} {
		s := deploy(t, map[string]string{"Edge": edge})
		key := s.text("EdgeStack", "Parameters", "Key")
		for _, f := range []string{"PollingFunction", "WebSocketFunction"} {
			vars := func(name string) string { return s.text(f, "Environment", "Variables", name) }
			if vars("NONSTICK_EDGE") != edge || vars("NONSTICK_EDGE_KEY") != key || len(key) != 36 {
				t.Errorf("%s: %q and %q, the key is %q", f, vars("NONSTICK_EDGE"), vars("NONSTICK_EDGE_KEY"), key)
			}
		}
	}
}

// Domains of one's own: each with its mapping, and records where there is a zone.
func TestDomains(t *testing.T) {
	certificate := "arn:aws:acm:eu-central-1:123456789012:certificate/x"
	s := deploy(t, map[string]string{
		"HttpDomain": "chat.example.com", "WebSocketDomain": "ws.example.com", "DomainCertificateArn": certificate,
		"HostedZoneId": "Z1",
	})
	if n := len(s.of("AWS::ApiGatewayV2::DomainName")); n != 2 {
		t.Errorf("%d domains", n)
	}
	if got := s.text("WebSocketMapping", "ApiMappingKey"); got != "socket.io" {
		t.Errorf("the WebSocket API is at %q", got)
	}
	if n := len(s.of("AWS::Route53::RecordSet")); n != 2 {
		t.Errorf("%d records", n)
	}
	if got := s.text(
		"PollingFunction",
		"Environment",
		"Variables",
		"NONSTICK_WEBSOCKET_URL",
	); got != "wss://ws.example.com/socket.io" {
		t.Errorf("pages are told %q", got)
	}
	if got := s.text(
		"PollingFunction",
		"Environment",
		"Variables",
		"NONSTICK_MANAGEMENT_ENDPOINT",
	); !strings.Contains(
		got,
		".execute-api.",
	) {
		t.Errorf("pushes go to %q", got)
	}
}
