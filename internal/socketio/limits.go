package socketio

// Limits bounds what [Decode] accepts. A field that is zero or below has its default.
type Limits struct {
	// MaxAttachments is the most binary attachments of one packet; default 10, as in official clients,
	// which refuse more than that themselves.
	MaxAttachments int
	// MaxDepth is how deep arrays and objects may nest; default 1000, never above 10000, the limit of
	// encoding/json. The array of an event counts as 1.
	MaxDepth int
}

// Defaults of [Limits].
const (
	DefaultMaxAttachments = 10
	DefaultMaxDepth       = 1000
)

// hardDepth is the nesting that encoding/json refuses to go below, whatever the configuration.
const hardDepth = 10_000

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	if l.MaxAttachments <= 0 {
		l.MaxAttachments = DefaultMaxAttachments
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	l.MaxDepth = min(l.MaxDepth, hardDepth)
	return l
}
