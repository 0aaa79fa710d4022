package nonstick

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"runtime/debug"
	"slices"

	"github.com/nonstick-io/nonstick/adapter"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// MaxParentName is the most bytes of the name of a parent: it is kept with each socket in its children.
const MaxParentName = sessionstore.MaxParentName

// parent is what lets clients into namespaces that no program named: its children.
type parent struct {
	name    string
	pattern *regexp.Regexp // or allow
	allow   func(ctx context.Context, r NamespaceRequest) (bool, error)
	created []func(ctx context.Context, child *Namespace) error
	listed  listed
}

// NamespaceRequest is a client's wish to join a namespace that the program has not made by name, see [Server.OfFunc].
type NamespaceRequest struct {
	// Name is the namespace, as the client spelled it: text of its own, of at most sessionstore.MaxName bytes.
	Name string
	// Auth is the JSON object that came with the wish; nil if none did.
	Auth json.RawMessage

	server  *Server
	session sessionstore.SessionID
}

// Handshake reads the request that the session began with: its headers, query and address. It takes one read, or two if
// the session began as WebSocket.
func (r NamespaceRequest) Handshake(ctx context.Context) (Handshake, error) {
	return r.server.handshake(ctx, r.session)
}

// OfPattern makes a parent: any namespace whose name the pattern matches is there as soon as a client joins it, and all
// of them have the handlers, middleware and hooks that are registered on the parent. Anchor the pattern, for
// regexp.Regexp.MatchString finds it anywhere in a name: ^/tenant-\d+$.
//
// With a pattern it is the clients that decide which namespaces there are, up to delivery.Limits.Children. Where only
// some may be, [Server.OfFunc] is to be preferred: it sees who asks.
//
// Each child is a [Namespace] with its own name, sockets and rooms: handlers get it from [Socket.Namespace], other code
// from [Server.Lookup]. The parent itself is a selection of the sockets in all of its children: its Emit, Join, Leave
// and Disconnect, and those of its To and Except, do it child by child, each at the price of the same in one namespace
// (16 reads where all sockets are meant). What reads sockets (Fetch, Socket) returns [ErrParent].
//
// Namespaces of [Server.Of] come first, then parents in the order of their registration. The name is what the store
// lists the children under, and what an emitter in another program knows the parent by: it must be the same on every
// instance, and stay when the pattern changes. OfPattern panics where it is empty, above [MaxParentName] bytes or
// taken, and after the first request of a client, with [ErrServing].
func (s *Server) OfPattern(name string, pattern *regexp.Regexp) *Namespace {
	if pattern == nil {
		panic(fmt.Sprintf("nonstick: parent %q: no pattern", name))
	}
	return s.ofParent(&parent{name: name, pattern: pattern})
}

// OfFunc makes a parent as [Server.OfPattern] does, of those namespaces that a function lets clients into: it is asked
// at each CONNECT to a name that is no other's, on any instance, before middleware and connect handlers. With false the
// client is told "Invalid namespace" (unless a parent behind this one lets it in), with an [*Error] its message and
// data; any other error is logged, and the client told "Internal server error".
//
// In Socket.IO the function is asked once for a namespace, until that is empty again; here for each socket, so a
// client never gets in because another one did.
func (s *Server) OfFunc(name string, allow func(ctx context.Context, r NamespaceRequest) (bool, error)) *Namespace {
	if allow == nil {
		panic(fmt.Sprintf("nonstick: parent %q: no function", name))
	}
	return s.ofParent(&parent{name: name, allow: allow})
}

func (s *Server) ofParent(p *parent) *Namespace {
	if p.name == "" || len(p.name) > MaxParentName {
		panic(fmt.Sprintf("nonstick: parent %q: want a name of 1 to %d bytes", p.name, MaxParentName))
	}
	n := newNamespace(s, sessionstore.Namespace(p.name))
	n.parent = p
	s.seal.register(fmt.Sprintf("parent %q", p.name), func() {
		if s.parentOf(p.name) != nil {
			panic(fmt.Sprintf("nonstick: parent %q: there is one of that name", p.name))
		}
		s.parents = append(s.parents, n)
	})
	return n
}

// OnNewNamespace adds a hook of a parent: it is told of a child that had no socket before, or none for so long that it
// was forgotten (over an hour), by the one instance that lets its first socket in, before that is connected. It is told
// once, and not at all if the instance dies just then. An error is logged. OnNewNamespace panics on a namespace that is
// no parent.
func (n *Namespace) OnNewNamespace(hook func(ctx context.Context, child *Namespace) error) {
	if n.parent == nil {
		panic(fmt.Sprintf("nonstick: OnNewNamespace: namespace %q is no parent", n.name))
	}
	n.register("a hook", func() { n.parent.created = append(n.parent.created, hook) })
}

