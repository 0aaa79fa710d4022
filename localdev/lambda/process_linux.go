package lambda

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// endWithParent has the kernel kill the process when this one ends, however that happens.
func endWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// memory is what a process holds now, and the most it has held, in bytes; 0 if it has ended.
func memory(pid int) (now, peak int) {
	if pid == 0 {
		return 0, 0
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	return kilobytes(b, "\nVmRSS:"), kilobytes(b, "\nVmHWM:")
}

// kilobytes reads a line of a status file, and returns bytes.
func kilobytes(status []byte, name string) int {
	_, rest, _ := bytes.Cut(status, []byte(name))
	line, _, _ := bytes.Cut(rest, []byte(" kB"))
	n, _ := strconv.Atoi(string(bytes.TrimSpace(line))) // 0 if there is no such line
	return n << 10
}
