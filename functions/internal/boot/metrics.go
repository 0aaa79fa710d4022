package boot

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nonstick-io/nonstick/sessionstore"
)

// Metric names a CloudWatch metric in the namespace "Nonstick".
type Metric string

// The metrics. CloudWatch bills each of them by the month, so they are few.
const (
	// Errors counts lines of the log at the level of errors.
	Errors Metric = "Errors"
	// Pushes counts frames handed to the management API, the others those that it did not take: the connection had
	// gone, it or the account was at a limit, it is unknown.
	Pushes        Metric = "Pushes"
	PushesGone    Metric = "PushesGone"
	PushesBusy    Metric = "PushesBusy"
	PushesInDoubt Metric = "PushesInDoubt"
	// ReadUnits and WriteUnits are capacity units of the table.
	ReadUnits  Metric = "ReadUnits"
	WriteUnits Metric = "WriteUnits"
	// Recipients counts sockets that an emit from outside was delivered to.
	Recipients Metric = "Recipients"
	// EmitsFailed counts requests to the emit function that were not, or not wholly, carried out, and parts of large
	// broadcasts.
	EmitsFailed Metric = "EmitsFailed"
	// OpenDelay is the time in milliseconds from a $connect to the open packet.
	OpenDelay Metric = "OpenDelay"
	// FrameDelay is the time in milliseconds from API Gateway's receipt of a frame to its handler, where frames come
	// through a queue. FramesOutOfPlace counts those that had to be put into order, FramesInDoubt those whose
	// connection was ended because an instance had died over them.
	FrameDelay       Metric = "FrameDelay"
	FramesOutOfPlace Metric = "FramesOutOfPlace"
	FramesInDoubt    Metric = "FramesInDoubt"
	// Sessions is how many there are, as the heartbeat counts them.
	Sessions Metric = "Sessions"
	// SweepLag is how late the latest ping was since the last line, in milliseconds.
	SweepLag Metric = "SweepLag"
	// EndsTakenOver counts sessions whose end was begun and not finished in time. HandlersGivenUp counts disconnect
	// handlers that used up their tries.
	EndsTakenOver   Metric = "EndsTakenOver"
	HandlersGivenUp Metric = "HandlersGivenUp"
	// MembersFailed counts members of broadcasts that could not be delivered to, most because they do not read.
	MembersFailed Metric = "MembersFailed"
)

// unit returns CloudWatch's name of what a metric is counted in.
func (m Metric) unit() string {
	if m == OpenDelay || m == SweepLag || m == FrameDelay {
		return "Milliseconds"
	}
	return "Count"
}

const (
	// metricsEvery is the least time between two lines of metrics of one instance: the log is billed by its size.
	metricsEvery = 10 * time.Second
	// maxSamples bounds the values of one metric in a line; CloudWatch takes 100.
	maxSamples = 100
)

// Metrics collects numbers and writes them as lines of CloudWatch's embedded metric format. What an instance
// counted after its last line is lost when the platform ends it: metrics are for watching, not for accounts. A nil
// Metrics counts nothing. Safe for concurrent use.
type Metrics struct {
	out      io.Writer
	function string
	meter    *sessionstore.Meter

	mu      sync.Mutex
	counts  map[Metric]float64
	samples map[Metric][]float64
	written time.Time
	used    sessionstore.Usage // of meter, as last written
}

// newMetrics returns Metrics of a function. What the meter has counted is among them.
func newMetrics(out io.Writer, function string, meter *sessionstore.Meter) *Metrics {
	return &Metrics{
		out: out, function: function, meter: meter,
		counts: make(map[Metric]float64), samples: make(map[Metric][]float64),
	}
}

// Add counts.
func (m *Metrics) Add(name Metric, n int) {
	if m == nil || n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += float64(n)
}

// Sample records one value of a metric that has a distribution.
func (m *Metrics) Sample(name Metric, v float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples[name]) < maxSamples {
		m.samples[name] = append(m.samples[name], v)
	}
}

// Most records a value of a metric of which only the greatest counts.
func (m *Metrics) Most(name Metric, v float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.samples[name]; len(s) == 0 {
		m.samples[name] = []float64{v}
	} else {
		s[0] = max(s[0], v)
	}
}

// flush writes a line if there is something to say and it is time; errors are told at once.
func (m *Metrics) flush(now time.Time) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.written) < metricsEvery && m.counts[Errors] == 0 {
		return nil
	}
	m.addUsage()
	if len(m.counts) == 0 && len(m.samples) == 0 {
		return nil
	}
	line, err := json.Marshal(m.line(now))
	if err != nil {
		return fmt.Errorf("boot: encode metrics: %w", err)
	}
	clear(m.counts)
	clear(m.samples)
	m.written = now
	if _, err := m.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("boot: write metrics: %w", err)
	}
	return nil
}

// addUsage adds what the table has cost since the last line.
func (m *Metrics) addUsage() {
	var now sessionstore.Usage
	m.meter.Each(func(_ sessionstore.Op, u sessionstore.Usage) {
		now.ReadMilliUnits += u.ReadMilliUnits
		now.WriteMilliUnits += u.WriteMilliUnits
	})
	for name, milli := range map[Metric]int64{
		ReadUnits: now.ReadMilliUnits - m.used.ReadMilliUnits, WriteUnits: now.WriteMilliUnits - m.used.WriteMilliUnits,
	} {
		if milli > 0 {
			m.counts[name] += float64(milli) / 1000
		}
	}
	m.used = now
}

// definition is a metric as the format declares it.
type definition struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// directive declares the metrics of a line.
type directive struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

// header is the part of a line that CloudWatch reads.
type header struct {
	Timestamp         int64       `json:"Timestamp"`
	CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
}

// line is the values by name, and the header that says which of them are metrics.
func (m *Metrics) line(now time.Time) map[string]any {
	d := directive{Namespace: "Nonstick", Dimensions: [][]string{{"Function"}}}
	line := map[string]any{"Function": m.function}
	for name, n := range m.counts {
		line[string(name)] = n
		d.Metrics = append(d.Metrics, definition{string(name), name.unit()})
	}
	for name, values := range m.samples {
		line[string(name)] = values
		d.Metrics = append(d.Metrics, definition{string(name), name.unit()})
	}
	line["_aws"] = header{now.UnixMilli(), []directive{d}}
	return line
}
