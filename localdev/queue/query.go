package queue

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// queryVersion is the version of the API that the query protocol names.
const queryVersion = "2012-11-05"

// queryProtocol is the one that SDKs spoke until the end of 2023, and that API Gateway speaks: a form, and XML. Its
// parameters are those of the JSON protocol, with lists and maps written as numbered names.
type queryProtocol struct{}

func (queryProtocol) read(r *http.Request, body []byte) (string, []byte, error) {
	v, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, malformed.says("the body is no form: %v", err)
	}
	for name, values := range r.URL.Query() {
		v[name] = append(v[name], values...)
	}
	if v.Get("QueueUrl") == "" && r.URL.Path != "/" {
		v.Set("QueueUrl", r.URL.Path)
	}
	if v.Get("Action") == "" {
		return "", nil, missing("Action")
	}
	parameters, err := fromForm(v)
	return v.Get("Action"), parameters, err
}

// listNames are the lists of parameters: how a form calls one of the values, and JSON all of them.
var listNames = map[string]string{
	"AttributeName":                "AttributeNames",
	"MessageAttributeName":         "MessageAttributeNames",
	"MessageSystemAttributeName":   "MessageSystemAttributeNames",
	"SendMessageBatchRequestEntry": "Entries", "DeleteMessageBatchRequestEntry": "Entries",
	"ChangeMessageVisibilityBatchRequestEntry": "Entries",
}

// mapNames are the maps: of a name and a value in a form.
var mapNames = map[string]string{
	"Attribute": "Attributes", "MessageAttribute": "MessageAttributes",
	"MessageSystemAttribute": "MessageSystemAttributes",
}

// numbers are the parameters that are numbers in JSON.
var numbers = []string{
	"DelaySeconds", "VisibilityTimeout", "WaitTimeSeconds", "MaxNumberOfMessages", "MaxResults",
	"MaxNumberOfMessagesPerSecond",
}

// fromForm returns a form as the JSON of the same request.
func fromForm(v url.Values) ([]byte, error) {
	root := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		path := strings.Split(name, ".")
		if len(path) > maxDepth {
			return nil, malformed.says("a name of a parameter has too many parts")
		}
		if err := put(root, path, v.Get(name)); err != nil {
			return nil, err
		}
	}
	b, err := json.Marshal(unnumber(root))
	if err != nil {
		panic(err) // maps and strings always marshal
	}
	return b, nil
}

// maxNumber and maxDepth bound the numbers in names, and the parts of a name.
const (
	maxNumber = 100
	maxDepth  = 8
)

// put puts a value below a path of names and numbers.
func put(to map[string]any, path []string, value string) error {
	name := path[0]
	if len(path) == 1 {
		if !slices.Contains(numbers, name) {
			to[name] = value
			return nil
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return invalid.says("Value %s for parameter %s is invalid. Reason: Must be an integer.", value, name)
		}
		to[name] = n
		return nil
	}
	if n, err := strconv.Atoi(path[1]); err == nil && (n < 1 || n > maxNumber) {
		return malformed.says("the number in %s is out of range", strings.Join(path, "."))
	}
	below, ok := to[name].(map[string]any)
	if !ok {
		below = map[string]any{}
		to[name] = below
	}
	return put(below, path[1:], value)
}

// unnumber turns maps by numbers into the lists and maps that they stand for.
func unnumber(from map[string]any) map[string]any {
	to := map[string]any{}
	for name, v := range from {
		below, ok := v.(map[string]any)
		switch {
		case !ok:
			to[name] = v
		case listNames[name] != "":
			to[listNames[name]] = inOrder(below)
		case mapNames[name] != "":
			entries := map[string]any{}
			for _, e := range inOrder(below) {
				if pair, ok := e.(map[string]any); ok {
					entries[fmt.Sprint(pair["Name"])] = pair["Value"]
				}
			}
			to[mapNames[name]] = entries
		default:
			to[name] = unnumber(below)
		}
	}
	return to
}

// inOrder are the values of a map by numbers.
func inOrder(from map[string]any) []any {
	keys := slices.SortedFunc(maps.Keys(from), func(a, b string) int {
		m, _ := strconv.Atoi(a) // what is no number comes first
		n, _ := strconv.Atoi(b)
		return m - n
	})
	list := make([]any, 0, len(keys))
	for _, k := range keys {
		if below, ok := from[k].(map[string]any); ok {
			list = append(list, unnumber(below))
		} else {
			list = append(list, from[k])
		}
	}
	return list
}

