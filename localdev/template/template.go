package template

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/nonstick-io/nonstick/localdev/rights"
)

// Template is what a template describes, in its order: resources whose conditions hold, with every value evaluated.
type Template struct {
	Functions []Function // in the order of the template, as all that follows
	HTTP      []Route    // of the HTTP API
	WebSocket []Route    // of the WebSocket API
	Queues    []Queue    // whatever they feed
	Mappings  []Mapping  // what queues feed
	Schedules []Schedule // of functions
	Tables    []Table    // of DynamoDB
	// Distributions are those of CloudFront, also of nested stacks (AWS::CloudFormation::Stack with a TemplateURL that
	// is a file beside the template).
	Distributions []Distribution
	// Stage is that of the WebSocket API, without a slash.
	Stage string
	// WebSocketAPI is the ARN of the WebSocket API, which rights name: arn:aws:execute-api:REGION:ACCOUNT:ID. Empty if
	// there is none.
	WebSocketAPI string
	// Outputs are those whose conditions hold, with the addresses of this machine.
	Outputs []Output
	// Notes say what the template asks for in vain, a sentence each.
	Notes []string
}

// Output is something that a template tells its user.
type Output struct {
	Name  string // in the template
	Value string // evaluated
}

// Function is an AWS::Serverless::Function. Line, here and below, is where the template has it, from 1.
type Function struct {
	ID     string // in the template
	Name   string // FunctionName, or else Options.Prefix and the id
	Source string // the folder of the code (CodeUri), as an absolute path
	// Handler is as configured.
	Handler string
	// Memory is in MiB, 128 to 10,240; 128 unless the template says it.
	Memory int
	// Timeout is 1 to 900 s; 3 s unless the template says it.
	Timeout time.Duration
	// Environment has the variables, evaluated.
	Environment map[string]string
	// Reserved is the reserved concurrency; nil: none.
	Reserved *int
	// AsyncRetries and AsyncAge are of asynchronous calls: 0 to 2 repetitions, within so long; by default 2 and 6 h.
	AsyncRetries int
	AsyncAge     time.Duration // at most 6 h
	// AllowLoop: Lambda does not cut the function off when it calls itself (RecursiveLoop: Allow).
	AllowLoop bool
	// Quiet: Lambda writes no lines of its own about invocations that went well (LoggingConfig, LogFormat JSON with a
	// SystemLogLevel of WARN, ERROR or above).
	Quiet bool
	// OnFailure is the ARN of the queue that is told of an asynchronous call that failed for good; empty: none.
	OnFailure string
	// Rights are what its role allows; nil if they are not known, which is a note. Then nothing is refused to it.
	Rights *rights.Rights
	Line   int // of the resource
}

// Route says which function, or which queue, serves what.
type Route struct {
	// Key is "$connect" and the like, "GET /path", "ANY /{proxy+}" or "$default".
	Key      string
	Function string // name
	// Queue is the name of the queue that the request goes to, if no function serves it.
	Queue string
	// Mapping is the template of what is sent to the queue, which package mapping reads.
	Mapping string
	// Responds: what the function returns goes to the client (WebSocket API).
	Responds bool
	// Denied says which right API Gateway lacks to call the function or to send to the queue; empty: none. Then every
	// request of the route fails, as on AWS.
	Denied string
	Line   int // of the route
}

// Queue is an AWS::SQS::Queue.
type Queue struct {
	ID   string // in the template
	Name string // QueueName, or else Options.Prefix, the id and .fifo
	FIFO bool   // FifoQueue
	// ContentDedup derives the deduplication id from the body; GroupDedup: ids count within a group.
	ContentDedup, GroupDedup bool
	// Visibility, Delay and Retention default to 30 s, 0 and 4 days.
	Visibility, Delay, Retention time.Duration
	// DeadLetters is the name of the queue for messages that were received MaxReceives times; empty: none.
	DeadLetters string
	MaxReceives int // 0 without DeadLetters
	Line        int // of the resource
}

// Mapping is a queue that feeds a function: an SQS event of a function.
type Mapping struct {
	Queue, Function string // names
	// Batch is the most messages of a call, by default 10, and Window how long a call waits for them.
	Batch  int
	Window time.Duration // by default 0
	// Partial: the answer names the messages that failed.
	Partial bool
	// Concurrency bounds the calls at a time; 0: no bound of its own.
	Concurrency int
	Line        int // of the event or the resource
}

// Schedule is a function that is called at a rate: a Schedule event of a function, with rate(...).
type Schedule struct {
	Name, Function string        // the event's id, and the function's name
	Every          time.Duration // whole minutes
	// Input is the event, in JSON; empty: that of a scheduled event.
	Input string
	Line  int // of the event
}

