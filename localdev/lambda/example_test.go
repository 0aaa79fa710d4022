//go:build unix

package lambda_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// A function is built, and called as the service calls it: in a process that stands still between its invocations.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "hello-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := lambda.Build(ctx, "testdata/hello", dir); err != nil {
		fmt.Println(err)
		return
	}
	platform, err := lambda.New(lambda.Config{Region: "us-east-1", Functions: []lambda.Function{{
		Name: "Hello", ARN: "arn:aws:lambda:us-east-1:000000000000:function:Hello", Dir: dir,
		Memory: 128, Timeout: 3 * time.Second, Concurrency: 10,
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer platform.Close()

	for _, payload := range []string{`{"Name":"Ada"}`, `{"Name":"Alan"}`, `{}`} {
		r, err := platform.Invoke(ctx, lambda.Call{Function: "Hello", Payload: []byte(payload)})
		fmt.Println(string(r.Payload), r.FunctionError, err)
	}
	s := platform.Stats()[0]
	fmt.Println(s.Invocations, "invocations,", s.ColdStarts, "cold start,", s.Errors, "error")
	// Output:
	// "Hello Ada, 1"  <nil>
	// "Hello Alan, 2"  <nil>
	// {"errorMessage":"nobody to greet","errorType":"errorString"} Unhandled <nil>
	// 3 invocations, 1 cold start, 1 error
}
