//go:build unix

package management

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// BenchmarkPush is a push over TLS, signature included. The processor's time has the server's side in it.
func BenchmarkPush(b *testing.B) {
	s := httptest.NewTLSServer(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }),
	)
	defer s.Close()
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "s"}, nil
	})
	p := New(Options{Region: "eu-central-1", Credentials: provider, HTTPClient: s.Client()})
	conn := sessionstore.Connection{ID: "L0SM9cOFvHcCIhw=", Endpoint: s.URL + "/v1"}
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := p.Push(b.Context(), conn, "2"); err != nil {
			b.Fatal(err)
		}
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(b.N)/1000, "cpu-us/op")
}
