package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// reach finds out whether the deployment can be reached at all, by the smallest steps there are, and says what is
// wrong where one of them fails: each step has its own parts of the template to fail by. It returns how frames come.
func (r *report) reach(ctx context.Context, w *way) (inbound string, fine bool) {
	group := "reach: " + w.name
	wrong := func(format string, args ...any) {
		r.wrong = append(r.wrong, fmt.Sprintf("Of %s: ", w.name)+fmt.Sprintf(format, args...))
	}
	var asker *member
	if !r.check(ctx, group, "a request of polling is answered", func(ctx context.Context) error {
		p, _, err := w.poll(ctx)
		if err == nil {
			p.close(ctx)
		}
		return err
	}) {
		wrong("the HTTP API at %s does not answer as Nonstick does. Look at HttpUrl, at HttpDefaultRoute and at "+
			"the log of "+
			"the function polling: a function that lacks a right to the table fails there.", w.http)
		return "", false
	}
	if !r.check(ctx, group, "a client on polling connects", func(ctx context.Context) (err error) {
		asker, err = w.member(ctx, false)
		return err
	}) {
		wrong("a client on polling opens a session and cannot go on: PollingRole lacks a right to the table or to " +
			"a queue, " +
			"which the log of the function polling names.")
		return "", false
	}
	defer asker.close(ctx)
	if !r.check(ctx, group, "the application is cases", func(ctx context.Context) error {
		got, err := asker.call(ctx, "platform")
		if err != nil {
			return fmt.Errorf("%w: deploy with the application cases, as docs/verify.md says", err)
		}
		var p struct{ Inbound string }
		err = json.Unmarshal(got, &p)
		inbound = p.Inbound
		return err
	}) {
		wrong("the application is not cases, which is what can be asked.")
		return "", false
	}
	return inbound, r.reachWebSocket(ctx, w, &wayIn{group: group, inbound: inbound, asker: asker, wrong: wrong})
}

// wayIn is what is known of a way when WebSockets are asked about.
type wayIn struct {
	group, inbound string
	asker          *member // on polling
	wrong          func(format string, args ...any)
}

// reachWebSocket goes on where it can after a step that fails, so that a deployment with several mistakes is told of
// each.
func (r *report) reachWebSocket(ctx context.Context, w *way, in *wayIn) bool {
	s, fine := r.letIn(ctx, w, in)
	if s == nil {
		return false
	}
	defer s.close(ctx)
	opens := r.check(ctx, in.group, "the open packet comes", func(ctx context.Context) error {
		packet, err := s.receive(ctx)
		if err == nil {
			_, err = readOpen(packet)
		}
		return err
	})
	if !opens {
		in.wrong("missing right, or wrong stage: a WebSocket is let in, and the open packet, which the function " +
			"websocket " +
			"pushes, does not come. Either WebSocketRole lacks execute-api:ManageConnections (or " +
			"sqs:ReceiveMessage on " +
			"OpenQueue), or NONSTICK_MANAGEMENT_ENDPOINT names another stage than WebSocketStage. The log of the " +
			"function " +
			"tells them apart: \"not authorized to perform\" is the right, \"Forbidden\" alone is the stage.")
	}
	probes := r.check(ctx, in.group, "a probe is answered", func(ctx context.Context) error { return probed(ctx, w) })
	if !probes {
		in.wrong("%s", unanswered(r.last().Seen, in.inbound))
	}
	if !opens || !probes {
		return false
	}
	var m *member
	if !r.check(ctx, in.group, "a frame is answered", func(ctx context.Context) (err error) {
		m, err = join(ctx, s)
		return err
	}) {
		in.wrong("%s", unanswered(r.last().Seen, in.inbound))
		return false
	}
	return r.pushed(ctx, in, m) && fine
}

