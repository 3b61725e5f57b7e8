package console

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"irisops/bot/message"

	"pgregory.net/rapid"
)

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestDelta prints a restart as it is seen where lines cannot be rewritten.
func TestDelta(t *testing.T) {
	item := func(s message.ItemState, text, note string) message.Item {
		return message.Item{State: s, Text: text, Note: note}
	}
	head := func(level message.Level, title string, list items, more ...message.Block) msg {
		return msg{Level: level, Title: title, Blocks: append(blocks{steps(list...)}, more...)}
	}
	const title = "Restarting edge1 (REQ-3)"
	before := msg{Title: "REQ-3: restart edge1", Blocks: blocks{text("What will run"), code("make start_edge1")},
		Buttons: []message.Button{{Label: "Confirm", Words: "confirm REQ-3", Style: message.Primary}, {Label: "Deny", Words: "deny REQ-3"}}}
	stages := []struct {
		name string
		m    msg
	}{
		{"it starts", head(message.Info, title, items{item(message.Running, "stop edge1", ""), item(message.Pending, "start edge1", ""), item(message.Pending, "log in on edge1", "")})},
		{"time passes", head(message.Info, title, items{item(message.Running, "stop edge1", ""), item(message.Pending, "start edge1", ""), item(message.Pending, "log in on edge1", "")})},
		{"a step ends, the next begins", head(message.Info, title, items{item(message.Done, "stop edge1", "pid 4711 exited after 0.4 s"), item(message.Running, "start edge1", "1 s"), item(message.Pending, "log in on edge1", "")})},
		{"it ticks", head(message.Info, title, items{item(message.Done, "stop edge1", "pid 4711 exited after 0.4 s"), item(message.Running, "start edge1", "2 s"), item(message.Pending, "log in on edge1", "")})},
		{"it says something else", head(message.Info, title, items{item(message.Done, "stop edge1", "pid 4711 exited after 0.4 s"), item(message.Running, "start edge1", "registered, port closed"), item(message.Pending, "log in on edge1", "")})},
		{"it is done", head(message.OK, "edge1 is restarted and verified, after 4.2 s", items{item(message.Done, "stop edge1", "pid 4711 exited after 0.4 s"), item(message.Done, "start edge1", "pid 4720, 2.9 s"), item(message.Done, "log in on edge1", "12 ms")},
			text("Clients of edge1 have to connect again."),
			message.Block{Fields: []message.Field{{Name: "Old log", Value: "edge1.log.1"}}},
			text("Nodes"), table([]string{"node", "state"}, []string{"core", "up"}, []string{"edge1", "up"}))},
		{"rows and fields change", head(message.OK, "edge1 is restarted and verified, after 4.2 s", items{item(message.Done, "stop edge1", "pid 4711 exited after 0.4 s"), item(message.Done, "start edge1", "pid 4720, 2.9 s"), item(message.Done, "log in on edge1", "12 ms"), item(message.Failed, "watch edge1", "it died again")},
			text("Clients of edge1 have to connect again."),
			message.Block{Fields: []message.Field{{Name: "Old log", Value: "edge1.log.1"}, {Name: "New log", Value: "edge1.log"}}},
			text("Nodes"), table([]string{"node", "state"}, []string{"core", "up"}, []string{"edge1", "down"}))},
	}
	var b strings.Builder
	for _, s := range stages {
		fmt.Fprintf(&b, "===== %s\n", s.name)
		for _, line := range Delta(before, s.m, Style{Unicode: true}) {
			b.WriteString(line + "\n")
		}
		before = s.m
	}
	golden(t, "delta.txt", b.String())
}

// TestAnyDelta: nothing is said of what did not change, everything printed is
// safe, and what is new is never kept back.
func TestAnyDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := anyMessage().Draw(t, "old"), anyMessage().Draw(t, "new")
		if lines := Delta(new, new, Style{Unicode: true}); len(lines) > 0 {
			t.Fatalf("nothing changed, but it says %q", lines)
		}
		lines := Delta(old, new, Style{Unicode: true})
		checkSafe(t, strings.Join(lines, "\n"))
		if (old.Title != new.Title || old.Level != new.Level) && len(lines) == 0 {
			t.Fatal("a new outcome is kept back")
		}
	})
}
