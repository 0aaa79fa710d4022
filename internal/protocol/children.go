package protocol

import "time"

// A namespace that clients made is listed under its parent before a socket joins it. To list it anew for each socket
// would be a write for each. So an instance that has listed it trusts that for a while, and no caller takes it off the
// list before that while is over for every instance, however its clock goes and however long its CONNECT took.
const (
	childTrust  = time.Hour
	childMargin = 5 * time.Minute
)

// ChildListed reports whether an instance that listed a namespace at a time need not do so again now.
func ChildListed(listed, now time.Time) bool {
	d := now.Sub(listed)
	return d > -childMargin/2 && d < childTrust
}

// ChildForgettable reports whether a namespace in which no socket is found may be taken off the list, if it has not
// been listed again since: at is when it was.
func ChildForgettable(at, now time.Time) bool { return now.Sub(at) > childTrust+childMargin }
