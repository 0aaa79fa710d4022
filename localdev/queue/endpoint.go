package queue

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// target is how the header X-Amz-Target of a request to SQS begins.
const target = "AmazonSQS."

// maxRequest is the greatest request, in bytes: a batch of messages, in JSON.
const maxRequest = 8 << 20

func itoa(n int) string { return strconv.Itoa(n) }

// Serves reports whether a request is one to SQS: in AWS JSON at "/", for elsewhere its header means nothing, or in
// the older query protocol, signed for SQS, there or at the URL of a queue.
func Serves(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), target) {
		return r.URL.Path == "/"
	}
	atQueue := r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/"+Account+"/")
	return atQueue && signed(r) && strings.Contains(r.Header.Get("Authorization"), "/sqs/aws4_request")
}

func signed(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") }

// ServeHTTP is the API of SQS, as far as senders and receivers use it, in AWS JSON 1.0 and in the query protocol that
// SDKs spoke before. Requests must carry a signature, which is not verified.
func (qs *Queues) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var p protocol = jsonProtocol{}
	if r.Header.Get("X-Amz-Target") == "" {
		p = queryProtocol{}
	}
	out, action, err := qs.serve(p, withTrace(r))
	if err != nil {
		p.refuse(w, asAPI(err))
		return
	}
	p.answer(w, action, out)
}

// protocol is how a request and its answer are written.
type protocol interface {
	// read returns the operation, and its parameters in JSON.
	read(r *http.Request, body []byte) (action string, parameters []byte, err error)
	answer(w http.ResponseWriter, action string, out any)
	refuse(w http.ResponseWriter, e *apiError)
}

func (qs *Queues) serve(p protocol, r *http.Request) (out any, action string, err error) {
	if !signed(r) {
		return nil, "", unsigned.says("Missing Authentication Token")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return nil, "", malformed.says("the body could not be read")
	}
	action, parameters, err := p.read(r, body)
	if err == nil {
		err = qs.allow(r, action, parameters)
	}
	if err != nil {
		return nil, action, err
	}
	out, err = qs.act(r.Context(), action, parameters)
	return out, action, err
}

// notEmulated are the operations of SQS that are not here: what they change is the template's.
var notEmulated = map[string]bool{
	"AddPermission": true, "CreateQueue": true, "DeleteQueue": true,
	"ListDeadLetterSourceQueues": true, "ListQueueTags": true, "RemovePermission": true,
	"TagQueue": true, "UntagQueue": true,
}

// act does an operation.
func (qs *Queues) act(ctx context.Context, action string, body []byte) (any, error) {
	switch action {
	case "SendMessage":
		return perform(body, func(in sendInput) (any, error) { return qs.send(ctx, in) })
	case "SendMessageBatch":
		return perform(body, func(in sendBatchInput) (any, error) { return qs.sendBatch(ctx, in) })
	case "ReceiveMessage":
		return perform(body, func(in receiveInput) (any, error) { return qs.receive(ctx, in) })
	case "DeleteMessage":
		return perform(body, qs.remove)
	case "DeleteMessageBatch":
		return perform(body, qs.removeBatch)
	case "ChangeMessageVisibility":
		return perform(body, qs.change)
	case "ChangeMessageVisibilityBatch":
		return perform(body, qs.changeBatch)
	case "GetQueueUrl":
		return perform(body, qs.getURL)
	case "GetQueueAttributes":
		return perform(body, qs.getAttributes)
	case "SetQueueAttributes":
		return perform(body, qs.setAttributes)
	case "ListQueues":
		return perform(body, qs.list)
	case "PurgeQueue":
		return perform(body, qs.purge)
	case "StartMessageMoveTask":
		return perform(body, qs.startMove)
	case "ListMessageMoveTasks":
		return perform(body, qs.listMoves)
	case "CancelMessageMoveTask":
		return perform(body, qs.cancelMove)
	}
	if notEmulated[action] {
		return nil, unsupported.says(
			"localdev does not emulate %s: what queues there are is said by the template", action,
		)
	}
	return nil, noAction.says("The action %s is not valid for this endpoint.", action)
}

func perform[In any](body []byte, do func(In) (any, error)) (any, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, malformed.says("the request has not the form of this operation: %v", err)
	}
	return do(in)
}

// jsonProtocol is AWS JSON 1.0, with the header by which SDKs know errors by their old codes.
type jsonProtocol struct{}

func (jsonProtocol) read(r *http.Request, body []byte) (string, []byte, error) {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target), body, nil
}

func (jsonProtocol) answer(w http.ResponseWriter, _ string, out any) {
	writeJSON(w, http.StatusOK, out)
}

func (jsonProtocol) refuse(w http.ResponseWriter, e *apiError) {
	space := "com.amazonaws.sqs#"
	if strings.HasSuffix(e.name, "Exception") && e.name != noResource.name {
		space = "com.amazon.coral.service#"
	}
	w.Header().Set("X-Amzn-Query-Error", e.code+";Sender")
	if e.name == denied.name { // its message has another key, as recorded
		writeJSON(w, e.status, map[string]string{"__type": space + e.name, "Message": e.message})
		return
	}
	writeJSON(w, e.status, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{space + e.name, e.message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", newID())
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
