package direct

import (
	"net/http"
	"strings"

	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/localdev/emulator"
)

// NewServer returns an emulator that takes groups of frames from other processes, and whose binary frames are packets
// of Engine.IO unless its limits are the service's, which has none. It sets Intercept and Binary of the configuration.
func NewServer(c emulator.Config) *emulator.Server {
	g := &groups{path: pathOf(c.Endpoint) + groupPath, limit: c.Limits.Outbox}
	if g.limit == 0 {
		g.limit = defaultOutbox
	}
	h := emulator.ForPrograms(c.Endpoint, g)
	c.Intercept = func(r *http.Request) http.Handler {
		if strings.HasPrefix(r.URL.Path, g.path) {
			return h
		}
		return nil
	}
	c.Binary = Binary
	g.server = emulator.New(c)
	return g.server
}

// Binary writes binary frames as Engine.IO does where it has text only: "b" and the base64 of the message, in version 3
// with the type of the packet between them, which is the first byte of the frame. A client that asks for b64 cannot
// read binary frames, and gets that text.
func Binary(r *http.Request) emulator.Binary {
	query := engineio.ParseQuery(r.URL.RawQuery)
	codec := engineio.CodecOf(query)
	b := emulator.Binary{Text: codec.TextFrame}
	if query["b64"] == "" {
		b.Payload = codec.BinaryFrame
	}
	return b
}
