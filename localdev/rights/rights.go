package rights

import "slices"

// Rights are those of one caller: what the policies of its role say together.
type Rights struct {
	// Principal is the ARN of the caller, as messages name it: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION. The
	// session of a Lambda function is called as the function is.
	Principal string
	// Role is the name of the role and where it is written, for messages to the developer; may be empty.
	Role string
	// Statements are those of all policies of the role. Their order does not matter.
	Statements []Statement
}

// Statement is a statement of a policy, without conditions. It is about the calls whose action matches one of Actions,
// or none of NotActions, and whose resource matches one of Resources, or none of NotResources. Of each pair one is set.
type Statement struct {
	Deny                    bool     // its Effect: it denies, and does not allow
	Actions, NotActions     []string // "sqs:SendMessage", "sqs:*", "*"
	Resources, NotResources []string // ARNs with wildcards, or "*"
	// Where is where the statement is written, for messages to the developer; may be empty.
	Where string
}

// Allows reports whether the caller may do an action to a resource, an ARN without wildcards. A caller whose rights are
// nil, which are not known, may do everything.
func (r *Rights) Allows(action, resource string) bool { return r.Check(action, resource) == nil }

// Check is [Rights.Allows] with the reason: a [*DeniedError], or nil.
func (r *Rights) Check(action, resource string) error {
	if r == nil {
		return nil
	}
	if d := r.decide(action, resource); !d.allowed {
		return r.denied(action, resource, d)
	}
	return nil
}

// decision is what the statements say of a call.
type decision struct {
	allowed bool
	by      *Statement // that decided; nil: none allows the call
	pattern string     // the resource in it that matched; empty if it names what it is not about
}

// decide evaluates the statements: one that denies wins.
func (r *Rights) decide(action, resource string) (d decision) {
	for i := range r.Statements {
		s := &r.Statements[i]
		if d.allowed && !s.Deny {
			continue // one that allows is enough
		}
		pattern, ok := s.about(action, resource)
		if !ok {
			continue
		}
		d = decision{!s.Deny, s, pattern}
		if s.Deny {
			return d
		}
	}
	return d
}

// about reports whether a statement is about a call, and which of its resources matched.
func (s *Statement) about(action, resource string) (pattern string, ok bool) {
	is := func(a string) bool { return matchAction(a, action) }
	if s.NotActions != nil {
		ok = !slices.ContainsFunc(s.NotActions, is)
	} else {
		ok = slices.ContainsFunc(s.Actions, is)
	}
	if !ok {
		return "", false
	}
	of := func(p string) bool { return match(p, resource) }
	if s.NotResources != nil {
		return "", !slices.ContainsFunc(s.NotResources, of)
	}
	i := slices.IndexFunc(s.Resources, of)
	if i < 0 {
		return "", false
	}
	return s.Resources[i], true
}
