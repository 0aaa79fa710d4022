package apigw

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"sync"
)

// compressFrom is the size of a body that is worth compressing, as in the reference server.
const compressFrom = 1024

// compressor is what one compression needs; it is large, so it is kept.
type compressor struct {
	out bytes.Buffer
	zip *gzip.Writer
}

var compressors = sync.Pool{New: func() any {
	c := &compressor{}
	c.zip, _ = gzip.NewWriterLevel(&c.out, gzip.BestSpeed) // the level is valid
	return c
}}

// acceptsGzip reads an Accept-Encoding header.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		q, _ := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		return strings.Trim(q, "0.") != "" || q == ""
	}
	return false
}

// compress returns body compressed, in base64.
func compress(body string) string {
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	c.out.Reset()
	c.zip.Reset(&c.out)
	_, _ = c.zip.Write([]byte(body)) // a buffer takes everything
	_ = c.zip.Close()
	return base64.StdEncoding.EncodeToString(c.out.Bytes())
}
