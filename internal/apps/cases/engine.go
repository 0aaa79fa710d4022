package cases

import (
	"context"
	"errors"
	"net/http"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// watchRefusals is the room of those who watch refused requests of a mark.
const watchRefusals = "refusals of "

// errNoID is why a session has got no id.
var errNoID = errors.New("no id for this one")

// engineHooks sets what a program may set about requests and sessions. A request says by its query what it wants:
//
//   - wantid is the id of its session, failid an error in place of one, panicid a panic;
//   - cookies has the first answer set two cookies, header every answer a header;
//   - mark names the request: if it is refused, those in the room of that mark are told, as "refused".
//
// The event "watch" joins the room of a mark, "transport" acknowledges with the transport that it came by, "clients"
// with the number of sessions. Sockets whose client has moved to WebSocket are told so, as "upgraded".
//
// A socket of the namespace /details has the mark of its auth: when it has left, those in the room of that mark are
// told why, as "ended".
func engineHooks(srv *nonstick.Server) {
	srv.GenerateID(func(_ context.Context, h nonstick.Handshake) (string, error) {
		switch {
		case h.Query["failid"] != "":
			return "", errNoID
		case h.Query["panicid"] != "":
			panic("a mistake")
		case h.Query["wantid"] != "":
			return h.Query["wantid"], nil
		default:
			return sessionstore.NewID(), nil
		}
	})
	srv.OnInitialHeaders(func(_ context.Context, h nonstick.Handshake, header http.Header) {
		if h.Query["cookies"] != "" {
			header.Add("Set-Cookie", "a=1; Path=/")
			header.Add("Set-Cookie", "b=2; HttpOnly")
			header.Set("X-Initial", "yes")
		}
	})
	srv.OnHeaders(func(_ context.Context, h nonstick.Handshake, header http.Header) {
		if v := h.Query["header"]; v != "" {
			header.Set("X-Each", v)
		}
	})
	srv.OnConnectionError(func(ctx context.Context, e nonstick.ConnectionError) {
		mark := e.Handshake.Query["mark"]
		if mark == "" {
			return
		}
		_ = srv.To(watchRefusals+mark).Emit(ctx, "refused", e.Code, e.Message, e.Context) // its client fails the test
	})
	srv.OnUpgrade(func(ctx context.Context, u nonstick.Upgrade) {
		for _, k := range u.Sockets {
			if n, ok := srv.Lookup(k.Namespace); ok {
				_ = n.To(k.ID).Emit(ctx, "upgraded", u.Transport) // the same
			}
		}
	})
	n := srv.Of("/details")
	n.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
		auth, err := nonstick.Auth[struct {
			Mark string `json:"mark"`
		}](ctx, s)
		if err != nil {
			return err
		}
		d := s.DisconnectDetails()
		return srv.To(watchRefusals+auth.Mark).Emit(ctx, "ended", reason, d.Code, d.Description)
	})
	nonstick.OnAck(srv, "watch", func(ctx context.Context, s *nonstick.Socket, mark string) (bool, error) {
		return true, s.Join(ctx, watchRefusals+mark)
	})
	nonstick.OnAck(
		srv, "transport", func(_ context.Context, s *nonstick.Socket, _ nonstick.Args) (nonstick.Transport, error) {
			return s.Transport(), nil
		},
	)
	nonstick.OnAck(srv, "clients", func(ctx context.Context, _ *nonstick.Socket, _ nonstick.Args) (int, error) {
		return srv.ClientsCount(ctx)
	})
}
