package queue

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
)

// A message goes through a queue by the query protocol, as the SDKs of before 2024 speak it.
func TestQuery(t *testing.T) {
	a := newAPI(
		t, Spec{Name: "q", Visibility: 30 * time.Second, DeadLetters: "dead", MaxReceives: 5}, Spec{Name: "dead"},
	)
	read := func(form string, into any) {
		t.Helper()
		got := a.query("/000000000000/q", form+"&Version=2012-11-05")
		if got.status != 200 {
			t.Fatalf("%s: %+v", form, got)
		}
		if err := xml.Unmarshal([]byte(got.body), into); err != nil {
			t.Fatal(err)
		}
	}
	var sent struct {
		XMLName xml.Name
		Result  struct{ MessageId, MD5OfMessageBody, MD5OfMessageAttributes string } `xml:"SendMessageResult"`
		Meta    struct{ RequestId string }                                           `xml:"ResponseMetadata"`
	}
	read(
		"Action=SendMessage&MessageBody=%3Cb%3E%26&MessageAttribute.1.Name=s&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=x"+
			"&MessageAttribute.2.Name=b&MessageAttribute.2.Value.DataType=Binary&MessageAttribute.2.Value.BinaryValue=AQI%3D",
		&sent,
	)
	if sent.XMLName.Local != "SendMessageResponse" ||
		sent.XMLName.Space != "http://queue.amazonaws.com/doc/2012-11-05/" ||
		sent.Result.MD5OfMessageBody != bodyMD5("<b>&") ||
		sent.Meta.RequestId == "" {
		t.Errorf("sent %+v", sent)
	}
	type pair struct {
		Name  string
		Value string
	}
	var received struct {
		Messages []struct {
			MessageId, ReceiptHandle, Body, MD5OfMessageAttributes string
			Attribute                                              []pair
			MessageAttribute                                       []struct {
				Name  string
				Value struct{ DataType, StringValue, BinaryValue string }
			}
		} `xml:"ReceiveMessageResult>Message"`
	}
	read(
		"Action=ReceiveMessage&MaxNumberOfMessages=10&AttributeName.1=ApproximateReceiveCount&MessageAttributeName.1=All",
		&received,
	)
	if len(received.Messages) != 1 {
		t.Fatalf("received %+v", received)
	}
	m := received.Messages[0]
	if m.MessageId != sent.Result.MessageId || m.Body != "<b>&" ||
		m.MD5OfMessageAttributes != sent.Result.MD5OfMessageAttributes ||
		len(m.Attribute) != 1 ||
		m.Attribute[0] != (pair{"ApproximateReceiveCount", "1"}) {
		t.Errorf("received %+v", m)
	}
	if b := m.MessageAttribute; len(b) != 2 || b[0].Name != "b" || b[0].Value.BinaryValue != "AQI=" ||
		b[1].Value.StringValue != "x" {
		t.Errorf("attributes = %+v", b)
	}
	var deleted struct {
		Done   []string `xml:"DeleteMessageBatchResult>DeleteMessageBatchResultEntry>Id"`
		Failed []struct {
			Id, Code    string //nolint:revive // as on the wire
			SenderFault bool
		} `xml:"DeleteMessageBatchResult>BatchResultErrorEntry"`
	}
	read(
		"Action=DeleteMessageBatch&DeleteMessageBatchRequestEntry.1.Id=one"+
			"&DeleteMessageBatchRequestEntry.1.ReceiptHandle="+strings.ReplaceAll(m.ReceiptHandle, "=", "%3D")+
			"&DeleteMessageBatchRequestEntry.2.Id=two&DeleteMessageBatchRequestEntry.2.ReceiptHandle=x",
		&deleted,
	)
	if len(deleted.Done) != 1 || deleted.Done[0] != "one" || len(deleted.Failed) != 1 ||
		deleted.Failed[0].Code != "ReceiptHandleIsInvalid" ||
		!deleted.Failed[0].SenderFault {
		t.Errorf("deleted %+v", deleted)
	}
	var attributes struct {
		All []pair `xml:"GetQueueAttributesResult>Attribute"`
	}
	read("Action=SetQueueAttributes&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=7", &struct{}{})
	read("Action=GetQueueAttributes&AttributeName.1=VisibilityTimeout&AttributeName.2=RedrivePolicy", &attributes)
	if len(attributes.All) != 2 || attributes.All[1] != (pair{"VisibilityTimeout", "7"}) ||
		!strings.Contains(attributes.All[0].Value, `"maxReceiveCount":5`) {
		t.Errorf("attributes = %+v", attributes)
	}
	var list struct {
		URLs []string `xml:"ListQueuesResult>QueueUrl"`
	}
	read("Action=ListQueues", &list)
	if len(list.URLs) != 2 || list.URLs[0] != a.url+"/000000000000/q" {
		t.Errorf("queues = %+v", list)
	}
	var none struct {
		Result *struct{} `xml:"ReceiveMessageResult"`
	}
	if read("Action=ReceiveMessage", &none); none.Result == nil {
		t.Error("an answer without messages has no result")
	}
}

// A purge has to wait a minute for the next.
func TestPurges(t *testing.T) {
	a := newAPI(t, Spec{Name: "q"})
	if got := a.json("PurgeQueue", `{"QueueUrl":"q"}`); got.status != 200 {
		t.Fatalf("purge: %+v", got)
	}
	if got := a.json(
		"PurgeQueue", `{"QueueUrl":"q"}`,
	); got.status != 403 || got.name != "PurgeQueueInProgress" ||
		got.code != "AWS.SimpleQueueService.PurgeQueueInProgress" {
		t.Errorf("again: %+v", got)
	}
	if got := a.query(
		"/000000000000/q", "Action=PurgeQueue",
	); got.code != "AWS.SimpleQueueService.PurgeQueueInProgress" {
		t.Errorf("again: %+v", got)
	}
}
