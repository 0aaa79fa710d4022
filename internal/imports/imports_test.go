package imports

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/nonstick-io/nonstick/"
	server = "github.com/nonstick-io/nonstick" // the package at the root: the API, and the main of programs
	aws    = "github.com/aws/"
)

// forOthers is why the packages below localdev that are a library link nothing of ours but each other.
const forOthers = "the emulated services are a library for any program: they know nothing of this project"

// A rule says what a package must not link, directly or through others. A name that ends in a slash
// stands for everything below it.
type rule struct {
	pkg    string
	never  []string
	except []string // what the rule allows all the same
	why    string
}

var rules = []rule{
	{pkg: "internal/engineio", never: []string{module}, why: "a codec is a leaf: bytes in, values out"},
	{pkg: "internal/socketio", never: []string{module}, why: "a codec is a leaf: bytes in, values out"},
	{
		pkg: "internal/protocol", never: []string{module, aws},
		except: []string{module + "internal/engineio", module + "sessionstore"},
		why:    "a decision knows what was read, and does nothing",
	},
	{pkg: "internal/again", never: []string{module, aws}, why: "to try again takes a clock, and nothing of ours"},
	{pkg: "sessionstore", never: []string{module}, why: "the contract knows no implementation"},
	{pkg: "internal/engineio", never: []string{aws, "net/http"}, why: "a codec knows no transport"},
	{pkg: "internal/socketio", never: []string{aws, "net/http"}, why: "a codec knows no transport"},
	{pkg: "sessionstore", never: []string{aws, "net/http"}, why: "the contract knows no implementation"},
	{
		pkg: "sessionstore/memstore", never: []string{module, aws, "net/http"},
		except: []string{module + "sessionstore"},
		why:    "a store knows the contract and nothing else of ours",
	},
	{
		pkg: "sessionstore/dynamostore", never: []string{module},
		except: []string{module + "sessionstore", module + "internal/awshttp"},
		why:    "a store knows the contract, how to send requests, and nothing else of ours",
	},
	{
		pkg: "sessionstore/storetest", never: []string{module, aws}, except: []string{module + "sessionstore"},
		why: "the suite tests the contract, not an implementation",
	},
	{
		pkg: "adapter/delivery", never: []string{module, aws},
		except: []string{
			module + "sessionstore", module + "internal/again", module + "internal/protocol",
			module + "internal/engineio", module + "internal/socketio",
		},
		why: "delivery to one session is the lowest of what knows the store",
	},
	{
		pkg: "adapter", never: []string{module, aws},
		except: []string{
			module + "adapter/delivery", module + "internal/again", module + "internal/protocol",
			module + "internal/engineio", module + "internal/ids", module + "internal/socketio",
			module + "sessionstore",
		},
		why: "rooms and broadcasts know delivery, and neither a server nor a cloud",
	},
	{
		pkg: "adapter/emitter", never: []string{server, module + "gateway/", aws},
		why: "what only emits links no server and no cloud",
	},
	{
		pkg: "gateway/engine", never: []string{aws, module + "gateway/apigw", server},
		why: "Engine.IO is below Socket.IO and knows no cloud",
	},
	{
		pkg: "gateway/eventsout", never: []string{server, aws, module + "gateway/", "net/http"},
		except: []string{module + "gateway/eventsout"},
		why:    "what is told knows neither who takes it nor the sessions",
	},
	{
		pkg: "gateway/inbound", never: []string{aws, module + "gateway/"},
		except: []string{module + "internal/engineio", module + "internal/socketio"},
		why:    "whatever the queue and the server are",
	},
	{
		pkg: "gateway/apigw", never: []string{module + "localdev/", module + "functions/", module + "sessionstore/"},
		why: "handlers are given their store, and know no program",
	},
	{
		pkg: "gateway/management", never: []string{module},
		except: []string{
			module + "adapter/delivery", module + "sessionstore", module + "internal/engineio",
			module + "internal/socketio",
			module + "internal/again", module + "internal/protocol", module + "internal/awshttp",
		},
		why: "what only pushes links no server",
	},
	{
		pkg:   "functions/internal/emitting",
		never: []string{server, module + "gateway/engine", module + "gateway/apigw"},
		why:   "to emit takes no server",
	},
	{
		pkg:   "gateway",
		never: []string{server, aws, module + "gateway/apigw", module + "functions", module + "localdev/"},
		why:   "the seam is below the applications and below the programs",
	},
	{
		pkg: "functions", never: []string{server, module + "localdev/", module + "internal/apps/"},
		why: "the functions serve any application, and the package of applications runs them",
	},
	{
		pkg:   "localdev/laptop",
		never: []string{server, module + "functions", module + "functions/", module + "internal/apps/"},
		why:   "a laptop serves any application, and the package of applications runs it",
	},
	{pkg: "localdev/lambda", never: []string{server, module}, why: forOthers},
	{pkg: "localdev/queue", never: []string{server, module}, why: forOthers},
	{pkg: "localdev/emulator", never: []string{server, module}, why: forOthers},
	{
		pkg: "localdev/template", never: []string{server, module},
		except: []string{module + "localdev/mapping", module + "localdev/rights"},
		why:    forOthers,
	},
	{pkg: "localdev/topics", never: []string{server, module}, why: forOthers},
	{pkg: "localdev/rights", never: []string{server, module}, why: forOthers},
	{pkg: "localdev/sam", never: []string{server, module}, why: forOthers},
	{pkg: "localdev/mapping", never: []string{server, module}, why: forOthers},
	{
		pkg: "localdev/proxy", never: []string{server, module},
		except: []string{
			module + "localdev/emulator", module + "localdev/lambda", module + "localdev/mapping",
			module + "localdev/queue",
		},
		why: forOthers,
	},
}

