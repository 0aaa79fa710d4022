package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 10

// Calls go on with the trace of the invocation that makes them, as those of AWS's own clients do: X-Ray puts the two
// together by it, and Lambda finds functions that call themselves.
const (
	traceHeader = "X-Amzn-Trace-Id"
	traceKey    = "x-amzn-trace-id" // by which aws-lambda-go puts it into a context
)

// service is a service of AWS that is called by signed requests. Safe for concurrent use.
type service struct {
	name     string // in errors
	signs    string // its name in signatures
	endpoint string // where calls go
	region   string
	keys     aws.Credentials
	client   *http.Client
	signer   *v4.Signer
}

func newService(name, signs, endpoint, region string, keys aws.Credentials) *service {
	return &service{
		name: name, signs: signs, endpoint: endpoint, region: region, keys: keys, signer: v4.NewSigner(),
		client: &http.Client{Timeout: sendTime, Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 2 * time.Second,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     60 * time.Second,
		}},
	}
}

// awsJSON are the headers of an operation in AWS's protocol of JSON.
func awsJSON(version, target string) http.Header {
	return http.Header{"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {target}}
}

// call makes one attempt, and returns the answer to a call that went well. It is worth another attempt if that may
// succeed.
func (s *service) call(ctx context.Context, header http.Header, body []byte) (answer []byte, worth bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, false, fmt.Errorf("make request: %w", err)
	}
	req.Header = header
	if trace, ok := ctx.Value(traceKey).(string); ok && trace != "" {
		req.Header.Set(traceHeader, trace)
	}
	sum := sha256.Sum256(body)
	err = s.signer.SignHTTP(ctx, s.keys, req, hex.EncodeToString(sum[:]), s.signs, s.region, time.Now())
	if err != nil {
		return nil, false, fmt.Errorf("sign request: %w", err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, true, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return answer, false, nil
	}
	return nil, retryable(res.StatusCode, answer), fmt.Errorf(
		"%s answered %s: %s", s.name, res.Status, refusal(answer),
	)
}

// refusal is what an answer says, for logs: the name of the exception and its message. An answer that is not one of
// AWS's JSON is returned as it is.
func refusal(answer []byte) string {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // for want of a right it is "Message", which is taken too
	}
	if json.Unmarshal(answer, &e) != nil || e.Message == "" {
		return string(answer)
	}
	return e.Type[strings.LastIndexByte(e.Type, '#')+1:] + ": " + e.Message
}

// retryable reports whether an answer is about the moment, and not about the message.
func retryable(status int, answer []byte) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests ||
		bytes.Contains(answer, []byte("Throttl"))
}
