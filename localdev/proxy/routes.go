//go:build unix

package proxy

import (
	"fmt"
	"strings"
)

// httpRoute is a route of an HTTP API, taken apart.
type httpRoute struct {
	Route
	method string   // "ANY" for all; empty for $default
	parts  []string // of the path; "{name}" and, at the end, "{name+}" stand for anything
}

func parseRoute(r Route) (httpRoute, error) {
	if r.Key == "$default" {
		return httpRoute{Route: r}, nil
	}
	method, path, ok := strings.Cut(r.Key, " ")
	if !ok || !strings.HasPrefix(path, "/") {
		return httpRoute{}, fmt.Errorf("proxy: route %q: want $default or METHOD /path", r.Key)
	}
	return httpRoute{Route: r, method: method, parts: split(path)}, nil
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// match finds the most specific route: by its path first, by its method then, $default at last.
func (h *Handlers) match(method, path string) (Route, map[string]string, bool) {
	var best httpRoute
	var parameters map[string]string
	score := -1
	for _, r := range h.http {
		if r.method != "" && r.method != "ANY" && r.method != method {
			continue
		}
		p, s := r.fits(split(path))
		if s > score {
			best, parameters, score = r, p, s
		}
	}
	return best.Route, parameters, score >= 0
}

// fits tells how well a route fits a path; below 0: not.
func (r httpRoute) fits(path []string) (map[string]string, int) {
	if r.method == "" {
		return nil, 0
	}
	score := 1
	if r.method != "ANY" {
		score++
	}
	parameters := map[string]string{}
	for i, part := range r.parts {
		name, variable := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		greedy, isGreedy := strings.CutSuffix(name, "+")
		switch {
		case variable && isGreedy:
			if i >= len(path) || path[i] == "" && i == len(path)-1 && i == 0 {
				return nil, -1
			}
			parameters[greedy] = strings.Join(path[i:], "/")
			return parameters, score + 10*i
		case i >= len(path), !variable && part != path[i]:
			return nil, -1
		case variable:
			parameters[name] = path[i]
			score += 15
		default:
			score += 20
		}
	}
	if len(path) != len(r.parts) {
		return nil, -1
	}
	return parameters, score + 1000
}
