package apigw

import (
	"maps"
	"slices"
)

// CORS says which pages of other origins may use the server. On polling it never refuses a request: an origin that is
// not allowed gets an answer that its browser hides from the page. Browsers hide nothing of a WebSocket, so with a
// list of origins a WebSocket that begins a session from another page is refused with 400.
type CORS struct {
	// Origins are the allowed origins, for instance "https://example.com"; "*" alone allows all. None: CORS is off.
	Origins []string
	// Credentials lets pages send cookies. Browsers do not accept that together with "*".
	Credentials bool
}

// The header names of CORS.
const (
	headerAllowOrigin      = "Access-Control-Allow-Origin"
	headerAllowCredentials = "Access-Control-Allow-Credentials"
	headerAllowMethods     = "Access-Control-Allow-Methods"
	headerAllowHeaders     = "Access-Control-Allow-Headers"
	headerVary             = "Vary"
	allowedMethods         = "GET,HEAD,PUT,PATCH,POST,DELETE"
)

// headerSets are the headers of the answers to one origin. They are made once and shared by all answers, so they must
// not be modified.
type headerSets struct {
	payload, ok, json, empty map[string]string
	coded                    map[string]map[string]string // payload, by its content coding
}

// corsPolicy knows the headers for every origin.
type corsPolicy struct {
	on      bool
	allowed map[string]*headerSets
	other   *headerSets // of any origin that is not in allowed
	any     bool
}

func newCORSPolicy(c CORS) corsPolicy {
	p := corsPolicy{on: len(c.Origins) > 0, any: slices.Contains(c.Origins, "*"), allowed: map[string]*headerSets{}}
	common := map[string]string{}
	if p.on && c.Credentials {
		common[headerAllowCredentials] = "true"
	}
	switch {
	case p.any:
		common[headerAllowOrigin] = "*"
	case p.on:
		common[headerVary] = "Origin"
		for _, o := range c.Origins {
			p.allowed[o] = newHeaderSets(common, map[string]string{headerAllowOrigin: o})
		}
	}
	p.other = newHeaderSets(common, nil)
	return p
}

func newHeaderSets(common, origin map[string]string) *headerSets {
	with := func(pairs ...string) map[string]string {
		h := make(map[string]string, len(common)+len(origin)+len(pairs)/2)
		maps.Copy(h, common)
		maps.Copy(h, origin)
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	return &headerSets{
		payload: with("Content-Type", "text/plain; charset=UTF-8", "Cache-Control", "no-store"),
		coded: map[string]map[string]string{
			codingGzip: with(
				"Content-Type", "text/plain; charset=UTF-8", "Cache-Control", "no-store", "Content-Encoding",
				codingGzip,
			),
			codingDeflate: with(
				"Content-Type", "text/plain; charset=UTF-8", "Cache-Control", "no-store", "Content-Encoding",
				codingDeflate,
			),
		},
		ok:    with("Content-Type", "text/html", "Cache-Control", "no-store"),
		json:  with("Content-Type", "application/json"),
		empty: with(),
	}
}

// sets returns the headers for an origin.
func (p *corsPolicy) sets(origin string) *headerSets {
	if s, ok := p.allowed[origin]; ok {
		return s
	}
	return p.other
}

// preflight returns the headers that answer an OPTIONS request, which asks for the request headers named.
func (p *corsPolicy) preflight(origin, asked string) map[string]string {
	base := p.sets(origin).empty
	h := make(map[string]string, len(base)+3)
	maps.Copy(h, base)
	h[headerAllowMethods] = allowedMethods
	vary := "Access-Control-Request-Headers"
	if !p.any {
		vary = "Origin, " + vary
	}
	h[headerVary] = vary
	if asked != "" {
		h[headerAllowHeaders] = asked
	}
	return h
}
