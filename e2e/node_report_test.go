package e2e

import (
	"strings"
	"testing"
)

// The reader of Node's results must not lose a failure.
func TestReadResults(t *testing.T) {
	tests := []struct {
		name, in, other string
		want            []result
	}{
		{name: "nothing"},
		{
			name: "passed", in: `{"name":"a/b","status":"pass","ms":3}`,
			want: []result{{Name: "a/b", Status: "pass", Ms: 3}},
		},
		{
			name: "failed", in: `{"name":"a","status":"fail","ms":1,"error":"x"}`,
			want: []result{{Name: "a", Status: "fail", Ms: 1, Error: "x"}},
		},
		{
			name: "other lines", in: "hello\n{}\n" + `{"name":"a","status":"skip"}`, other: "hello\n{}\n",
			want: []result{{Name: "a", Status: "skip"}},
		},
		{
			name: "a line without end", in: strings.Repeat("x", 2<<20),
			want: []result{{Name: "output of node", Status: "fail", Error: "bufio.Scanner: token too long"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, other := readResults(strings.NewReader(tt.in))
			if other != tt.other {
				t.Errorf("other: got %q, want %q", other, tt.other)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("got %v, want %v", got[i], tt.want[i])
				}
			}
		})
	}
}
