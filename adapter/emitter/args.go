package emitter

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nonstick-io/nonstick/internal/socketio"
)

// Binary is binary data in the arguments of an event: it travels as an attachment, not as text.
type Binary = socketio.Binary

// Parser is how packets are written into messages: [JSON] or [MsgPack]. An emitter has that of the server, in
// adapter.Options.
type Parser = socketio.Parser

// The parsers.
var (
	// JSON is the default of Socket.IO.
	JSON = socketio.JSON
	// MsgPack is that of the package socket.io-msgpack-parser.
	MsgPack = socketio.MsgPack
)

// ErrArgs says that arguments are no JSON, or do not fit the type that reads them.
var ErrArgs = errors.New("nonstick: invalid arguments")

// Args are the arguments of an event or an acknowledgement as they travel. A handler that takes Args sees them all,
// whatever their types; Args among the arguments of an emit stand for all that are in them.
type Args struct {
	// JSON is the array of the arguments; nil means none. Binary data is a placeholder that counts into Attachments.
	JSON        json.RawMessage
	Attachments [][]byte
}

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

// several is a type that stands for more than one argument.
type several interface {
	parts() []any  // to decode into
	values() []any // to encode
}

func (a *Args2[A, B]) parts() []any { return []any{&a.First, &a.Second} }

func (a Args2[A, B]) values() []any { return []any{a.First, a.Second} }

func (a *Args3[A, B, C]) parts() []any { return []any{&a.First, &a.Second, &a.Third} }

func (a Args3[A, B, C]) values() []any { return []any{a.First, a.Second, a.Third} }

// EncodeArgs makes arguments of values: one of each, but for [Args], [Args2] and [Args3], which stand for all that
// are in them. What is [Binary] in them, at any depth, becomes an attachment. The error matches [ErrArgs].
func EncodeArgs(values ...any) (Args, error) {
	if len(values) == 0 {
		return Args{}, nil
	}
	list := make([]any, 0, len(values))
	for _, v := range values {
		switch v := v.(type) {
		case Args:
			if len(values) == 1 {
				return v, nil
			}
			elements, err := v.restored()
			if err != nil {
				return Args{}, fmt.Errorf("%w: encode: %w", ErrArgs, err)
			}
			for _, e := range elements {
				list = append(list, e)
			}
		case interface{ values() []any }:
			list = append(list, v.values()...)
		default:
			list = append(list, v)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return Args{}, fmt.Errorf("%w: encode: %w", ErrArgs, err)
	}
	data, attachments := socketio.Extract(b)
	return Args{JSON: data, Attachments: attachments}, nil
}

// DecodeArgs makes a value of arguments, the inverse of [EncodeArgs]: of the first, or of several for [Args2] and
// [Args3]; Args are returned as they are, and struct{} reads none. Arguments beyond those that the type has room for
// are ignored, missing ones leave the zero value. The error matches [ErrArgs].
func DecodeArgs[T any](args Args) (T, error) {
	var v T
	var parts []any
	switch a := any(&v).(type) {
	case *struct{}:
		return v, nil
	case *Args:
		*a = args
		return v, nil
	case several:
		parts = a.parts()
	default:
		parts = []any{&v}
	}
	list, err := args.split()
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrArgs, err)
	}
	for i, p := range parts {
		if i < len(list) {
			if err := json.Unmarshal(list[i], p); err != nil {
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

// restored returns the arguments one by one, for json.Marshal in this process.
func (a Args) restored() ([]json.RawMessage, error) {
	if len(a.JSON) == 0 {
		return nil, nil
	}
	data, err := socketio.Restore(a.JSON, a.Attachments)
	if err != nil {
		return nil, err
	}
	return socketio.SplitArray(data)
}

// array is the JSON array of the arguments.
func (a Args) array() json.RawMessage {
	if len(a.JSON) == 0 {
		return json.RawMessage("[]")
	}
	return a.JSON
}
