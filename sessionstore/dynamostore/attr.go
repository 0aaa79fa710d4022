package dynamostore

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is an item of the table, or the values of an expression.
type item = map[string]types.AttributeValue

func str[T ~string](v T) types.AttributeValue {
	return &types.AttributeValueMemberS{Value: string(v)}
}

func num[T ~int | ~int64](v T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(v), 10)}
}

// millis stores a time to the millisecond.
func millis(t time.Time) types.AttributeValue { return num(t.UnixMilli()) }

// seconds stores a time to live, rounded up.
func seconds(t time.Time) types.AttributeValue { return num(ceilSeconds(t)) }

func ceilSeconds(t time.Time) int64 { return t.Add(time.Second - time.Nanosecond).Unix() }

func yes() types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: true} }

func list(values ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: values}
}

func (k key) item() item { return item{attrPK: str(k.pk), attrSK: str(k.sk)} }

// with adds an attribute unless its value is empty: what is not there costs nothing.
func with[T ~string](it item, name string, v T) {
	if v != "" {
		it[name] = str(v)
	}
}

// withTime adds an attribute unless its value is the zero time.
func withTime(it item, name string, t time.Time) {
	if !t.IsZero() {
		it[name] = millis(t)
	}
}

func text(it item, name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func number(it item, name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, _ := strconv.ParseInt(v.Value, 10, 64) // this package wrote it
	return n
}

func moment(it item, name string) time.Time {
	if _, ok := it[name]; !ok {
		return time.Time{}
	}
	return time.UnixMilli(number(it, name)).UTC()
}

// expiry reads the time to live.
func expiry(it item) time.Time {
	if _, ok := it[attrTTL]; !ok {
		return time.Time{}
	}
	return time.Unix(number(it, attrTTL), 0).UTC()
}

func flag(it item, name string) bool {
	v, ok := it[name].(*types.AttributeValueMemberBOOL)
	return ok && v.Value
}

func elements(it item, name string) []types.AttributeValue {
	if v, ok := it[name].(*types.AttributeValueMemberL); ok {
		return v.Value
	}
	return nil
}

// frames stores the frames of a packet: mostly one, which needs no list.
func frames(f []string) types.AttributeValue {
	if len(f) == 1 {
		return str(f[0])
	}
	values := make([]types.AttributeValue, len(f))
	for i := range f {
		values[i] = str(f[i])
	}
	return list(values...)
}

// framesOf reads frames; nil if there are none.
func framesOf(v types.AttributeValue) []string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return []string{v.Value}
	case *types.AttributeValueMemberL:
		out := make([]string, len(v.Value))
		for i, e := range v.Value {
			if s, ok := e.(*types.AttributeValueMemberS); ok {
				out[i] = s.Value
			}
		}
		return out
	default:
		return nil
	}
}

func size(frames []string) int {
	n := 0
	for _, f := range frames {
		n += len(f)
	}
	return n
}

// valid returns frames as DynamoDB keeps them: it replaces what is not UTF-8, and then lengths would be wrong.
func valid(f []string) []string {
	for i, s := range f {
		if v := strings.ToValidUTF8(s, "\uFFFD"); v != s {
			f = slices.Clone(f)
			f[i] = v
		}
	}
	return f
}
