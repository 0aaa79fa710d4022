package nonstick

import (
	"encoding/json"
	"strings"

	"github.com/nonstick-io/nonstick/gateway/engine"
	"github.com/nonstick-io/nonstick/internal/engineio"
	"github.com/nonstick-io/nonstick/internal/socketio"
)

// isOld reports whether the client of a session is one of Socket.IO v2 or before, see [Server.AllowEIO3].
func isOld(inv *engine.Invocation) bool { return inv.Session().Codec != "" }

// ofOldClient returns a packet of an old client as one of today: behind the namespace there may be a query, which is
// what CONNECT has in place of auth.
func ofOldClient(p socketio.Packet) socketio.Packet {
	name, query, _ := strings.Cut(p.Namespace, "?")
	p.Namespace = name
	if p.Type != socketio.Connect {
		return p
	}
	p.Data = nil
	if auth := engineio.ParseQuery(query); len(auth) > 0 {
		p.Data, _ = json.Marshal(auth) // of strings, which cannot fail
	}
	return p
}

// refusalData is what a CONNECT_ERROR carries. An old client gets the error's data alone, or its message if it has
// none; but of a namespace that is not there, all.
func refusalData(inv *engine.Invocation, why *Error) (json.RawMessage, error) {
	if !isOld(inv) || why == errInvalidNamespace {
		return json.Marshal(why)
	}
	data, err := json.Marshal(why.Data)
	if err != nil {
		return nil, err
	}
	switch string(data) {
	case "null", "false", "0", `""`:
		return json.Marshal(why.Message)
	default:
		return data, nil
	}
}
