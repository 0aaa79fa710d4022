//go:build unix

package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// maxLoop is how often a function is invoked in one chain before the service cuts the chain: "approximately 16 times".
const maxLoop = 16

// lineagePart is the part of a trace header that counts invocations. The service does not document how; it is what
// its functions and queues hand on without looking into it.
const lineagePart = "Lineage="

// Lineage is a trace header ([Call].Trace) that says how often a function, by its ARN, has been invoked in the chain of
// calls that led here: for tests of functions that call themselves. The form is of this package; AWS documents none:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
func Lineage(arn string, invocations int) string {
	return lineagePart + lineageID(arn) + ":" + strconv.Itoa(invocations)
}

// lineageID names a function in a lineage.
func lineageID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return hex.EncodeToString(sum[:4])
}

// chain is a trace header, taken apart.
type chain struct {
	root   string         // "Root=...", empty in a chain that begins
	counts map[string]int // of invocations, by function
}

func parseChain(header string) chain {
	c := chain{counts: map[string]int{}}
	for part := range strings.SplitSeq(header, ";") {
		if strings.HasPrefix(part, "Root=") {
			c.root = part
		}
		lineage, ok := strings.CutPrefix(part, lineagePart)
		if !ok {
			continue
		}
		for f := range strings.SplitSeq(lineage, ",") {
			id, count, _ := strings.Cut(f, ":")
			if n, err := strconv.Atoi(count); err == nil && n > 0 {
				c.counts[id] = n
			}
		}
	}
	return c
}

// header is what the invocation of a function hands on: the chain, with this invocation in it.
func (c chain) header(arn, root string) string {
	if c.root == "" {
		c.root = root
	}
	c.counts[lineageID(arn)]++
	var lineage []string
	for id, n := range c.counts {
		lineage = append(lineage, id+":"+strconv.Itoa(n))
	}
	return c.root + ";Sampled=0;" + lineagePart + strings.Join(lineage, ",")
}

// loops reports whether a function calls itself, by way of queues and others.
func (c chain) loops(arn string) bool { return c.counts[lineageID(arn)] >= maxLoop }