// letIn opens a WebSocket. Where the URL is refused and the outputs tell clients another path, it goes on with that.
func (r *report) letIn(ctx context.Context, w *way, in *wayIn) (s *socket, fine bool) {
	dial := func(ctx context.Context) (err error) {
		s, err = w.dial(ctx, w.slash(), "EIO=4&transport=websocket")
		return err
	}
	var refused *refusedError
	var err error
	if r.check(ctx, in.group, "a WebSocket is let in", func(ctx context.Context) error {
		err = dial(ctx)
		return err
	}) {
		return s, true
	}
	if !errors.As(err, &refused) || refused.status != http.StatusForbidden {
		in.wrong("%s does not let a WebSocket in: look at WebSocketConnectRoute and at the log of the function "+
			"websocket.",
			w.webSocket)
		return nil, false
	}
	in.wrong("wrong stage: %s is refused with 403. The URL ends in another stage than WebSocketStage has (or the "+
		"edge's "+
		"WebSocketPath does), or Edge is only.", w.webSocket)
	if w.other == "" {
		return nil, false
	}
	w.webSocket = w.other
	r.check(ctx, in.group, "a WebSocket is let in at "+w.other+", which clients are told", dial)
	return s, false
}

// pushed has the server push to a member, for the sake of the error that it gets.
func (r *report) pushed(ctx context.Context, in *wayIn, m *member) bool {
	return r.check(ctx, in.group, "a client on polling has the server push to it", func(ctx context.Context) error {
		said, err := in.asker.call(ctx, "push", m.id, 10)
		if err != nil {
			return err
		}
		var text string
		if err := json.Unmarshal(said, &text); err != nil {
			return err
		}
		if text != "" {
			in.wrong("%s", unpushed(text))
			return errors.New(text)
		}
		_, err = m.want(ctx, "pushed")
		return err
	})
}

// probed offers a WebSocket to a session on polling. The answer to its probe is one to a frame in any case; other
// answers are pushed where an application may send attachments.
func probed(ctx context.Context, w *way) error {
	p, o, err := w.poll(ctx)
	if err != nil {
		return err
	}
	defer p.close(ctx)
	s, err := w.dial(ctx, w.slash(), "EIO=4&transport=websocket&sid="+o.SID)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := s.send(ctx, "2probe"); err != nil {
		return err
	}
	return inOrder(ctx, s, "3probe")
}

// unanswered is what is wrong where frames of a WebSocket are not answered.
func unanswered(seen, inbound string) string {
	switch {
	case strings.Contains(seen, "API Gateway writes") && inbound == ordered:
		return "missing right: API Gateway cannot hand a frame to the queue. InboundApiRole lacks sqs:SendMessage on " +
			"InboundQueue, or FrameIntegration names another queue."
	case strings.Contains(seen, "API Gateway writes"):
		return "the function websocket fails or is throttled at a frame: its log says why."
	case inbound == ordered:
		return "missing right, wrong stage, or no function: frames go to InboundQueue, and their answers, which the " +
			"function inbound pushes, do not come. InboundRole lacks execute-api:ManageConnections, or a right to the " +
			"table, or NONSTICK_MANAGEMENT_ENDPOINT names another stage, or InboundFunctionFrames does not feed the " +
			"function. Its log says which."
	default:
		return "no route response: the function websocket answers frames, and API Gateway throws the answers away. " +
			"WebSocketDefaultRoute needs RouteResponseSelectionExpression: $default, and there must be a " +
			"WebSocketRouteResponse (AWS::ApiGatewayV2::RouteResponse) for it."
	}
}

// unpushed is what is wrong where a push fails with a text.
func unpushed(text string) string {
	if strings.Contains(text, "not authorized") || strings.Contains(text, "AccessDenied") {
		return "missing right: PollingRole lacks execute-api:ManageConnections on @connections of the WebSocket API (" +
			shorten(text) + ")."
	}
	if strings.Contains(text, "Forbidden") || strings.Contains(text, "403") {
		return "wrong stage: NONSTICK_MANAGEMENT_ENDPOINT names another stage or API than WebSocketStage " +
			"(" + shorten(text) + ")."
	}
	return "a push fails: " + shorten(text)
}
