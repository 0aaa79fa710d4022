package queue

import (
	"fmt"
	"net/url"
	"strconv"
)

// SendForm is SendMessage to a queue in the older query protocol, a form, as the integrations of API Gateway speak it.
func (qs *Queues) SendForm(name, form string) (Sent, error) {
	q, err := qs.Get(name)
	if err != nil {
		return Sent{}, err
	}
	v, err := url.ParseQuery(form)
	if err != nil {
		return Sent{}, fmt.Errorf("send to %s: %w: %w", name, ErrInvalid, err)
	}
	if v.Get("Action") != "SendMessage" || v.Get("Version") != "2012-11-05" {
		return Sent{}, fmt.Errorf("send to %s: want the action SendMessage of version 2012-11-05: %w", name, ErrInvalid)
	}
	m := Message{Body: v.Get("MessageBody"), Group: v.Get("MessageGroupId"), Dedup: v.Get("MessageDeduplicationId"), Attributes: map[string]Attribute{}}
	for n := 1; ; n++ {
		prefix := "MessageAttribute." + strconv.Itoa(n) + "."
		attribute := v.Get(prefix + "Name")
		if attribute == "" {
			break
		}
		a := Attribute{Type: v.Get(prefix + "Value.DataType"), String: v.Get(prefix + "Value.StringValue")}
		if a.Type == "" || a.String == "" || n > maxAttributes {
			return Sent{}, fmt.Errorf("send to %s: attribute %s: %w", name, attribute, ErrInvalid)
		}
		m.Attributes[attribute] = a
	}
	return q.Send(m)
}

// maxAttributes is how many attributes a message may have.
const maxAttributes = 10
