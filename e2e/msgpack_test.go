package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// msgPack tells clients and servers which parser they have.
const msgPackParser = "NONSTICK_PARSER=msgpack"

// TestMsgPack is what clients with the msgpack parser get, by each transport, with and without the limits of API
// Gateway, on both stores and on the functions; and what clients of JSON get, by the other parser.
func TestMsgPack(t *testing.T) {
	t.Parallel() // it waits most of the time
	cases := []string{"--app", "cases", "--parser", "msgpack"}
	files := []string{"msgpack.test.mjs", "cases.test.mjs", "api.test.mjs"}
	for name, start := range several {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with the functions: it waits most of the time
			url := start(t, cases...)
			for _, file := range files {
				runNode(t, file, url, "NONSTICK_FRAMES=text", msgPackParser)
			}
		})
	}
	t.Run("without limits, with recovery", func(t *testing.T) {
		t.Parallel()
		url := inMemoryInstances(t, with(cases, "--limits", "none", "--recovery", "2m")...)
		runNode(t, "msgpack.test.mjs", url, msgPackParser, "NONSTICK_RECOVERY=on")
	})
	t.Run("recovery", func(t *testing.T) { // what clients missed, once and in order
		t.Parallel()
		suites := []string{"--app", "suites", "--limits", "none", "--recovery", "2m", "--parser", "msgpack"}
		url := onDynamoDBInstances(t, suites...)
		for _, file := range recoveryOf("on", true) {
			runNode(t, "suites/"+file, url, msgPackParser, "NONSTICK_RECOVERY=on")
		}
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, "ordered", with(cases, "--parameter", "Parser=msgpack")...)
		for _, file := range append(files[:len(files):len(files)], "emitting.test.mjs") {
			runNode(t, file, d.url, append(d.env(), msgPackParser)...)
		}
	})
}

// TestMsgPackAtOnce is TestAttachments where an event and its attachments are one frame: what is sent back to back is
// exact, also where the frames of one connection are handled at once, and with recovery.
func TestMsgPackAtOnce(t *testing.T) {
	t.Parallel() // it waits most of the time
	for name, parameters := range map[string][]string{
		"concurrent":                {"--parameter", "Parser=msgpack"},
		"concurrent, with recovery": {"--parameter", "Parser=msgpack", "--parameter", "Recovery=2m"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, "concurrent", with(parameters, "--app", "bench", "--concurrency", "100")...)
			runNode(t, "attachments.test.mjs", d.url, append(d.env(), msgPackParser, "NONSTICK_ROUNDS=20")...)
		})
	}
}

// msgPackPrograms are the clients that have the parser.
func msgPackPrograms() (all []program) {
	for _, p := range programs {
		switch p.name {
		case "javascript 4.8.4", "javascript 4.0.0", "javascript 3.1.3", "python sync", "python asyncio":
			all = append(all, p)
		}
	}
	return all
}

// wholeFrames is why Python's clients have to poll where frames are text alone.
func wholeFrames(c combination) string {
	if c.frames == "text" && c.transport != "polling" {
		return onlyBase64
	}
	return ""
}

// TestMsgPackClients is TestClients with the msgpack parser.
func TestMsgPackClients(t *testing.T) {
	t.Parallel() // it waits most of the time
	all := msgPackPrograms()
	for i := range all {
		if all[i].command[0] != "node" {
			all[i].cannot = everything
			all[i].unasked = func(c combination, _ string) string { return wholeFrames(c) }
		}
	}
	t.Run("memory, several instances", func(t *testing.T) {
		t.Parallel() // with the functions: the clients wait most of the time
		url := inMemoryInstances(
			t, "--app", "cases", "--limits", "none", "--recovery", "2m", "--parser", "msgpack",
		)
		runPrograms(t, all, url, combination{setup: "memory", frames: "binary", recovery: true, msgpack: true})
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		url := deploy(t, "ordered", "--app", "cases", "--parameter", "Edge=on", "--parameter", "Parser=msgpack").url
		runPrograms(t, all, url, combination{setup: "template", frames: "text", msgpack: true})
	})
}

// TestMsgPackVectors compares the vectors that our own parser is tested with to what the reference's encoders write.
func TestMsgPackVectors(t *testing.T) {
	want, err := os.ReadFile("../internal/socketio/testdata/msgpack.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := exec.CommandContext(t.Context(), "node", "node/msgpack-vectors.mjs").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the reference writes something else than internal/socketio/testdata/msgpack.json has")
	}
}
