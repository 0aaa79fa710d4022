//go:build unix && !linux

package lambda

import "syscall"

// endWithParent does nothing: only Linux can. Elsewhere processes outlive a localdev that is killed with SIGKILL.
func endWithParent(*syscall.SysProcAttr) {}

// memory is not known.
func memory(int) (now, peak int) { return 0, 0 }
