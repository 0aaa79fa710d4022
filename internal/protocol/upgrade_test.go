package protocol_test

import (
	"testing"

	"github.com/nonstick-io/nonstick/internal/protocol"
	"github.com/nonstick-io/nonstick/sessionstore"
)

// "Transitions", Bind: a connection that is refused opens and is closed.
func TestBind(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want protocol.BindAction
	}{
		{"bound", nil, protocol.BindDone},
		{"no session", sessionstore.ErrNotFound, protocol.BindUnknown},
		{"closing", refusal(polling(state(sessionstore.Closing))), protocol.BindUnknown},
		{"drained", refusal(polling(drain)), protocol.BindClose},
		{"another candidate", refusal(polling(candidate(otherWS, now))), protocol.BindClose},
		{"on WebSocket", refusal(upgraded()), protocol.BindClose},
		{"in doubt", errDoubt, protocol.BindFail},
		{"throttled", sessionstore.ErrThrottled, protocol.BindFail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Bind(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// "The upgrade", and "Transitions": Probe and Upgrade.
func TestUpgrade(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		probe   protocol.ProbeAction
		upgrade protocol.UpgradeAction
	}{
		{"applied", nil, protocol.ProbeAnswer, protocol.UpgradeFlush},
		{"no session", sessionstore.ErrNotFound, protocol.ProbeRefuse, protocol.UpgradeRefuse},
		{"closing", refusal(polling(state(sessionstore.Closing))), protocol.ProbeRefuse, protocol.UpgradeRefuse},
		{"another candidate", refusal(polling(candidate(otherWS, now))), protocol.ProbeRefuse, protocol.UpgradeRefuse},
		{"Hold is mine", refusal(upgraded(held(me, now))), protocol.ProbeRefuse, protocol.UpgradeApplied},
		{"Hold is another's", refusal(upgraded(held(another, now))), protocol.ProbeRefuse, protocol.UpgradeRefuse},
		{"no Hold", refusal(upgraded()), protocol.ProbeRefuse, protocol.UpgradeRefuse},
		{"in doubt", errDoubt, protocol.ProbeFail, protocol.UpgradeRepeat},
		{"throttled", sessionstore.ErrThrottled, protocol.ProbeFail, protocol.UpgradeRepeat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.Probe(tt.err); got != tt.probe {
				t.Errorf("Probe: got %q, want %q", got, tt.probe)
			}
			if got := protocol.Upgrade(tt.err, me); got != tt.upgrade {
				t.Errorf("Upgrade: got %q, want %q", got, tt.upgrade)
			}
		})
	}
}

// "A frame of a candidate is 2probe or 5 (with whatever behind it); another aborts the upgrade, probed or not."
func TestCandidate(t *testing.T) {
	tests := []struct {
		frame            string
		unprobed, probed protocol.CandidateAction
	}{
		{"2probe", protocol.CandidateProbe, protocol.CandidateProbe},
		{"5", protocol.CandidateUpgrade, protocol.CandidateUpgrade},
		{"5 with whatever", protocol.CandidateUpgrade, protocol.CandidateUpgrade},
		{"4a message", protocol.CandidateAbort, protocol.CandidateWait},
		{"bAAEC", protocol.CandidateAbort, protocol.CandidateWaitBin},
		{"2", protocol.CandidateAbort, protocol.CandidateAbort},
		{"2prob", protocol.CandidateAbort, protocol.CandidateAbort},
		{"3", protocol.CandidateAbort, protocol.CandidateAbort},
		{"1", protocol.CandidateAbort, protocol.CandidateAbort},
		{"6", protocol.CandidateAbort, protocol.CandidateAbort},
		{"no packet", protocol.CandidateAbort, protocol.CandidateAbort},
		{"", protocol.CandidateAbort, protocol.CandidateAbort},
	}
	for _, tt := range tests {
		t.Run(tt.frame, func(t *testing.T) {
			if got := protocol.Candidate(tt.frame, false); got != tt.unprobed {
				t.Errorf("before the probe: got %q, want %q", got, tt.unprobed)
			}
			if got := protocol.Candidate(tt.frame, true); got != tt.probed {
				t.Errorf("after the probe: got %q, want %q", got, tt.probed)
			}
		})
	}
}

// "The end of a candidate" aborts the upgrade, probed or not.
func TestConnEnds(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want protocol.ConnEndAction
	}{
		{"the session was on it", nil, protocol.ConnEndDone},
		{"a candidate", refusal(polling(candidate(ws, now))), protocol.ConnEndAbort},
		{"a probed candidate", refusal(polling(candidate(ws, now), probed)), protocol.ConnEndAbort},
		{"a candidate that was refused", refusal(polling(candidate(otherWS, now))), protocol.ConnEndRow},
		{"the session is on another", refusal(upgraded(elsewhere)), protocol.ConnEndRow},
		{
			"a candidate of one that is closing", refusal(polling(state(sessionstore.Closing), candidate(ws, now))),
			protocol.ConnEndRow,
		},
		{"in doubt", errDoubt, protocol.ConnEndFail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := protocol.ConnEnds(tt.err, ws); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
