//go:build unix

package lambda_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// A call that is being served is finished by the program that has begun it; the next one gets the new program, and no
// process of the old one is left.
func TestDeploy(t *testing.T) {
	s := start(t, nil)
	s.want(t, strconv.Quote(probe), "do", "env", "text", "LAMBDA_TASK_ROOT")
	together(2, func(int) { s.invoke(t, "sleep", 100) })
	old := s.stats().PIDs
	if len(old) != 2 {
		t.Fatalf("processes %v, want two", old)
	}
	served := make(chan string)
	go func() { served <- string(s.invoke(t, "do", "env", "text", "LAMBDA_TASK_ROOT", "sleep", 500).Payload) }()
	eventually(t, "one is busy", func() bool { return s.stats().Busy == 1 })

	next := t.TempDir()
	if err := os.Link(filepath.Join(probe, "bootstrap"), filepath.Join(next, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	if err := s.Deploy("probe", next); err != nil {
		t.Fatal(err)
	}
	s.want(t, strconv.Quote(next), "do", "env", "text", "LAMBDA_TASK_ROOT")
	if got := <-served; got != strconv.Quote(probe) {
		t.Errorf("the call that was being served was finished in %s", got)
	}
	for _, pid := range old {
		eventually(t, "the old processes have ended", func() bool { return !alive(pid) })
	}
	s.want(t, strconv.Quote(next), "do", "env", "text", "LAMBDA_TASK_ROOT")
	eventually(t, "one process is left", func() bool { return len(s.stats().PIDs) == 1 })
	if got := s.stats(); got.Crashes != 0 || got.Errors != 0 || got.ColdStarts != 3 {
		t.Errorf("stats = %+v", got)
	}
	if err := s.Deploy("nobody", next); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}
