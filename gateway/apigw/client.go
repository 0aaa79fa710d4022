package apigw

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"github.com/nonstick-io/nonstick/internal/bundle"
)

// client serves the Socket.IO client for browsers. Files are read when they are asked for, and kept with their
// compressed forms: there are eight, of some 1.2 MB together.
type client struct {
	folder func() string // may be nil

	mu    sync.Mutex
	files map[string]*clientFile // guarded by mu
}

// clientFile is a file of the client.
type clientFile struct {
	etag    string
	headers map[string]string // its own, without those of CORS

	mu   sync.Mutex
	body map[string]string // in base64, by content coding; guarded by mu
	raw  string
}

func newClient(folder func() string) *client {
	return &client{folder: folder, files: map[string]*clientFile{}}
}

// IsClient reports whether a path, without the stage, is that of a file of the Socket.IO client for browsers, which the
// handler serves: no store is read for it.
func (h *Handler) IsClient(path string) bool {
	name, below := strings.CutPrefix(path, h.path)
	return h.client != nil && below && bundle.Is(name)
}

// noClient is said where the files of the client are not.
const noClient = "There is no Socket.IO client for browsers here. Run `npm install socket.io-client` in the folder " +
	"of the program and load this again, or on AWS build and deploy again. Or load the client from a CDN.\n"

// serveClient answers a request for a file of the client, whatever its method, as the reference does.
func (h *Handler) serveClient(
	ctx context.Context, sets *headerSets, path string, e *events.APIGatewayV2HTTPRequest,
) events.APIGatewayV2HTTPResponse {
	f, err := h.client.file(strings.TrimPrefix(path, h.path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.log.WarnContext(ctx, "no client for browsers", "error", err)
		return response(
			http.StatusNotFound, withAll(sets.empty, map[string]string{"Content-Type": "text/plain; charset=utf-8"}),
			noClient,
		)
	case err != nil:
		h.log.ErrorContext(ctx, "client for browsers not read", "error", err)
		return response(http.StatusInternalServerError, sets.empty, "")
	}
	if known := e.Headers["if-none-match"]; known == f.etag || known == "W/"+f.etag {
		return response(http.StatusNotModified, sets.empty, "")
	}
	headers := withAll(sets.empty, f.headers)
	if vary := sets.empty[headerVary]; vary != "" {
		headers[headerVary] = vary + ", " + f.headers[headerVary]
	}
	coding := codingFor(e.Headers["accept-encoding"])
	if coding != "" {
		headers[headerContentEncoding] = coding
	}
	res := response(http.StatusOK, headers, f.as(coding))
	res.IsBase64Encoded = true
	return res
}

func withAll(a, b map[string]string) map[string]string {
	all := make(map[string]string, len(a)+len(b)+1)
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

var errNoFolder = fmt.Errorf("no folder has it: %w", fs.ErrNotExist)

// file returns a file of the client. An error that matches [fs.ErrNotExist] says that it is not there; the next request
// looks again.
func (c *client) file(name string) (*clientFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.files[name]; f != nil {
		return f, nil
	}
	dir := ""
	if c.folder != nil {
		dir = c.folder()
	}
	if dir == "" {
		return nil, errNoFolder
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("apigw: read the client: %w", err)
	}
	f := newClientFile(name, bundle.Version(dir), string(raw))
	c.files[name] = f
	return f, nil
}

// newClientFile makes what is served of a file. Its ETag is the version, as of the reference, or of a client that does
// not tell one the hash of the file.
func newClientFile(name, version, raw string) *clientFile {
	if version == "" {
		sum := sha256.Sum256([]byte(raw))
		version = hex.EncodeToString(sum[:8])
	}
	kind := "application/javascript; charset=utf-8"
	if strings.HasSuffix(name, ".map") {
		kind = "application/json; charset=utf-8"
	}
	etag := `"` + version + `"`
	return &clientFile{
		etag: etag, raw: raw, body: map[string]string{},
		headers: map[string]string{
			"Cache-Control": "public, max-age=0", "Content-Type": kind, "ETag": etag, headerVary: "Accept-Encoding",
		},
	}
}

// as returns the file in a content coding, in base64.
func (f *clientFile) as(coding string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, ok := f.body[coding]
	if !ok {
		if coding == "" {
			body = base64.StdEncoding.EncodeToString([]byte(f.raw))
		} else {
			body = compress(coding, f.raw)
		}
		f.body[coding] = body
	}
	return body
}
