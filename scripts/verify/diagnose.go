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
	return inbound, r.reachWebSocket(ctx, w, group, inbound, asker, wrong)
}

func (r *report) reachWebSocket(
	ctx context.Context, w *way, group, inbound string, asker *member, wrong func(string, ...any),
) bool {
	var s *socket
	if !r.check(ctx, group, "a WebSocket is let in", func(ctx context.Context) (err error) {
		s, err = w.dial(ctx, w.slash(), "EIO=4&transport=websocket")
		var refused *refusedError
		if errors.As(err, &refused) && refused.status == http.StatusForbidden {
			wrong("wrong stage: %s is refused with 403. The URL ends in another stage than WebSocketStage has (or "+
				"the edge's "+
				"WebSocketPath does), or Edge is only.", w.webSocket)
		} else if err != nil {
			wrong("%s does not let a WebSocket in: look at WebSocketConnectRoute and at the log of the function "+
				"websocket.",
				w.webSocket)
		}
		return err
	}) {
		return false
	}
	defer s.close(ctx)
	if !r.check(ctx, group, "the open packet comes", func(ctx context.Context) error {
		packet, err := s.receive(ctx)
		if err == nil {
			_, err = readOpen(packet)
		}
		return err
	}) {
		wrong("missing right, or wrong stage: a WebSocket is let in, and the open packet, which the function " +
			"websocket pushes, " +
			"does not come. Either WebSocketRole lacks execute-api:ManageConnections (or sqs:ReceiveMessage on " +
			"OpenQueue), or " +
			"NONSTICK_MANAGEMENT_ENDPOINT names another stage than WebSocketStage. The log of the function tells " +
			"them apart: " +
			"\"not authorized to perform\" is the right, \"Forbidden\" alone is the stage.")
		return false
	}
	var m *member
	if !r.check(ctx, group, "a frame is answered", func(ctx context.Context) (err error) {
		m, err = join(ctx, s)
		return err
	}) {
		wrong("%s", unanswered(r.results[len(r.results)-1].Seen, inbound))
		return false
	}
	if !r.check(ctx, group, "a probe is answered", func(ctx context.Context) error { return probed(ctx, w) }) {
		wrong("%s", unanswered(r.results[len(r.results)-1].Seen, inbound))
		return false
	}
	return r.check(ctx, group, "a client on polling has the server push to it", func(ctx context.Context) error {
		said, err := asker.call(ctx, "push", m.id, 10)
		if err != nil {
			return err
		}
		var text string
		if err := json.Unmarshal(said, &text); err != nil {
			return err
		}
		if text != "" {
			wrong("%s", unpushed(text))
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
		return "missing right, or no function: frames go to InboundQueue, and their answers, which the function " +
			"inbound " +
			"pushes, do not come. InboundRole lacks execute-api:ManageConnections, or a right to the table, or " +
			"InboundFunctionFrames does not feed the function. Its log says which."
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
