//go:build unix

package laptop

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// deployPath is where a new deployment of the functions' code is asked for.
const deployPath = "/localdev/deploy"

// deploy builds the functions anew and has calls that follow served by them, as a deployment on AWS does, while
// connections and sessions stay. A build that fails changes nothing, and its answer is what the compiler says.
func (s *stack) deploy(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	n, err := s.redeploy(r.Context())
	if err != nil {
		s.log.Error("not deployed", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.log.Info("deployed", "functions", n, "seconds", time.Since(began).Seconds())
	_, _ = fmt.Fprintf(w, "deployed %d functions in %.1f s\n", n, time.Since(began).Seconds()) // the client may be gone
}

// redeploy returns how many functions have been deployed.
func (s *stack) redeploy(ctx context.Context) (n int, err error) {
	s.deploying.Lock()
	defer s.deploying.Unlock()
	dir := s.built
	if s.config.built == "" { // else they are built already
		if dir, err = os.MkdirTemp(s.built, "deployment-*"); err != nil {
			return 0, fmt.Errorf("make a folder for the functions: %w", err)
		}
		if err := s.buildAll(ctx, s.templates[0].Functions, dir); err != nil {
			return 0, fmt.Errorf("build the functions: %w", err)
		}
	}
	for _, t := range s.templates {
		for _, f := range t.Functions {
			if err := s.functions.Deploy(f.Name, filepath.Join(dir, f.ID)); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
