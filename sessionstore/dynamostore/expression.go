package dynamostore

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// names returns the attribute names that expressions speak of: each is written with a '#' in front, because
// DynamoDB reserves many words.
func names(expressions ...string) map[string]string {
	m := make(map[string]string)
	for _, e := range expressions {
		for {
			i := strings.IndexByte(e, '#')
			if i < 0 {
				break
			}
			e = e[i+1:]
			n := strings.IndexFunc(e, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
			if n < 0 {
				n = len(e)
			}
			m["#"+e[:n]] = e[:n]
			e = e[n:]
		}
	}
	return m
}

// clauses collects the clauses of an update expression.
type clauses struct {
	set, drop []string
	values    item
	// names are those of attributes whose placeholders say no more than that there is one, see [change].
	names map[string]string
}

// assign sets an attribute to what an expression says.
func (c *clauses) assign(name, expression string) { c.set = append(c.set, "#"+name+"="+expression) }

// put sets an attribute to a value.
func (c *clauses) put(name string, value types.AttributeValue) {
	c.assign(name, ":"+name)
	c.values[":"+name] = value
}

// add adds to a number, which is 0 if it is not there; the caller has the value :zero.
func (c *clauses) add(name string, n int) {
	c.values[":"+name] = num(n)
	c.assign(name, "if_not_exists(#"+name+",:zero)+:"+name)
}

// subtract subtracts from a number that is there.
func (c *clauses) subtract(name string, n int) {
	c.values[":"+name] = num(n)
	c.assign(name, "#"+name+"-:"+name)
}

// remove drops an attribute, or an element of it.
func (c *clauses) remove(path string) { c.drop = append(c.drop, "#"+path) }

// putTime sets an attribute to a time, and drops it for the zero time.
func (c *clauses) putTime(name string, t time.Time) {
	if t.IsZero() {
		c.remove(name)
	} else {
		c.put(name, millis(t))
	}
}

func (c *clauses) String() string {
	var u string
	if len(c.set) > 0 {
		u = "SET " + strings.Join(c.set, ",") + " "
	}
	if len(c.drop) > 0 {
		u += "REMOVE " + strings.Join(c.drop, ",")
	}
	return u
}
