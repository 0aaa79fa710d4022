// Command hello is a function that greets, and counts how often its environment has.
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	n := 0
	lambda.Start(func(_ context.Context, e struct{ Name string }) (string, error) {
		if e.Name == "" {
			return "", fmt.Errorf("nobody to greet")
		}
		n++
		return fmt.Sprintf("Hello %s, %d", e.Name, n), nil
	})
}