func TestDirection(t *testing.T) {
	for _, r := range rules {
		t.Run(r.pkg, func(t *testing.T) {
			for _, dep := range deps(t, module+r.pkg) {
				if r.forbids(dep) {
					t.Errorf("links %s: %s", dep, r.why)
				}
			}
		})
	}
}

// forTests are the packages that exist for tests only.
var forTests = []string{
	module + "sessionstore/storetest", module + "internal/dynamotest", module + "internal/benchtest",
	module + "internal/deliverytest", module + "nonsticktest",
}

// No other package may link the testing package.
func TestNoTestingInPrograms(t *testing.T) {
	for _, pkg := range list(t, "list", module+"...") {
		if slices.Contains(forTests, pkg) {
			continue
		}
		if slices.Contains(deps(t, pkg), "testing") {
			t.Errorf("%s links testing", pkg)
		}
	}
}

// Where the cloud may be seen at all.
func TestAWSStaysInItsPackages(t *testing.T) {
	allowed := []string{
		"gateway/apigw", "gateway/management", "sessionstore/dynamostore", "functions/", "localdev/", "localdev",
		"internal/", "examples/",
	}
	for _, pkg := range list(t, "list", module+"...") {
		name := strings.TrimPrefix(pkg, module)
		mayUse := slices.ContainsFunc(allowed, func(pattern string) bool { return matches(name, pattern) })
		if mayUse {
			continue
		}
		for _, dep := range list(t, "list", "-f", `{{join .Imports "\n"}}`, pkg) {
			if matches(dep, aws) {
				t.Errorf("%s imports %s", pkg, dep)
			}
		}
	}
}

