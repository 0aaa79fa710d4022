package edge

import (
	"errors"
	"io"
	"net"
	"net/http"
)

// attempts tries what an origin's connection attempts allow: to connect, and for GET and HEAD to get an answer.
type attempts struct {
	most int
	of   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		res, err := a.of.RoundTrip(r)
		if err == nil || n == a.most || r.Context().Err() != nil || !again(r, err) {
			return res, err
		}
	}
}

// again reports whether a request that has failed may be tried again.
func again(r *http.Request, err error) bool {
	var op *net.OpError
	notSent := errors.As(err, &op) && op.Op == "dial"
	return notSent || r.Method == http.MethodGet || r.Method == http.MethodHead
}

// once is a body that the transport takes for one that it cannot read again, be it empty. So the transport does not
// send a request again by itself, whose connection turned out to be gone: attempts are counted here. And it does not
// close the body, which a further attempt may need; the server does that.
type once struct{ io.Reader }

// Close implements io.Closer.
func (once) Close() error { return nil }

// onceOf is the body of a request, to be sent once. Where it is empty, the transport repeats requests of these methods;
// others keep that they have none, and a length of 0, and are repeated only where nothing was sent or the client says
// that this may be done (Idempotency-Key).
func onceOf(r *http.Request) io.ReadCloser {
	if r.Body != nil {
		return once{r.Body}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return once{http.NoBody}
	default:
		return nil
	}
}
