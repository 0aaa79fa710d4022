package emulator

import (
	"container/heap"
	"sync"
	"time"
)

// lane hands over the frames of one connection when each has taken its time ([API].Dispatch): one after the other in
// the order in which they arrive, so that frames received farther apart than their times differ keep their order,
// however busy the machine is.
type lane struct {
	mu       sync.Mutex
	waiting  arrivals
	running  bool
	received int // number of the last frame received
	handed   int // greatest number handed over
}

// arrival is a frame on its way.
type arrival struct {
	at     time.Time
	number int
	call   func(number int)
}

// arrivals is a heap, the next to arrive first.
type arrivals []arrival

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is for package heap.
func (a *arrivals) Push(x any) { *a = append(*a, x.(arrival)) }

// Pop is for package heap.
func (a *arrivals) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// enter sends a call on its way; run starts a goroutine that hands over.
func (l *lane) enter(after time.Duration, call func(number int), run func(func())) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received++
	heap.Push(&l.waiting, arrival{time.Now().Add(after), l.received, call})
	if !l.running {
		l.running = true
		run(l.handOver)
	}
}

// handOver hands over what arrives until nothing is on its way.
func (l *lane) handOver() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		wait := time.Until(l.waiting[0].at)
		if wait > 0 {
			l.mu.Unlock()
			time.Sleep(min(wait, time.Millisecond)) // one that is received meanwhile may arrive before
			continue
		}
		next := heap.Pop(&l.waiting).(arrival)
		l.mu.Unlock()
		next.call(next.number)
	}
}

// overtaken notes that a frame is handed over, and reports whether one received after it has been before.
func (l *lane) overtaken(number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < l.handed {
		return true
	}
	l.handed = number
	return false
}
