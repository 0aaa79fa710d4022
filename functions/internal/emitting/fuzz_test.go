package emitting

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
)

// Whatever invokes the function gets an answer, or an error that says what is wrong; never a panic, and never more
// than the platform takes.
func FuzzEmit(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no events: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, request := range []string{
		`{"event":"e","args":[{"_placeholder":true,"num":0}],"attachments":["aGk="],"rooms":["a"],"key":"k"}`,
		`{"batch":[{"fetch":10,"after":"0.one"},{"join":["x"]},{"leave":["a"]},{"disconnect":"session"}],"key":"k"}`,
		`{"event":"<\u2028\u0000","args":[1e999,"\ud800"]}`, `[]`, `null`, `{"detail-type":1,"Records":null}`,
	} {
		f.Add([]byte(request))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		w := newWorld(t)
		w.client("one", "a")
		raw, err := Emit(w.parts)(t.Context(), payload)
		told, failed := errors.AsType[*boot.TypedError](err)
		if failed {
			raw = []byte(told.Message)
		}
		var a Answer
		switch {
		case len(raw) > boot.MaxAnswer:
			t.Errorf("%d bytes", len(raw))
		case len(raw) > 0 && !json.Valid(raw):
			t.Errorf("answered %q", raw)
		case failed && (json.Unmarshal(raw, &a) != nil || a.OK || len(a.allErrors()) == 0):
			t.Errorf("the error does not say why: %s", raw)
		}
	})
}
