package functions

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/localdev/template"
)

// open parses the template of the repository.
func open(t *testing.T) *template.File {
	t.Helper()
	f, err := template.Open("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// environments are those of the functions, by their names in the template, as a deployment with the parameters has
// them.
func environments(f *template.File, parameters map[string]string) (map[string]map[string]string, error) {
	out, err := f.Read(template.Options{Parameters: parameters, Unchecked: true})
	if err != nil {
		return nil, err
	}
	return environmentsOf(out), nil
}

func environmentsOf(read *template.Template) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, fn := range read.Functions {
		all[fn.ID] = fn.Environment
	}
	return all
}

// defaults are the environments of a deployment with no parameter changed.
func defaults(t *testing.T, f *template.File) map[string]map[string]string {
	t.Helper()
	all, err := environments(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// testApps are what the tests serve: an application of the name that the template has.
var testApps = []gateway.App{{Name: "chat", New: func(c gateway.Config) gateway.Instance {
	return gateway.Instance{Engine: c.NewEngine(nil)}
}}}

// platform are the variables that Lambda sets.
var platform = map[string]string{
	"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key",
	"AWS_SECRET_ACCESS_KEY": "secret", "AWS_LAMBDA_FUNCTION_NAME": "f",
}

// refused is what the functions say to an environment when they start; empty if all of them start.
func refused(environments map[string]map[string]string) string {
	for _, id := range slices.Sorted(maps.Keys(environments)) {
		err := boot.Check(build(testApps), func(name string) (string, bool) {
			if v, ok := platform[name]; ok {
				return v, true
			}
			v, ok := environments[id][name]
			return v, ok
		})
		if err != nil {
			return id + ": " + err.Error()
		}
	}
	return ""
}

// onlyHere are parameters whose value the functions take in more forms than the template, and why.
var onlyHere = map[string]string{
	"ManagementEndpoint": "localdev's own endpoint is plain http",
	"HttpDomain":         "a domain needs a certificate, of which the functions know nothing",
	"WebSocketDomain":    "a domain needs a certificate, of which the functions know nothing",
}

// compare demands that template and functions agree about parameters.
func compare(t *testing.T, f *template.File, byDefault map[string]map[string]string, parameters map[string]string) {
	t.Helper()
	read, theirs := f.Read(template.Options{Parameters: parameters})
	var set map[string]map[string]string
	if theirs == nil {
		set = environmentsOf(read) // the checks change nothing of what they let pass
	} else {
		var err error
		if set, err = environments(f, parameters); err != nil {
			return // Lambda would not make such a function
		}
	}
	ours := refused(set)
	switch {
	case theirs == nil && ours != "":
		t.Errorf("%q: CloudFormation takes it, and the functions do not start: %s", parameters, ours)
	case theirs != nil && ours == "" && reaches(byDefault, set):
		for name := range parameters {
			if onlyHere[name] != "" {
				return
			}
		}
		t.Errorf("%q: the functions take it, and CloudFormation says %v", parameters, theirs)
	}
}

// reaches reports whether a function gets to see the difference from the defaults.
func reaches(byDefault, set map[string]map[string]string) bool {
	for id, env := range set {
		if !maps.Equal(env, byDefault[id]) {
			return true
		}
	}
	return false
}

// mostNeighbours is how many of a parameter's values are looked around: a list of origins has very many.
const mostNeighbours = 40

// reachesAny reports whether a function gets to see one of the values.
func reachesAny(
	t *testing.T, f *template.File, byDefault map[string]map[string]string, name string, values []string,
) bool {
	t.Helper()
	return slices.ContainsFunc(values, func(v string) bool {
		set, err := environments(f, map[string]string{name: v})
		if err != nil {
			t.Fatal(err)
		}
		return reaches(byDefault, set)
	})
}

// What CloudFormation takes for a parameter is what the functions take: the extremes of every pattern, and what is
// close to them.
func TestParameters(t *testing.T) {
	f := open(t)
	byDefault := defaults(t, f)
	for _, p := range f.Parameters() {
		t.Run(p.Name, func(t *testing.T) {
			if p.Description == "" || !p.HasDefault || p.Pattern != "" && p.Type != "String" {
				t.Errorf(
					"description %q, default %v, type %s: CloudFormation needs String for a pattern", p.Description,
					p.HasDefault, p.Type,
				)
			}
			values := extremes(t, p)
			tried := map[string]bool{}
			try := func(list ...string) {
				for _, v := range list {
					if !tried[v] {
						tried[v] = true
						compare(t, f, byDefault, map[string]string{p.Name: v})
					}
				}
			}
			try(values...)
			if !reachesAny(t, f, byDefault, p.Name, values) {
				return // no function could refuse what the template does
			}
			for i := 0; i < len(values); i += 1 + len(values)/mostNeighbours {
				try(neighbours(values[i])...)
			}
			t.Logf("%d values, %d with those close to them", len(values), len(tried))
		})
	}
}

// The same for extremes of every two parameters: what two of them must not be together is in the Rules.
func TestPairsOfParameters(t *testing.T) {
	f := open(t)
	byDefault := defaults(t, f)
	var seen []template.Parameter
	values := map[string][]string{}
	for _, p := range f.Parameters() {
		all := extremes(t, p)
		if len(p.Allowed) == 0 { // the shortest, the longest and the default: branches are looked at one by one
			all = []string{shortestOf(all), longestOf(all), p.Default}
			if slices.Contains(extremes(t, p), "*") {
				all = append(all, "*")
			}
		}
		if reachesAny(t, f, byDefault, p.Name, all) {
			values[p.Name], seen = all, append(seen, p)
		}
	}
	if len(seen) < 15 {
		t.Fatalf("%d parameters reach the functions", len(seen))
	}
	for i, a := range seen {
		for _, b := range seen[i+1:] {
			for _, x := range values[a.Name] {
				for _, y := range values[b.Name] {
					compare(t, f, byDefault, map[string]string{a.Name: x, b.Name: y})
				}
			}
		}
	}
}

// The kinds of parameters that would deploy and then keep every function from starting, or from asking the issuer that
// it should ask.
func TestRefusedParameters(t *testing.T) {
	f := open(t)
	for _, tt := range []struct {
		name string
		set  map[string]string
		want string
	}{
		{
			"credentials for everybody",
			map[string]string{"CorsOrigin": "*", "CorsCredentials": "true"},
			"CorsCredentials",
		},
		{"a ping behind the end of a silent connection", map[string]string{"PingInterval": "10m"}, "PingInterval"},
		{"a time above an hour", map[string]string{"PingTimeout": "61m"}, "PingTimeout"},
		{
			"a time that is no number of ours",
			map[string]string{"ConnectTimeout": "99999999999999999999s"},
			"ConnectTimeout",
		},
		{"half a socket", map[string]string{"LargeRoom": "1.5"}, "LargeRoom"},
		{"more than there is a number for", map[string]string{"HeartbeatSessions": "2000000000"}, "HeartbeatSessions"},
		{"a heartbeat that nobody relieves", map[string]string{"HeartbeatConcurrency": "1"}, "HeartbeatConcurrency"},
		{"an application that is not there", map[string]string{"App": "nothing"}, "App"},
		{"a domain without a certificate", map[string]string{"HttpDomain": "chat.example.com"}, "DomainCertificateArn"},
		{
			"a certificate without a domain",
			map[string]string{"DomainCertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/x"},
			"DomainCertificateArn",
		},
		{
			"a domain of CloudFront without CloudFront",
			map[string]string{
				"EdgeDomain":         "chat.example.com",
				"EdgeCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x",
			},
			"EdgeDomain and EdgeWebAclArn need Edge",
		},
		{
			"a domain of CloudFront without a certificate",
			map[string]string{"Edge": "on", "EdgeDomain": "chat.example.com"},
			"EdgeCertificateArn",
		},
		{
			"a certificate of another Region for CloudFront",
			map[string]string{
				"Edge": "on", "EdgeDomain": "chat.example.com",
				"EdgeCertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/x",
			},
			"us-east-1",
		},
		{"a zone without a domain", map[string]string{"HostedZoneId": "Z123"}, "HostedZoneId needs"},
		{"an issuer without an audience", map[string]string{"JwtIssuer": "https://issuer.example"}, "JwtAudience"},
		{"an audience without an issuer", map[string]string{"JwtAudience": "a"}, "JwtIssuer"},
		{"an origin that no browser sends", map[string]string{"CorsOrigin": "https://a.example/"}, "CorsOrigin"},
		{"warm environments without a version", map[string]string{"PollingProvisioned": "1"}, "Release"},
		{
			"subnets without security groups",
			map[string]string{"VpcSubnetIds": "subnet-12345678"},
			"VpcSecurityGroupIds",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Read(template.Options{Parameters: tt.set})
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "template.yaml:") {
				t.Errorf("error %v, want one about %s, with its line", err, tt.want)
			}
		})
	}
}

// Every parameter is in docs/deploy.md, which says when to change it.
func TestParametersAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Parameters")
	table, _, _ := strings.Cut(rest, "\n## ")
	for _, p := range open(t).Parameters() {
		if !strings.Contains(table, "`"+p.Name+"`") {
			t.Errorf("docs/deploy.md does not say when to change %s", p.Name)
		}
	}
}