// The files of the API at the root know neither a cloud nor a program: only those of Main do.
func TestOnlyMainKnowsPrograms(t *testing.T) {
	files := list(t, "list", "-f", `{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}`, server)
	never := []string{aws, module + "gateway/apigw", module + "functions", module + "functions/", module + "localdev/"}
	var known []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if !slices.ContainsFunc(never, func(pattern string) bool { return matches(path, pattern) }) {
				continue
			}
			if name := filepath.Base(file); strings.HasPrefix(name, "main") {
				known = append(known, path)
			} else {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
	if want := []string{module + "functions", module + "localdev/laptop"}; !slices.Equal(known, want) {
		t.Errorf("the files of Main import %q, want %q", known, want)
	}
}

// What is built for Lambda has no part of the laptop in it.
func TestLambdaBuildHasNoLaptop(t *testing.T) {
	laptops := func(folder string, args ...string) (found []string) {
		for _, dep := range list(t, append([]string{"list", "-C", folder, "-deps"}, args...)...) {
			if matches(dep, module+"localdev/") {
				found = append(found, dep)
			}
		}
		return found
	}
	for _, folder := range []string{"../..", "../../functions/app", "../../examples/app"} {
		if found := laptops(folder, "-tags", "lambda.norpc", "."); len(found) != 0 {
			t.Errorf("%s links %q with the tag lambda.norpc", folder, found)
		}
	}
	if len(laptops("../..", ".")) == 0 || len(laptops("../../examples/app", ".")) == 0 {
		t.Error("without the tag there is no laptop either: this test looks for the wrong thing")
	}
}

// Rules are decided without a clock of their own, a context, a log, or any other thing than what was read.
func TestDecisionsArePure(t *testing.T) {
	allowed := []string{
		"errors", "slices", "strconv", "strings", "time", module + "internal/engineio", module + "sessionstore",
	}
	for _, dep := range list(t, "list", "-f", `{{join .Imports "\n"}}`, module+"internal/protocol") {
		if !slices.Contains(allowed, dep) {
			t.Errorf("internal/protocol imports %s", dep)
		}
	}
	for _, word := range []string{"time.Now", "time.Since", "time.Until"} {
		for _, file := range mentions(t, word) {
			if strings.HasPrefix(file, "internal/protocol/") {
				t.Errorf("%s asks for the time, which it is to be given", file)
			}
		}
	}
}

// What is for tests alone is mentioned where it is defined, and used by no program.
func TestSeams(t *testing.T) {
	for word, home := range map[string]string{
		"WithSource":  "internal/ids/ids.go",        // of random ids
		"BrokenRules": "internal/protocol/rules.go", // of the protocol
	} {
		files := mentions(t, word)
		if !slices.Contains(files, home) {
			t.Errorf("%s is not where this test looks for it", word)
		}
		for _, file := range files {
			if file != home {
				t.Errorf("%s has %s, which is for tests", file, word)
			}
		}
	}
}

// mentions are the files of packages, without tests, that have a word in them.
func mentions(t *testing.T, word string) (files []string) {
	t.Helper()
	root := strings.TrimSpace(strings.Join(list(t, "list", "-m", "-f", "{{.Dir}}"), " "))
	for _, file := range list(
		t, "list", "-f", `{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}`, module+"...",
	) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), word) {
			files = append(files, strings.TrimPrefix(file, root+"/"))
		}
	}
	return files
}

// The tests above must be able to fail.
func TestForbids(t *testing.T) {
	r := rule{
		pkg: "adapter", never: []string{server, module + "gateway/", aws},
		except: []string{module + "internal/engineio"},
	}
	tests := []struct {
		dep  string
		want bool
	}{
		{server, true},
		{module + "gateway/apigw", true},
		{module + "internal/engineio", false},
		{module + "gatewayx", false},
		{module + "adapter", false},
		{"github.com/aws/aws-sdk-go-v2/aws", true},
		{"fmt", false},
	}
	for _, tt := range tests {
		if got := r.forbids(tt.dep); got != tt.want {
			t.Errorf("forbids(%q): got %v, want %v", tt.dep, got, tt.want)
		}
	}
}

// forbids tells whether the rule's package must not link dep. A package may always link itself.
func (r rule) forbids(dep string) bool {
	if dep == module+r.pkg || slices.Contains(r.except, dep) {
		return false
	}
	return slices.ContainsFunc(r.never, func(pattern string) bool { return matches(dep, pattern) })
}

// matches tells whether name is the pattern, or is below it where the pattern ends in a slash.
func matches(name, pattern string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(name, pattern)
	}
	return name == pattern
}

// deps are the packages that pkg links, without its tests.
func deps(t *testing.T, pkg string) []string {
	t.Helper()
	return list(t, "list", "-deps", pkg)
}

// list runs the go command and returns its output by lines.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}
