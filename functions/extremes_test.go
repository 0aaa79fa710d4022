package functions

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/template"
)

// unbounded is how often something is repeated in the longest form where the pattern sets no end.
const unbounded = 3

// extremes are values that a parameter allows: all that are listed, or of its pattern the shortest and the longest of
// every branch, with the least and the greatest character of each class.
func extremes(t *testing.T, p template.Parameter) []string {
	t.Helper()
	if len(p.Allowed) > 0 {
		return p.Allowed
	}
	if p.Pattern == "" {
		t.Fatalf("%s has no constraint: neither AllowedValues nor an AllowedPattern", p.Name)
	}
	re, err := syntax.Parse(p.Pattern, syntax.Perl)
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	longest := 4096
	if p.MaxLength != "" {
		if longest, err = strconv.Atoi(p.MaxLength); err != nil {
			t.Fatalf("%s: MaxLength: %v", p.Name, err)
		}
	}
	values := branches(re)
	slices.Sort(values)
	values = slices.Compact(values)
	whole := regexp.MustCompile(`\A(?:` + p.Pattern + `)\z`)
	values = slices.DeleteFunc(values, func(v string) bool { return !whole.MatchString(v) || len(v) > longest })
	if len(values) == 0 {
		t.Fatalf("%s: no value fits %s", p.Name, p.Pattern)
	}
	if p.MaxLength != "" {
		values = append(values, stretched(whole, values, longest)...)
	}
	return values
}

// stretched is a value that is as long as may be, made of the longest by repeating a character of it.
func stretched(whole *regexp.Regexp, values []string, longest int) []string {
	for _, v := range slices.Backward(values) {
		for i := range v {
			long := v[:i] + strings.Repeat(v[i:i+1], longest-len(v)+1) + v[i+1:]
			if whole.MatchString(long) {
				return []string{long}
			}
		}
	}
	return nil
}

// branches returns extreme texts of an expression.
func branches(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		least, most := re.Rune[0], min(re.Rune[len(re.Rune)-1], '~')
		return []string{string(max(least, '!')), string(most)}
	case syntax.OpCapture:
		return branches(re.Sub[0])
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, branches(sub)...)
		}
		return all
	case syntax.OpConcat:
		return joined(re.Sub)
	case syntax.OpStar:
		return repeated(re.Sub[0], 0, -1)
	case syntax.OpPlus:
		return repeated(re.Sub[0], 1, -1)
	case syntax.OpQuest:
		return repeated(re.Sub[0], 0, 1)
	case syntax.OpRepeat:
		return repeated(re.Sub[0], re.Min, re.Max)
	default: // the beginning and the end of the text
		return []string{""}
	}
}

// joined puts parts one behind the other: each text of each part once, with the least and the most of the others.
func joined(parts []*syntax.Regexp) []string {
	of := make([][]string, len(parts))
	for i, p := range parts {
		of[i] = branches(p)
	}
	var all []string
	for i, texts := range of {
		for _, text := range texts {
			for _, most := range []bool{false, true} {
				var b strings.Builder
				for j, others := range of {
					switch {
					case j == i:
						b.WriteString(text)
					case most:
						b.WriteString(longestOf(others))
					default:
						b.WriteString(shortestOf(others))
					}
				}
				all = append(all, b.String())
			}
		}
	}
	return all
}

// repeated repeats an expression as seldom and as often as it may be.
func repeated(re *syntax.Regexp, least, most int) []string {
	if most < 0 {
		most = least + unbounded
	}
	var all []string
	for _, text := range branches(re) {
		all = append(all, strings.Repeat(text, least), strings.Repeat(text, most))
	}
	return all
}

func shortestOf(texts []string) string {
	return slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) })
}

func longestOf(texts []string) string {
	return slices.MaxFunc(texts, func(a, b string) int { return len(a) - len(b) })
}

var number = regexp.MustCompile(`[0-9]+`)

// neighbours are values close to one that is allowed; most are not.
func neighbours(v string) []string {
	all := []string{
		"", v + " ", " " + v, v + "0", "0" + v, "+" + v, "-" + v, v + ".5", v + "\n", v + "," + v, v + ",  " + v,
		strings.ToUpper(v), strings.ToLower(v) + "/", v + "h",
		strings.TrimRight(
			v, "ms",
		),
		strings.TrimRight(v, "ms") + "us", strings.TrimRight(v, "ms") + "h", strings.TrimRight(v, "ms") + "m",
		strings.TrimRight(v, "ms") + "ms", v + v,
	}
	if v != "" {
		all = append(all, v[1:], v[:len(v)-1])
	}
	for _, at := range number.FindAllStringIndex(v, 2) {
		digits := v[at[0]:at[1]]
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			continue
		}
		for _, other := range []string{
			strconv.FormatInt(n+1, 10), strconv.FormatInt(n-1, 10), digits + "0", digits + ".5", "1e3",
			"99999999999999999999",
		} {
			all = append(all, v[:at[0]]+other+v[at[1]:])
		}
	}
	return all
}
