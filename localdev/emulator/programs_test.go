package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/emulator"
)

func TestForPrograms(t *testing.T) {
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := emulator.ForPrograms("http://my-laptop:3000/v1", served)
	tests := []struct {
		name   string
		method string
		host   string
		header [2]string
		allow  bool
	}{
		{name: "an SDK", method: "POST", host: "127.0.0.1:3000", allow: true},
		{name: "by name", method: "POST", host: "localhost:3000", allow: true},
		{name: "by IPv6", method: "POST", host: "[::1]:3000", allow: true},
		{name: "by the name of the endpoint", method: "POST", host: "My-Laptop:3000", allow: true},
		{name: "from another machine, by address", method: "POST", host: "192.0.2.1:3000", allow: true},
		{name: "a host that points here", method: "POST", host: "evil.example.net:3000"},
		{name: "a host that looks like an address", method: "POST", host: "127.0.0.1.evil.example.net:3000"},
		{name: "a host that looks like localhost", method: "POST", host: "localhost.evil.example.net"},
		{name: "no host", method: "POST", host: ""},
		{
			name: "a page of another origin", method: "POST", host: "127.0.0.1:3000",
			header: [2]string{"Origin", "https://evil.example.net"},
		},
		{
			name: "a page of this origin", method: "POST", host: "127.0.0.1:3000",
			header: [2]string{"Origin", "http://127.0.0.1:3000"},
		},
		{name: "a sandboxed page", method: "POST", host: "127.0.0.1:3000", header: [2]string{"Origin", "null"}},
		{
			name: "an image of a page", method: "GET", host: "127.0.0.1:3000",
			header: [2]string{"Sec-Fetch-Site", "cross-site"},
		},
		{
			name: "an image of a page of this origin", method: "GET", host: "127.0.0.1:3000",
			header: [2]string{"Sec-Fetch-Site", "same-origin"},
		},
		{
			name: "typed into the browser", method: "GET", host: "127.0.0.1:3000",
			header: [2]string{"Sec-Fetch-Site", "none"}, allow: true,
		},
		{
			name: "a form that was typed", method: "POST", host: "127.0.0.1:3000",
			header: [2]string{"Sec-Fetch-Site", "none"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", nil)
			r.Host = tt.host
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			refused := w.Code == http.StatusForbidden && w.Header().Get("X-Amzn-Errortype") == "ForbiddenException"
			if allowed := w.Code == http.StatusNoContent; allowed != tt.allow || refused == tt.allow {
				t.Errorf("answer = %d %q, want it let through: %v", w.Code, w.Body, tt.allow)
			}
		})
	}
}

// The management API is for programs, too.
func TestManagementIsNotForPages(t *testing.T) {
	s := start(t, emulator.AWS(), set{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint+"/@connections/no-id", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-x")
	for origin, want := range map[string]int{
		"": http.StatusBadRequest, "https://evil.example.net": http.StatusForbidden,
	} {
		if req.Header.Del("Origin"); origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("origin %q: %d, want %d", origin, res.StatusCode, want)
		}
	}
}
