package nonstick

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// Binary is binary data in the arguments of an event: it travels as an attachment, not as text.
type Binary = socketio.Binary

// ErrArgs says that the arguments of an event do not fit the type of its handler.
var ErrArgs = errors.New("nonstick: invalid arguments")

// Args are the arguments of an event or an acknowledgement as they travel. A handler that takes Args sees
// them all, whatever their types.
type Args struct {
	// JSON is the array of the arguments; nil means none. Binary data is a placeholder that counts into Attachments.
	JSON        json.RawMessage
	Attachments [][]byte
}

// None is the type of no argument: a handler that takes none, or acknowledges with none.
type None struct{}

// Args2 are two arguments.
type Args2[A, B any] struct {
	First  A
	Second B
}

// Args3 are three arguments.
type Args3[A, B, C any] struct {
	First  A
	Second B
	Third  C
}

// several is an argument type that stands for more than one argument.
type several interface {
	parts() []json.Unmarshaler
	values() ([]json.RawMessage, error)
}

// part decodes one argument; one that is missing leaves the zero value, as null does.
type part[T any] struct{ v *T }

func (p part[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, p.v) }

func (a *Args2[A, B]) parts() []json.Unmarshaler {
	return []json.Unmarshaler{part[A]{&a.First}, part[B]{&a.Second}}
}

func (a *Args2[A, B]) values() ([]json.RawMessage, error) {
	return marshalAll(value(a.First), value(a.Second))
}

func (a *Args3[A, B, C]) parts() []json.Unmarshaler {
	return []json.Unmarshaler{part[A]{&a.First}, part[B]{&a.Second}, part[C]{&a.Third}}
}

func (a *Args3[A, B, C]) values() ([]json.RawMessage, error) {
	return marshalAll(value(a.First), value(a.Second), value(a.Third))
}

func value[T any](v T) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(v) }
}

func marshalAll(marshal ...func() ([]byte, error)) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(marshal))
	for i, m := range marshal {
		b, err := m()
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

// EncodeArgs makes arguments of a value: Args as they are, none of None, two or three of Args2 and Args3, one
// of any other. The error is of encoding/json.
func EncodeArgs[T any](v T) (Args, error) {
	var list []json.RawMessage
	switch a := any(&v).(type) {
	case *None:
		return Args{}, nil
	case *Args:
		return *a, nil
	case several:
		var err error
		if list, err = a.values(); err != nil {
			return Args{}, fmt.Errorf("nonstick: encode arguments: %w", err)
		}
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return Args{}, fmt.Errorf("nonstick: encode arguments: %w", err)
		}
		list = []json.RawMessage{b}
	}
	data, attachments := socketio.Extract(joinArray(list))
	return Args{JSON: data, Attachments: attachments}, nil
}

func joinArray(list []json.RawMessage) json.RawMessage {
	n := 2
	for _, v := range list {
		n += len(v) + 1
	}
	out := append(make([]byte, 0, n), '[')
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, ']')
}

// DecodeArgs makes a value of arguments, the inverse of [EncodeArgs]. Arguments beyond those that the type has
// room for are ignored, missing ones leave the zero value. The error matches [ErrArgs].
func DecodeArgs[T any](args Args) (T, error) {
	var v T
	var parts []json.Unmarshaler
	switch a := any(&v).(type) {
	case *None:
		return v, nil
	case *Args:
		*a = args
		return v, nil
	case several:
		parts = a.parts()
	default:
		parts = []json.Unmarshaler{part[T]{&v}}
	}
	list, err := args.split()
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrArgs, err)
	}
	for i, p := range parts {
		if i < len(list) {
			if err := p.UnmarshalJSON(list[i]); err != nil {
				return v, fmt.Errorf("%w: argument %d: %w", ErrArgs, i+1, err)
			}
		}
	}
	return v, nil
}

// split returns the arguments one by one, binary data as base64 in a string.
func (a Args) split() ([]json.RawMessage, error) {
	if len(a.JSON) == 0 {
		return nil, nil
	}
	data := a.JSON
	if len(a.Attachments) > 0 {
		var err error
		if data, err = socketio.Substitute(data, a.Attachments); err != nil {
			return nil, err
		}
	}
	return socketio.SplitArray(data)
}
