// Package chat is the application that a first look at Nonstick shows: a chat with names, rooms, a typing notice and
// the people who are there, and the page to use it from.
package chat

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// rooms are those that every person is shown; others come into being when a person joins them.
var rooms = []string{"lobby", "help", "random"}

// nameKey is where a socket's data keeps the person's name.
const nameKey = "name"

// user is a person as the others see them.
type user struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// inRoom is a user and the room that something happens in.
type inRoom struct {
	Room string `json:"room"`
	user
}

// message is one line of chat.
type message struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	From string `json:"from"`
	Name string `json:"name"`
	Text string `json:"text"`
	At   int64  `json:"at"` // milliseconds since 1970
}

// said is a message as it comes from the page.
type said struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

// answer acknowledges an event: with an error in words for a reader, or with what was asked for.
type answer struct {
	Error string `json:"error,omitempty"`
	ID    string `json:"id,omitempty"`
	At    int64  `json:"at,omitempty"`
	Name  string `json:"name,omitempty"`
	Room  string `json:"room,omitempty"`
	Users []user `json:"users,omitempty"`
}

// app is the chat on its namespace.
type app struct{ io *nonstick.Server }

// Register sets the chat's handlers on the main namespace, and its page.
func Register(srv *nonstick.Server) {
	srv.Pages(Page())
	a := app{srv}
	a.io.OnConnect(a.connect)
	a.io.OnDisconnecting(a.disconnecting)
	nonstick.OnAck(a.io, "join", a.join)
	nonstick.OnAck(a.io, "leave", a.leave)
	nonstick.OnAck(a.io, "message", a.message)
	nonstick.On(a.io, "typing", a.typing)
	nonstick.OnAck(a.io, "rename", a.rename)
}

// connect lets in a client that has a name.
func (a app) connect(ctx context.Context, s *nonstick.Socket) error {
	auth, err := nonstick.Auth[struct {
		Name string `json:"name"`
	}](ctx, s)
	if err != nil {
		return &nonstick.Error{Message: "your name is not a text"}
	}
	name, problem := tidyName(auth.Name, "name", most.Name)
	if problem != "" {
		return &nonstick.Error{Message: problem}
	}
	if err := s.SetData(ctx, nameKey, name); err != nil {
		return err
	}
	return s.Emit(ctx, "welcome", struct {
		user
		Rooms []string `json:"rooms"`
	}{user{s.ID(), name}, rooms})
}

func (a app) disconnecting(ctx context.Context, s *nonstick.Socket, _ nonstick.Reason) error {
	return a.tell(ctx, s, "gone", a.who(ctx, s))
}

// tell emits once to every person who shares a room with the socket, however many rooms they share.
func (a app) tell(ctx context.Context, s *nonstick.Socket, event string, about user) error {
	shared, err := s.Rooms(ctx)
	if err != nil || len(shared) == 0 {
		return err
	}
	return s.To(shared...).Emit(ctx, event, about)
}

func (a app) join(ctx context.Context, s *nonstick.Socket, name string) (answer, error) {
	room, problem := tidyName(name, "room's name", most.Room)
	if problem != "" {
		return answer{Error: problem}, nil
	}
	mine, err := s.Rooms(ctx)
	if err != nil {
		return answer{}, err
	}
	if len(mine) >= most.Rooms && !slices.Contains(mine, room) {
		return answer{Error: fmt.Sprintf("you are in %d rooms, which is the limit: leave one first", len(mine))}, nil
	}
	if err := s.Join(ctx, room); err != nil {
		return answer{}, err
	}
	if err := s.To(room).Emit(ctx, "joined", inRoom{room, a.who(ctx, s)}); err != nil {
		return answer{}, err
	}
	others, err := a.io.To(room).Fetch(ctx, most.People)
	if err != nil {
		return answer{}, err
	}
	out := answer{Room: room}
	for _, r := range others {
		name, _, err := nonstick.Data[string](ctx, r, nameKey)
		if err != nil {
			return answer{}, err
		}
		out.Users = append(out.Users, user{r.ID(), name})
	}
	return out, nil
}

func (a app) leave(ctx context.Context, s *nonstick.Socket, room string) (answer, error) {
	if in, err := s.InRoom(ctx, room); err != nil || !in {
		return answer{Room: room}, err
	}
	if err := s.Leave(ctx, room); err != nil {
		return answer{}, err
	}
	return answer{Room: room}, s.To(room).Emit(ctx, "left", inRoom{room, a.who(ctx, s)})
}

func (a app) message(ctx context.Context, s *nonstick.Socket, in said) (answer, error) {
	text, problem := tidy(in.Text, "message", most.Text)
	if problem != "" {
		return answer{Error: problem}, nil
	}
	if there, err := s.InRoom(ctx, in.Room); err != nil {
		return answer{}, err
	} else if !there {
		return answer{Error: "you are not in that room"}, nil
	}
	me := a.who(ctx, s)
	m := message{
		Room: in.Room, ID: sessionstore.NewID(), From: me.ID, Name: me.Name, Text: text, At: time.Now().UnixMilli(),
	}
	if err := a.io.To(in.Room).Emit(ctx, "message", m); err != nil {
		return answer{}, err
	}
	return answer{ID: m.ID, At: m.At}, nil
}

func (a app) typing(ctx context.Context, s *nonstick.Socket, in struct {
	Room string `json:"room"`
	On   bool   `json:"on"`
},
) error {
	if there, err := s.InRoom(ctx, in.Room); err != nil || !there {
		return err
	}
	return s.To(in.Room).Emit(ctx, "typing", struct {
		inRoom
		On bool `json:"on"`
	}{inRoom{in.Room, a.who(ctx, s)}, in.On})
}

func (a app) rename(ctx context.Context, s *nonstick.Socket, to string) (answer, error) {
	name, problem := tidyName(to, "name", most.Name)
	if problem != "" {
		return answer{Error: problem}, nil
	}
	if err := s.SetData(ctx, nameKey, name); err != nil {
		return answer{}, err
	}
	return answer{Name: name}, a.tell(ctx, s, "renamed", user{s.ID(), name})
}

// who is the socket's person. A name that cannot be read is shown as "?".
func (a app) who(ctx context.Context, s *nonstick.Socket) user {
	name, _, err := nonstick.Data[string](ctx, s, nameKey)
	if err != nil {
		name = "?"
	}
	return user{s.ID(), name}
}
