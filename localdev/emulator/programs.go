package emulator

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// ForPrograms guards what programs call with AWS's SDKs: the management API, queues, functions. On AWS a signature
// keeps pages out. Here signatures are not verified, so requests that a page makes are refused with 403
// ForbiddenException: they carry Origin or Sec-Fetch-Site, which no page can take away. So are those for a host that is
// not this server's (endpoint is its URL), as a page sends them whose name was made to point to this machine.
func ForPrograms(endpoint string, h http.Handler) http.Handler {
	g := newGuard(endpoint)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.refuses(w, r) {
			h.ServeHTTP(w, r)
		}
	})
}

// guard knows the name that the server goes by.
type guard struct{ own string }

func newGuard(endpoint string) guard {
	u, err := url.Parse(endpoint)
	if err != nil {
		return guard{}
	}
	return guard{u.Hostname()}
}

// refuses answers a request that no program of this machine makes, and reports whether it did.
func (g guard) refuses(w http.ResponseWriter, r *http.Request) bool {
	if !fromPage(r) && ownHost(r.Host, g.own) {
		return false
	}
	awsError(
		w, http.StatusForbidden, "ForbiddenException",
		"Forbidden: this is for programs of this machine, and not for pages",
	)
	return true
}

// fromPage reports whether a page makes the request. A user who types the address into the browser is no page.
func fromPage(r *http.Request) bool {
	if r.Header.Get("Origin") != "" {
		return true
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && (site != "none" || r.Method != http.MethodGet)
}

// ownHost reports whether a Host header names this machine: by an address, which no DNS server can point elsewhere, as
// localhost, or by the name that the server goes by.
func ownHost(host, own string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name == strings.ToLower(own) && own != ""
}
