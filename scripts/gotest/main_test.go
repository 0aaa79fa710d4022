package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	const pass = `{"Action":"run","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Elapsed":1.5}
`
	tests := []struct {
		name, in string
		ok       bool
		want     []string // parts of what is printed
	}{
		{"passed", pass, true, []string{"pass p 1.5s", "1 passed, 0 failed, 0 skipped"}},
		{"slow", `{"Action":"pass","Package":"p","Test":"A","Elapsed":20.4}` + "\n", true, []string{"pass p A 20 s"}},
		{"nothing", "", false, []string{"0 passed, 0 failed, 0 skipped", "No test passed"}},
		{
			"skipped", pass + `{"Action":"output","Package":"p","Test":"B","Output":"no service\n"}
{"Action":"skip","Package":"p","Test":"B"}
`, false,
			[]string{"--- skip: p B", "no service", "1 passed, 0 failed, 1 skipped"},
		},
		{
			"failed", pass + `{"Action":"output","Package":"p","Test":"B","Output":"got 1\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"fail","Package":"p"}
`, false,
			[]string{"--- fail: p B\ngot 1", "fail p", "1 passed, 1 failed, 0 skipped"},
		},
		{
			"a test with subtests counts as these", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"run","Package":"p","Test":"A/b"}
{"Action":"run","Package":"p","Test":"A/c"}
{"Action":"pass","Package":"p","Test":"A/b"}
{"Action":"pass","Package":"p","Test":"A/c"}
{"Action":"pass","Package":"p","Test":"A"}
`, true,
			[]string{"2 passed, 0 failed, 0 skipped"},
		},
		{
			"output that passes is not shown", `{"Action":"output","Package":"p","Test":"A","Output":"chatter\n"}
` + pass, true,
			[]string{"1 passed"},
		},
		{
			"a package that breaks outside of its tests",
			pass + `{"Action":"output","Package":"q","Output":"panic: x\n"}
{"Action":"fail","Package":"q"}
`,
			true, // go test itself exits with an error
			[]string{"panic: x", "fail q"},
		},
		{"other lines", "# something\n" + pass, true, []string{"# something"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newSummary(&out)
			if err := s.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if ok := s.close(); ok != tt.ok {
				t.Errorf("ok: got %v, want %v", ok, tt.ok)
			}
			for _, part := range tt.want {
				if !strings.Contains(out.String(), part) {
					t.Errorf("%q is not in %q", part, out.String())
				}
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("the output of a test that passed is shown: %q", out.String())
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	var out bytes.Buffer
	if code := run([]string{"./no-such-package"}, &out); code == 0 {
		t.Errorf("run of a missing package: got exit code 0\n%s", out.String())
	}
}
