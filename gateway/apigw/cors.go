package apigw

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/engineio"
)

// CORS says which pages of other origins may use the server. The zero value is none.
type CORS = gateway.CORS

// The header names of CORS.
const (
	headerAllowOrigin      = "Access-Control-Allow-Origin"
	headerAllowCredentials = "Access-Control-Allow-Credentials"
	headerAllowMethods     = "Access-Control-Allow-Methods"
	headerAllowHeaders     = "Access-Control-Allow-Headers"
	headerExposeHeaders    = "Access-Control-Expose-Headers"
	headerMaxAge           = "Access-Control-Max-Age"
	headerContentType      = "Content-Type"
	headerVary             = "Vary"
	allowedMethods         = "GET,HEAD,PUT,PATCH,POST,DELETE"
	anyOrigin              = "*"
)

// headerSets are the headers of the answers to one origin. They are shared by all answers to it, so they must not be
// modified.
type headerSets struct {
	payload, ok, json, empty map[string]string
	coded                    map[string]map[string]string // payload, by its content coding
}

// corsPolicy knows the headers for every origin.
type corsPolicy struct {
	on       bool
	any      bool
	common   map[string]string // of every answer while CORS is on
	allowed  map[string]*headerSets
	patterns []*regexp.Regexp
	ask      func(ctx context.Context, origin string) (bool, error) // nil if there is no function
	other    *headerSets                                            // of any origin that is not allowed
	off      *headerSets                                            // of answers without CORS
	asked    preflight
}

// preflight is what all answers to preflights have in common.
type preflight struct {
	status  int
	methods string
	headers string // empty: those that are asked for
	maxAge  string // empty: it is not said
}

func newCORSPolicy(c CORS) corsPolicy {
	p := corsPolicy{
		on: c.On(), any: slices.Contains(c.Origins, anyOrigin), patterns: c.Patterns, ask: c.OriginFunc,
		allowed: map[string]*headerSets{}, common: map[string]string{}, off: newHeaderSets(nil, nil),
		asked: newPreflight(c),
	}
	if !p.on {
		p.other = p.off
		return p
	}
	if c.Credentials {
		p.common[headerAllowCredentials] = "true"
	}
	if len(c.ExposedHeaders) > 0 {
		p.common[headerExposeHeaders] = strings.Join(c.ExposedHeaders, ",")
	}
	if p.any {
		p.common[headerAllowOrigin] = anyOrigin
	} else {
		p.common[headerVary] = "Origin"
		for _, o := range c.Origins {
			p.allowed[o] = p.allowing(o)
		}
	}
	p.other = newHeaderSets(p.common, nil)
	return p
}

func newPreflight(c CORS) preflight {
	a := preflight{status: http.StatusNoContent, methods: allowedMethods, headers: strings.Join(c.AllowedHeaders, ",")}
	if c.OptionsSuccessStatus != 0 {
		a.status = c.OptionsSuccessStatus
	}
	if len(c.Methods) > 0 {
		a.methods = strings.Join(c.Methods, ",")
	}
	if c.MaxAge != 0 {
		a.maxAge = strconv.Itoa(max(int(c.MaxAge/time.Second), 0))
	}
	return a
}

// allowing are the headers of the answers to an origin that is allowed.
func (p *corsPolicy) allowing(origin string) *headerSets {
	return newHeaderSets(p.common, map[string]string{headerAllowOrigin: origin})
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
		payload: with(headerContentType, "text/plain; charset=UTF-8", "Cache-Control", "no-store"),
		coded: map[string]map[string]string{
			codingGzip: with(
				headerContentType, "text/plain; charset=UTF-8", "Cache-Control", "no-store", headerContentEncoding,
				codingGzip,
			),
			codingDeflate: with(
				headerContentType, "text/plain; charset=UTF-8", "Cache-Control", "no-store", headerContentEncoding,
				codingDeflate,
			),
		},
		ok:    with(headerContentType, "text/html", "Cache-Control", "no-store"),
		json:  with(headerContentType, "application/json"),
		empty: with(),
	}
}

// of returns the headers for the answer to an origin, and whether CORS is on for it. An error is one of the
// application's function, and matches [engineio.ErrBadRequest].
func (p *corsPolicy) of(ctx context.Context, origin string) (sets *headerSets, on bool, err error) {
	if s, ok := p.allowed[origin]; ok {
		return s, true, nil
	}
	if p.any || !p.on {
		return p.other, p.on, nil
	}
	if p.matches(origin) {
		return p.allowing(origin), true, nil
	}
	if p.ask == nil {
		return p.other, true, nil
	}
	allow, err := p.ask(ctx, origin)
	switch {
	case err != nil:
		return p.off, false, fmt.Errorf("%w: %w", engineio.ErrOrigin, err)
	case !allow:
		return p.off, false, nil
	case origin == "":
		return p.other, true, nil
	default:
		return p.allowing(origin), true, nil
	}
}

// matches reports whether a pattern allows an origin.
func (p *corsPolicy) matches(origin string) bool {
	return origin != "" && slices.ContainsFunc(p.patterns, func(r *regexp.Regexp) bool { return r.MatchString(origin) })
}

// preflight returns the headers that answer an OPTIONS request, which asks for the request headers named; the others
// are those of any answer to its origin.
func (p *corsPolicy) preflight(sets *headerSets, asked string) map[string]string {
	h := make(map[string]string, len(sets.empty)+4)
	maps.Copy(h, sets.empty)
	h[headerAllowMethods] = p.asked.methods
	vary := []string{}
	if !p.any {
		vary = append(vary, "Origin")
	}
	if p.asked.headers != "" {
		asked = p.asked.headers
	} else {
		vary = append(vary, "Access-Control-Request-Headers")
	}
	if len(vary) > 0 {
		h[headerVary] = strings.Join(vary, ", ")
	}
	if asked != "" {
		h[headerAllowHeaders] = asked
	}
	if p.asked.maxAge != "" {
		h[headerMaxAge] = p.asked.maxAge
	}
	return h
}
