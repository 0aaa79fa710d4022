//go:build unix

package lambda_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/nonstick-io/nonstick/localdev/lambda"
)

// client is the SDK's own.
func client(t *testing.T, s *started) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "local", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestSDKInvokes(t *testing.T) {
	s := start(t, nil)
	c := client(t, s)
	for _, name := range []string{
		"probe", "arn:aws:lambda:local:000000000000:function:probe", "000000000000:function:probe", "probe:$LATEST",
	} {
		res, err := c.Invoke(
			t.Context(),
			&sdk.InvokeInput{
				FunctionName: &name, Payload: order("do", "say", "text", "hello"), LogType: types.LogTypeTail,
			},
		)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		log, err := base64.StdEncoding.DecodeString(*res.LogResult)
		if err != nil || res.StatusCode != 200 || string(res.Payload) != "null" || res.FunctionError != nil ||
			*res.ExecutedVersion != "$LATEST" {
			t.Errorf("%s: result = %+v, %v", name, res, err)
		}
		if !strings.Contains(string(log), "\nhello\n") || !strings.Contains(string(log), "REPORT RequestId: ") {
			t.Errorf("%s: log = %s", name, log)
		}
	}
}

func TestSDKSeesErrors(t *testing.T) {
	s := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 1 })
	c := client(t, s)
	res, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("probe"), Payload: order("do", "error")})
	if err != nil || res.FunctionError == nil || *res.FunctionError != "Unhandled" ||
		!strings.Contains(string(res.Payload), "as ordered") {
		t.Errorf("function error: %+v, %v", res, err)
	}
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("nobody")})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("unknown function: %v", err)
	}
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("probe"), Payload: []byte("{")})
	if _, ok := errors.AsType[*types.InvalidRequestContentException](err); !ok {
		t.Errorf("no JSON: %v", err)
	}
	_, err = c.Invoke(
		t.Context(),
		&sdk.InvokeInput{FunctionName: new("probe"), Payload: []byte(`"` + strings.Repeat("x", 6<<20) + `"`)},
	)
	if _, ok := errors.AsType[*types.RequestTooLargeException](err); !ok {
		t.Errorf("too large: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.invoke(t, "sleep", 300)
	}()
	eventually(t, "it is busy", func() bool { return s.stats().Busy == 1 })
	_, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("probe")})
	throttled, ok := errors.AsType[*types.TooManyRequestsException](err)
	if !ok || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("throttled: %v", err)
	}
	<-done
}

func TestSDKInvokesLater(t *testing.T) {
	c := client(t, start(t, nil))
	file := t.TempDir() + "/notes"
	res, err := c.Invoke(t.Context(), &sdk.InvokeInput{
		FunctionName: new(
			"probe",
		),
		Payload: order("do", "note", "file", file), InvocationType: types.InvocationTypeEvent,
	})
	if err != nil || res.StatusCode != 202 || len(res.Payload) > 0 {
		t.Fatalf("event: %+v, %v", res, err)
	}
	eventually(t, "the note", func() bool { b, _ := os.ReadFile(file); return len(b) > 0 })
	res, err = c.Invoke(
		t.Context(), &sdk.InvokeInput{FunctionName: new("probe"), InvocationType: types.InvocationTypeDryRun},
	)
	if err != nil || res.StatusCode != 204 {
		t.Errorf("dry run: %+v, %v", res, err)
	}
}

func TestEndpointRefuses(t *testing.T) {
	server := httptest.NewServer(start(t, nil))
	defer server.Close()
	const path = lambda.InvokePath + "probe/invocations"
	tests := []struct {
		name, method, path, authorization, kind string
		status                                  int
	}{
		{"not signed", "POST", path, "", "", 403},
		{"other operation", "GET", lambda.InvokePath + "probe", "AWS4-HMAC-SHA256 x", "", 400},
		{"unknown kind", "POST", path, "AWS4-HMAC-SHA256 x", "Later", 400},
		{"signed", "POST", path, "AWS4-HMAC-SHA256 x", "", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, server.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", tt.authorization)
			req.Header.Set("X-Amz-Invocation-Type", tt.kind)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, _ := io.ReadAll(res.Body); res.StatusCode != tt.status {
				t.Errorf("status = %d %s, want %d", res.StatusCode, body, tt.status)
			}
		})
	}
}

