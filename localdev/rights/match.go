package rights

import "strings"

// matchAction reports whether the pattern of a policy matches an action. The case does not matter.
func matchAction(pattern, action string) bool {
	return match(strings.ToLower(pattern), strings.ToLower(action))
}

// match reports whether a pattern matches all of a text. * stands for any characters and ? for one, within the segments
// that colons divide an ARN into; a * at the end of a segment goes on across colons.
func match(pattern, s string) bool {
	plain := strings.IndexAny(pattern, "*?")
	if plain < 0 {
		return pattern == s
	}
	if !strings.HasPrefix(s, pattern[:plain]) {
		return false
	}
	pattern, s = pattern[plain:], s[plain:]
	// reach[i] says that what has been read of the pattern matches s[:i].
	reach, next := make([]bool, len(s)+1), make([]bool, len(s)+1)
	reach[0] = true
	for p := range len(pattern) {
		switch pattern[p] {
		case '*':
			across := p+1 == len(pattern) || pattern[p+1] == ':'
			star(reach, next, s, across)
		default:
			next[0] = false
			for i := range len(s) {
				next[i+1] = reach[i] && (s[i] == pattern[p] || pattern[p] == '?' && s[i] != ':')
			}
		}
		reach, next = next, reach
	}
	return reach[len(s)]
}

// star is the step of a *: from wherever the pattern was, over any characters, colons only across segments.
func star(reach, next []bool, s string, across bool) {
	on := false
	for i := range next {
		if i > 0 && s[i-1] == ':' && !across {
			on = false
		}
		on = on || reach[i]
		next[i] = on
	}
}
