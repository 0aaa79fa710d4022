package cases

import (
	"context"
	"regexp"
	"strings"

	"github.com/nonstick-io/nonstick"
)

// births is the room of the main namespace that is told of every namespace that clients made, as "born".
const births = "births"

// parents sets namespaces that clients make:
//
//   - /tenant-... by a pattern, /club/... by a function: with the auth {"member": true};
//   - their sockets join the room "lobby" and may send where, which acknowledges with the name of the namespace; lobby,
//     which the room gets as "said"; siblings, which the lobbies of all tenants get as "all".
func parents(srv *nonstick.Server) {
	tenants := srv.OfPattern("tenants", regexp.MustCompile(`^/tenant-\w+$`))
	clubs := srv.OfFunc("clubs", func(_ context.Context, r nonstick.NamespaceRequest) (bool, error) {
		return strings.HasPrefix(r.Name, "/club/") && string(r.Auth) == `{"member":true}`, nil
	})
	for _, n := range []*nonstick.Namespace{tenants, clubs} {
		n.OnConnect(func(ctx context.Context, s *nonstick.Socket) error { return s.Join(ctx, "lobby") })
		n.OnNewNamespace(func(ctx context.Context, child *nonstick.Namespace) error {
			return srv.To(births).Emit(ctx, "born", child.Name())
		})
		n.OnDisconnect(func(ctx context.Context, s *nonstick.Socket, reason nonstick.Reason) error {
			return s.Namespace().Emit(ctx, "left", s.ID(), reason)
		})
		nonstick.OnAck(n, "where", func(_ context.Context, s *nonstick.Socket, _ nonstick.Args) (string, error) {
			return s.Namespace().Name(), nil
		})
		nonstick.OnAck(n, "lobby", func(ctx context.Context, s *nonstick.Socket, args nonstick.Args) (bool, error) {
			return true, s.Namespace().To("lobby").Emit(ctx, "said", args)
		})
		nonstick.OnAck(n, "siblings", func(ctx context.Context, _ *nonstick.Socket, args nonstick.Args) (bool, error) {
			return true, tenants.To("lobby").Emit(ctx, "all", args)
		})
	}
}