// A throttle says whose concurrency is used up, and a loop is an error of its own. AWS's client hands the trace on by
// itself where it runs in a function.
func TestSDKSeesThrottlesAndLoops(t *testing.T) {
	throttle := func(s *started) types.ThrottleReason {
		t.Helper()
		done := make(chan lambda.Result, 1)
		go func() { done <- s.invoke(t, "sleep", 1500) }()
		eventually(t, "it is busy", func() bool { return s.stats().Busy == 1 })
		_, err := client(
			t, s,
		).Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("probe"), Payload: order("text", "x")})
		<-done
		e, ok := errors.AsType[*types.TooManyRequestsException](err)
		if !ok {
			t.Fatalf("error %v, want a throttle", err)
		}
		return e.Reason
	}
	own := start(t, func(_ *lambda.Config, f *lambda.Function) { f.Concurrency = 1 })
	if got := throttle(own); got != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("the function's concurrency: %s", got)
	}
	shared := start(t, func(c *lambda.Config, _ *lambda.Function) { c.Account = 1 })
	if got := throttle(shared); got != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("the account's: %s", got)
	}
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "probe")
	t.Setenv("_X_AMZN_TRACE_ID", lambda.Lineage("arn:aws:lambda:local:000000000000:function:probe", 16))
	_, err := client(
		t, own,
	).Invoke(t.Context(), &sdk.InvokeInput{FunctionName: new("probe"), Payload: order("text", "x")})
	if _, ok := errors.AsType[*types.RecursiveInvocationException](err); !ok {
		t.Errorf("error %v, want a loop", err)
	}
}

// Callers need a right to the function, or to the version or alias that they name, for every way to call it.
func TestAuthorize(t *testing.T) {
	const arn = "arn:aws:lambda:local:000000000000:function:probe"
	var asked string
	refuse := true
	s := start(t, func(c *lambda.Config, _ *lambda.Function) {
		c.Authorize = func(_ *http.Request, action, arn string) error {
			asked = action + " " + arn
			if refuse {
				return errors.New("User may not " + asked)
			}
			return nil
		}
	})
	c := client(t, s)
	live := "live"
	for _, tt := range []struct {
		name string
		in   sdk.InvokeInput
		want string
	}{
		{"by name", sdk.InvokeInput{}, arn},
		{"by ARN", sdk.InvokeInput{FunctionName: aws.String(arn)}, arn},
		{"by an alias in the name", sdk.InvokeInput{FunctionName: aws.String("probe:live")}, arn + ":live"},
		{"by an alias in the ARN", sdk.InvokeInput{FunctionName: aws.String(arn + ":live")}, arn + ":live"},
		{
			"by an alias in part of the ARN",
			sdk.InvokeInput{FunctionName: aws.String("000000000000:function:probe:live")},
			arn + ":live",
		},
		{"by a qualifier", sdk.InvokeInput{Qualifier: &live}, arn + ":live"},
		{"later", sdk.InvokeInput{InvocationType: types.InvocationTypeEvent}, arn},
		{"dry run", sdk.InvokeInput{InvocationType: types.InvocationTypeDryRun}, arn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			if in.FunctionName == nil {
				in.FunctionName = aws.String("probe")
			}
			refuse, asked = true, ""
			_, err := c.Invoke(t.Context(), &in)
			refused, ok := errors.AsType[smithy.APIError](err)
			want := "lambda:InvokeFunction " + tt.want
			if asked != want || !ok || refused.ErrorCode() != "AccessDeniedException" ||
				refused.ErrorMessage() != "User may not "+want {
				t.Errorf("asked for %s, want %s; error %v", asked, want, err)
			}
			refuse = false
			if _, err := c.Invoke(t.Context(), &in); err != nil {
				t.Error(err)
			}
		})
	}
	unknown := "unknown"
	if _, err := c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &unknown}); err == nil ||
		!strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("a function that is not there: %v", err)
	}
	for _, f := range s.Stats() {
		if f.Invocations > 7 {
			t.Errorf("%d invocations: refused calls reached the function", f.Invocations)
		}
	}
}
