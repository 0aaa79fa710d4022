package edge

import (
	"net/http"
	"strings"
)

// hidden reports whether a header is one that functions do not see, and may not add.
func hidden(name string) bool {
	switch name {
	case "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
		"trailer", "upgrade",
		"x-accel-buffering", "x-accel-charset", "x-accel-limit-rate", "x-accel-redirect",
		"x-amzn-auth", "x-amzn-cf-billing", "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype",
		"x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order", "x-amzn-lambda-integration-tag",
		"x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip":
		return true
	}
	return strings.HasPrefix(name, "x-amz-cf-") || strings.HasPrefix(name, "x-edge-")
}

// readOnly reports whether a function at viewer-request sees a header that it may not change.
func readOnly(name string) bool {
	return name == "content-length" || name == "host" || name == "transfer-encoding" || name == "via"
}

// readOnlyOfResponse is [readOnly] for a response that a function makes.
func readOnlyOfResponse(name string) bool {
	return name == "transfer-encoding" || name == "via" || name == "warning"
}

// removed reports whether a header of a viewer ends here. Connection and Upgrade do too, unless a WebSocket is opened.
func removed(name string) bool {
	switch name {
	case "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "x-amz-cf-id", "x-forwarded-proto",
		"x-real-ip":
		return true
	}
	return strings.HasPrefix(name, "x-edge-")
}

// forward is what goes to the origin of a viewer's headers.
func forward(header http.Header) http.Header {
	out := make(http.Header, len(header))
	for name, lines := range header {
		if !removed(strings.ToLower(name)) {
			out[name] = lines
		}
	}
	return out
}

// appended is a header with a further element behind those that it has.
func appended(header http.Header, name, element string) string {
	return strings.Join(append(header.Values(name), element), ", ")
}

// sizeOf is how long the request line and the headers are, in bytes.
func sizeOf(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host) + len("\r\n")
	for name, lines := range r.Header {
		for _, line := range lines {
			n += len(name) + len(line) + len(": \r\n")
		}
	}
	return n
}