// elements are the names of the repeated elements that stand for lists and maps in answers. Which are maps is seen
// from the answer.
var elements = map[string]string{
	"QueueUrls": "QueueUrl", "Attributes": "Attribute", "MessageAttributes": "MessageAttribute", "Messages": "Message",
	"Failed": "BatchResultErrorEntry", "Results": "ListMessageMoveTasksResultEntry",
}

// withoutResult are the operations that answer nothing.
var withoutResult = []string{"DeleteMessage", "ChangeMessageVisibility", "PurgeQueue", "SetQueueAttributes"}

func (queryProtocol) answer(w http.ResponseWriter, action string, out any) {
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	var result map[string]any
	if err := json.Unmarshal(b, &result); err != nil {
		panic(err) // answers are objects
	}
	var x strings.Builder
	for _, name := range slices.Sorted(maps.Keys(result)) {
		writeElement(&x, action, name, result[name])
	}
	inner := "<" + action + "Result>" + x.String() + "</" + action + "Result>"
	if slices.Contains(withoutResult, action) {
		inner = ""
	}
	writeXML(
		w, http.StatusOK, action+"Response",
		inner+"<ResponseMetadata><RequestId>"+newID()+"</RequestId></ResponseMetadata>",
	)
}

// writeElement writes a value of an answer.
func writeElement(x *strings.Builder, action, name string, v any) {
	element := elements[name]
	if name == "Successful" {
		element = action + "ResultEntry"
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			writeElement(x, action, element, e)
		}
	case map[string]any:
		if element != "" { // a map of names and values
			for _, k := range slices.Sorted(maps.Keys(v)) {
				writeElement(x, action, element, map[string]any{"Name": k, "Value": v[k]})
			}
			return
		}
		x.WriteString("<" + name + ">")
		for _, k := range slices.Sorted(maps.Keys(v)) {
			writeElement(x, action, k, v[k])
		}
		x.WriteString("</" + name + ">")
	default:
		text := fmt.Sprint(v)
		if n, ok := v.(float64); ok {
			text = strconv.FormatInt(int64(n), 10)
		}
		x.WriteString("<" + name + ">")
		_ = xml.EscapeText(x, []byte(text)) // a builder takes all
		x.WriteString("</" + name + ">")
	}
}

func (queryProtocol) refuse(w http.ResponseWriter, e *apiError) {
	if e.code == noQueue.code {
		e = &apiError{e.kind, "The specified queue does not exist for this wsdl version."}
	}
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(e.message)) // a builder takes all
	writeXML(
		w, e.status, "ErrorResponse",
		"<Error><Type>Sender</Type><Code>"+e.code+"</Code><Message>"+text.String()+
			"</Message><Detail/></Error><RequestId>"+newID()+"</RequestId>",
	)
}

func writeXML(w http.ResponseWriter, status int, root, inner string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(
		w,
		`<?xml version="1.0"?><`+root+` xmlns="http://queue.amazonaws.com/doc/`+queryVersion+`/">`+inner+`</`+root+">",
	) // the client may be gone
}

// SendForm is SendMessage to a queue in the query protocol, a form, as the integrations of API Gateway speak it.
func (qs *Queues) SendForm(name, form string) (Sent, error) {
	q, err := qs.Get(name)
	if err != nil {
		return Sent{}, err
	}
	v, err := url.ParseQuery(form)
	if err != nil {
		return Sent{}, malformed.says("send to %s: the body is no form: %v", name, err)
	}
	if v.Get("Action") != "SendMessage" || v.Get("Version") != queryVersion {
		return Sent{}, noAction.says("send to %s: want the action SendMessage of version %s", name, queryVersion)
	}
	parameters, err := fromForm(v)
	if err != nil {
		return Sent{}, err
	}
	var in sendInput
	if err := json.Unmarshal(parameters, &in); err != nil {
		return Sent{}, malformed.says("send to %s: %v", name, err)
	}
	m, err := in.message()
	if err != nil {
		return Sent{}, err
	}
	return q.Send(m)
}