// Children walks the namespaces under a parent, in the order of their names: those that have sockets, and some that had
// some. It takes a read for each 1 MB of names, which is some 8,000. A namespace that is no parent has none.
func (n *Namespace) Children(ctx context.Context) iter.Seq2[*Namespace, error] {
	return func(yield func(*Namespace, error) bool) {
		if !n.isParent() {
			return
		}
		for c, err := range n.server.store.Children(ctx, n.parent.name) {
			if err != nil {
				yield(nil, fmt.Errorf("nonstick: children of %q: %w", n.name, err))
				return
			}
			if !yield(n.makeChild(c.Name), nil) {
				return
			}
		}
	}
}

// ErrParent says that the sockets of a parent cannot be read, only those of each child ([Namespace.Children]).
var ErrParent = adapter.ErrParent

// isParent tells a parent from its children.
func (n *Namespace) isParent() bool { return n.parent != nil && !n.child }

// makeChild returns a child of a parent: the parent under another name.
func (n *Namespace) makeChild(name sessionstore.Namespace) *Namespace {
	c := *n
	c.name, c.child = name, true
	return &c
}

// parentOf finds a parent by its name; nil if there is none.
func (s *Server) parentOf(name string) *Namespace {
	i := slices.IndexFunc(s.parents, func(n *Namespace) bool { return n.parent.name == name })
	if i < 0 {
		return nil
	}
	return s.parents[i]
}

// namespaceOf is the namespace of a socket that has joined; nil if this instance does not have it.
func (s *Server) namespaceOf(row sessionstore.Socket) *Namespace {
	if row.Parent == "" {
		return s.namespaces[row.Namespace]
	}
	if p := s.parentOf(row.Parent); p != nil {
		return p.makeChild(row.Namespace)
	}
	return s.find(row.Namespace) // its parent has another name since a deployment
}

// find is where a name is looked up without a client that asks; nil if no client can be in such a namespace. Of the
// functions none is asked: which of them would let a client in does not matter to what is done from outside.
func (s *Server) find(name sessionstore.Namespace) *Namespace {
	if n := s.namespaces[name]; n != nil || !isName(name) {
		return n
	}
	for _, p := range s.parents {
		if p.parent.pattern == nil || p.parent.pattern.MatchString(string(name)) {
			return p.makeChild(name)
		}
	}
	return nil
}

func isName(name sessionstore.Namespace) bool {
	return name != "" && name[0] == '/' && len(name) <= sessionstore.MaxName
}

// admit finds the namespace that a client may join under a name; the refusal is what it is told if there is none.
func (s *Server) admit(ctx context.Context, entry *sessionstore.NewSocket) (*Namespace, *Error) {
	name := entry.Namespace
	if n := s.namespaces[name]; n != nil {
		return n, nil
	}
	if !isName(name) {
		return nil, errInvalidNamespace
	}
	for _, p := range s.parents {
		allowed, refusal := p.lets(ctx, entry)
		if refusal != nil {
			return nil, refusal
		}
		if allowed {
			return p.makeChild(name), nil
		}
	}
	return nil, errInvalidNamespace
}

// lets asks a parent whether a client may join one of its children.
func (n *Namespace) lets(ctx context.Context, entry *sessionstore.NewSocket) (allowed bool, refusal *Error) {
	p, name := n.parent, string(entry.Namespace)
	if p.pattern != nil {
		return p.pattern.MatchString(name), nil
	}
	log := n.server.log
	defer func() {
		if r := recover(); r != nil {
			log.ErrorContext(
				ctx, "function of a parent panicked", "parent", p.name, "panic", fmt.Sprint(r), "stack",
				string(debug.Stack()),
			)
			allowed, refusal = false, errInternal
		}
	}()
	r := NamespaceRequest{Name: name, server: n.server, session: entry.Session}
	if entry.Auth != "" {
		r.Auth = json.RawMessage(entry.Auth)
	}
	allowed, err := p.allow(ctx, r)
	if told, ok := errors.AsType[*Error](err); ok {
		return false, told
	}
	if err != nil {
		log.ErrorContext(ctx, "function of a parent failed", "parent", p.name, "error", err)
		return false, errInternal
	}
	return allowed, nil
}
