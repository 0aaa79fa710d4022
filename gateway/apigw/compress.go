package apigw

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/nonstick-io/nonstick/gateway"
)

const headerContentEncoding = "Content-Encoding"

// compression says which bodies are compressed.
type compression struct {
	off  bool
	from int // bytes
}

func newCompression(c gateway.HTTPCompression) compression {
	return compression{off: c.Off, from: cmp.Or(c.Threshold, gateway.DefaultCompressionThreshold)}
}

// coding chooses the content coding of a body of so many bytes, for a client that accepts these; empty for none.
func (c compression) coding(size int, accept string) string {
	if c.off || size < c.from {
		return ""
	}
	return codingFor(accept)
}

// The content codings, the preferred one first.
const (
	codingGzip    = "gzip"
	codingDeflate = "deflate"
)

// writer is what gzip and zlib have in common.
type writer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// compressor is what one compression needs; it is large, so it is kept.
type compressor struct {
	out bytes.Buffer
	zip writer
}

// compressors has a pool for each coding.
var compressors = map[string]*sync.Pool{
	codingGzip: {New: func() any {
		c := &compressor{}
		c.zip, _ = gzip.NewWriterLevel(&c.out, gzip.BestSpeed) // the level is valid
		return c
	}},
	codingDeflate: {New: func() any {
		c := &compressor{}
		c.zip, _ = zlib.NewWriterLevel(&c.out, zlib.BestSpeed) // the level is valid
		return c
	}},
}

// codingFor chooses the content coding by an Accept-Encoding header: the one with the higher weight, then the one
// that is named and not meant by "*", then the earlier one. It is empty if the client takes neither.
func codingFor(header string) string {
	gzip, deflate := wish{}, wish{}
	place := 0
	for part := range strings.SplitSeq(header, ",") {
		place++
		coding, parameters, _ := strings.Cut(part, ";")
		w := wish{weight: weightOf(parameters), place: place, named: true}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case codingGzip:
			gzip.narrow(w)
		case codingDeflate:
			deflate.narrow(w)
		case "*":
			w.named = false
			gzip.narrow(w)
			deflate.narrow(w)
		}
	}
	switch {
	case gzip.weight <= 0 && deflate.weight <= 0:
		return ""
	case deflate.before(gzip):
		return codingDeflate
	default:
		return codingGzip
	}
}

// wish is how much a client wants a coding. The zero wish is that of a client that has not spoken of it.
type wish struct {
	weight float64
	place  int
	named  bool
}

// narrow takes what the client says of a coding by its name over what it says of all.
func (w *wish) narrow(said wish) {
	if said.named || !w.named {
		*w = said
	}
}

func (w wish) before(other wish) bool {
	switch {
	case w.weight != other.weight:
		return w.weight > other.weight
	case w.named != other.named:
		return w.named
	default:
		return w.place < other.place
	}
}

// weightOf reads "q=0.5"; without it, the weight is 1.
func weightOf(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}

// compress returns body compressed, in base64.
func compress(coding, body string) string {
	pool := compressors[coding]
	c := pool.Get().(*compressor)
	defer pool.Put(c)
	c.out.Reset()
	c.zip.Reset(&c.out)
	_, _ = c.zip.Write([]byte(body)) // a buffer takes everything
	_ = c.zip.Close()
	return base64.StdEncoding.EncodeToString(c.out.Bytes())
}
