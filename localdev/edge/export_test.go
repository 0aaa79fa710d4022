package edge

import "time"

// The tests have functions that never end, and do not wait for each as long as a laptop does.
func init() { runTime = 300 * time.Millisecond }