// Table is an AWS::DynamoDB::Table, as far as it takes to create one.
type Table struct {
	ID   string // in the template
	Name string // TableName, or else Options.Prefix and the id
	// Hash and Range are the key attributes; Range may have no name.
	Hash, Range Attribute
	// TTL is the attribute that expires items; empty: none.
	TTL  string
	Line int // of the resource
}

// Attribute is an attribute of a key.
type Attribute struct {
	Name string // of the attribute
	Type string // S, N or B
}

// Distribution is an AWS::CloudFront::Distribution with a default behavior.
type Distribution struct {
	ID string // in its template
	// Function is the code of the function at viewer-request; empty: none.
	Function string
	Origins  []Origin
	Default  string // id of the origin that gets what the function sends nowhere else
	// Methods are those that are passed on; none: GET and HEAD.
	Methods []string
	Line    int // of the resource
}

// Origin is a custom origin of a distribution.
type Origin struct {
	ID string
	// URL is where it is reached, on this machine for an API of the template, without a slash at its end.
	URL string
	// Headers are added to each request, over those of the viewer.
	Headers map[string]string
	// Attempts are those of connecting, and of a GET or HEAD that is not answered, 1 to 3; default 3.
	Attempts int
	// ConnectTime and ReadTime bound the connection and the wait for an answer; default 10 s and 30 s.
	ConnectTime, ReadTime time.Duration
}

// Options are the world that a template is read for.
type Options struct {
	// Parameters has the values of parameters, by their names; the others have their defaults.
	Parameters map[string]string
	// Unchecked takes values that the constraints of the parameters, or the Rules, refuse. It is for tests that
	// compare these with what the functions refuse.
	Unchecked bool
	// Region, Account and Stack are what pseudo parameters give; default us-east-1, 000000000000 and local.
	Region, Account, Stack string
	// Prefix comes before the names that resources get; names that the template gives stay.
	Prefix string
	// BaseURL is where the APIs and the queues are reached, without a trailing slash: it takes the place of
	// the hosts of AWS. Default http://127.0.0.1:3000.
	BaseURL string
	// WebSocketURL is where the WebSocket API is reached, if that is elsewhere; else it is BaseURL.
	WebSocketURL string
	// EdgeURL is where a distribution is reached, in the place of its host of CloudFront; default BaseURL.
	EdgeURL string
}

// Error is what is wrong with a template, and where. [File.Read] joins all of them, see [errors.Join].
type Error struct {
	File     string // as it was given to [Open]
	Line     int    // from 1
	Resource string // or section; may be empty
	Message  string // a sentence without its end
}

// Error implements error.
func (e *Error) Error() string {
	if e.Resource == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Resource, e.Message)
}

// File is a template that has been parsed, to be read for several worlds. Make it with [Open] or [Parse].
type File struct {
	name, dir string
	root      yaml.Node
	patterns  patterns
}

// Open parses the template in a file, in YAML or JSON. Its errors say that it cannot be read, or is neither.
func Open(file string) (*File, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return Parse(file, dir, b)
}

// Parse is [Open] for what is in memory. The name stands in errors; paths in the template are relative to dir.
func Parse(name, dir string, text []byte) (*File, error) {
	f := &File{name: name, dir: dir}
	if err := yaml.Unmarshal(text, &f.root); err != nil {
		return nil, fmt.Errorf("read template %s: %w", name, err)
	}
	return f, nil
}

// Read is [Open] and [File.Read] in one.
func Read(file string, o Options) (*Template, error) {
	f, err := Open(file)
	if err != nil {
		return nil, err
	}
	return f.Read(o)
}

// Read says what the template describes. All that is wrong with it is in the error, as [*Error]s; parameters that are
// refused come first, and alone.
func (f *File) Read(o Options) (*Template, error) {
	d, err := newDocument(f, o)
	if err != nil {
		return nil, err
	}
	r := reader{document: d, dir: f.dir, roles: map[string]*role{}}
	r.all()
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return &r.out, nil
}

func (o *Options) defaults() {
	for _, d := range []struct {
		to    *string
		value string
	}{
		{&o.Region, "us-east-1"},
		{&o.Account, "000000000000"},
		{&o.Stack, "local"},
		{&o.BaseURL, "http://127.0.0.1:3000"},
	} {
		if *d.to == "" {
			*d.to = d.value
		}
	}
	o.WebSocketURL, o.EdgeURL = cmp.Or(o.WebSocketURL, o.BaseURL), cmp.Or(o.EdgeURL, o.BaseURL)
}
