package rights

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"sync"
)

// Callers knows the programs whose rights are known, by the session tokens that they sign their requests with. Every
// other caller, for instance a developer's command line, may do everything. Make it with [NewCallers]. Safe for
// concurrent use once it has been filled.
type Callers struct {
	byToken map[string]*Rights
	log     *slog.Logger

	mu   sync.Mutex
	uses map[Use]int64 // guarded by mu; their Calls are 0
}

// NewCallers returns Callers that know no caller. The log gets the first refusal of each caller's action; nil discards.
func NewCallers(log *slog.Logger) *Callers {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Callers{byToken: map[string]*Rights{}, log: log, uses: map[Use]int64{}}
}

// Add makes a caller known. Rights that are nil are not known: the caller may do everything. Call it before requests
// are served.
func (c *Callers) Add(token string, r *Rights) {
	if r != nil {
		c.byToken[token] = r
	}
}

// Check returns nil, or a [*DeniedError] if the caller that signed a request may not do an action to a resource.
func (c *Callers) Check(r *http.Request, action, resource string) error {
	rights := c.byToken[token(r)]
	if rights == nil {
		return nil
	}
	d := rights.decide(action, resource)
	use := Use{Principal: rights.Principal, Action: action, Resource: d.pattern, Denied: !d.allowed}
	if d.by != nil {
		use.Where = d.by.Where
	} else {
		use.Resource = anyConnection(resource)
	}
	first := c.count(use)
	if d.allowed {
		return nil
	}
	err := rights.denied(action, resource, d)
	if first {
		log := c.log.With("role", err.Role)
		if err.Explicit {
			log = log.With("statement", err.Where)
		}
		log.Warn("a right is missing, as it would be on AWS", "error", err)
	}
	return err
}

// token is the session token of a request: a header, or a parameter of the query where the signature is one.
func token(r *http.Request) string {
	const name = "X-Amz-Security-Token"
	if t := r.Header.Get(name); t != "" {
		return t
	}
	return r.URL.Query().Get(name)
}

// count counts a call, and reports whether it is the first of its kind.
func (c *Callers) count(u Use) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses[u]++
	return c.uses[u] == 1
}

// Use is how often a caller used a right, or was refused.
type Use struct {
	Principal string `json:"principal"` // ARN of the caller
	Action    string `json:"action"`
	// Resource is the one in the policy that decided, and Where says where that is written. If no statement decided it
	// is the one of the call, any connection for one.
	Resource string `json:"resource,omitempty"`
	Where    string `json:"where,omitempty"`
	Denied   bool   `json:"denied"`
	Calls    int64  `json:"calls"`
}

// Uses returns the rights that were used, and those that were missing, in the order of their callers and actions. A
// right of which it says nothing was not used.
func (c *Callers) Uses() []Use {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Use, 0, len(c.uses))
	for u, n := range c.uses {
		u.Calls = n
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Use) int {
		return cmp.Or(
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(a.Where, b.Where),
		)
	})
	return all
}
