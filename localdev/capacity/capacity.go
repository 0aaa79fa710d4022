// Package capacity counts what requests to DynamoDB take: it stands before an endpoint that verifies no signatures, as
// DynamoDB Local is one, and has each answer tell its consumed capacity. It knows nothing of Nonstick.
//
//   - https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
package capacity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// Used is what has been consumed since the start, in units of on-demand capacity.
type Used struct {
	Read  float64 `json:"read"`
	Write float64 `json:"write"`
	// Requests are calls of any operation.
	Requests int64 `json:"requests"`
	// Operations are the same by the names of the operations.
	Operations map[string]Operation `json:"operations"`
}

// Operation is what calls of one operation have consumed: read units or write units, by what it does.
type Operation struct {
	Requests int64   `json:"requests"`
	Units    float64 `json:"units"`
}

// Counter is an http.Handler that passes requests on and counts. Safe for concurrent use.
type Counter struct {
	proxy *httputil.ReverseProxy

	mu   sync.Mutex
	used Used
}

// New returns a Counter before an endpoint, as http://127.0.0.1:8000. The error says that it is no URL.
func New(endpoint string) (*Counter, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("capacity: %q is no URL", endpoint)
	}
	c := &Counter{used: Used{Operations: map[string]Operation{}}}
	c.proxy = &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
		},
		ModifyResponse: c.answer,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil { // else the caller is gone
				http.Error(w, "capacity: "+err.Error(), http.StatusBadGateway)
			}
		},
	}
	return c, nil
}

// Used returns the counts.
func (c *Counter) Used() Used {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.used
	out.Operations = maps.Clone(c.used.Operations)
	return out
}

// operation is the last part of X-Amz-Target, and whether it reads or writes; both are false for those of tables.
func operation(h http.Header) (name string, reads, writes bool) {
	_, name, _ = strings.Cut(h.Get("X-Amz-Target"), ".")
	switch name {
	case "GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems":
		return name, true, false
	case "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems":
		return name, false, true
	}
	return name, false, false
}

const asked = `"ReturnConsumedCapacity":"TOTAL"`

// ServeHTTP implements http.Handler.
func (c *Counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, reads, writes := operation(r.Header); reads || writes {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "the body ended early", http.StatusBadRequest)
			return
		}
		body = ask(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.proxy.ServeHTTP(w, r)
}

// ask has a request ask for its consumed capacity, unless it does.
func ask(body []byte) []byte {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(body), []byte("{"))
	if !ok || bytes.Contains(body, []byte(`"ReturnConsumedCapacity"`)) {
		return body
	}
	if first := bytes.TrimLeft(rest, " \t\r\n"); len(first) > 0 && first[0] == '}' {
		return []byte("{" + asked + "}")
	}
	return append([]byte("{"+asked+","), rest...)
}

// consumed is what one table took.
type consumed struct {
	CapacityUnits float64
}

// answer counts. A refused conditional write takes as much as one that is done; its answer does not say how much, so
// one unit is counted.
func (c *Counter) answer(res *http.Response) error {
	name, reads, writes := operation(res.Request.Header)
	if !reads && !writes {
		c.add(name, 0, 0)
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // it has been read
	res.Body = io.NopCloser(bytes.NewReader(body))
	units := 0.0
	switch {
	case res.StatusCode == http.StatusOK:
		units = unitsOf(body)
	case writes && bytes.Contains(body, []byte("ConditionalCheckFailed")):
		units = 1
	}
	if reads {
		c.add(name, units, 0)
	} else {
		c.add(name, 0, units)
	}
	return nil
}

// unitsOf adds up what an answer says: of one table, or of several.
func unitsOf(body []byte) (units float64) {
	var out struct{ ConsumedCapacity json.RawMessage }
	if json.Unmarshal(body, &out) != nil {
		return 0
	}
	var one consumed
	if json.Unmarshal(out.ConsumedCapacity, &one) == nil {
		return one.CapacityUnits
	}
	var several []consumed
	if json.Unmarshal(out.ConsumedCapacity, &several) != nil {
		return 0
	}
	for _, t := range several {
		units += t.CapacityUnits
	}
	return units
}

// add counts one call.
func (c *Counter) add(name string, read, write float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.Read += read
	c.used.Write += write
	c.used.Requests++
	o := c.used.Operations[name]
	o.Requests++
	o.Units += read + write
	c.used.Operations[name] = o
}
