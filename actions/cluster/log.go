package cluster

import (
	"regexp"
	"strings"
	"time"
)

// logTail is the end of a node's log made readable: entries instead of lines,
// noise marked, secrets masked.
type logTail []entry

// entry is one report of Erlang's logger.
type entry struct {
	at    time.Time // zero where the entry has no time of its own
	level string    // "error", "warning", "crash report"; "" for text that no logger wrote
	lines []string
	noise bool // OS_MON's complaint, folded everywhere
}

// How Erlang's logger heads an entry: as the default handler does from OTP 21 to
// 27 (=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ===), and as a handler with
// single-line formatting does.
var (
	reportHead = regexp.MustCompile(`^=([A-Z]+(?: [A-Z]+)?)==== (\d{1,2}-[A-Z][a-z]{2}-\d{4}::\d\d:\d\d:\d\d(?:\.\d+)?)( UTC)? ===$`)
	singleHead = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ([a-z]+):`)
)

// tailBytes is how much of a log's end a Host reads at most. A tail close to it
// begins somewhere in the middle of the log.
const tailBytes = 1 << 20

// allOfIt says whether these lines are surely all of a log of which max were asked
// for.
func allOfIt(lines []string, max int) bool {
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	return len(lines) < max && size < tailBytes*9/10
}

// readLog sorts the last lines of a log. zone is what its times are in; max is
// how many lines were asked for.
func readLog(lines []string, max int, zone *time.Location, mask masker) logTail {
	var tail logTail
	current := entry{}
	fragment := !allOfIt(lines, max)
	flush := func() {
		if len(current.lines) == 0 {
			return
		}
		text := strings.Join(current.lines, "\n")
		if current.noise = noise(current, text); !current.noise {
			current.lines = strings.Split(strings.TrimRight(mask.log(text, fragment), "\n"), "\n")
		}
		tail = append(tail, current)
		fragment = false
	}
	for _, line := range lines {
		head, headed := readHead(line, zone)
		switch {
		case headed:
			flush()
			current = head
		case strings.HasPrefix(line, noisePrefix) && (len(current.lines) != 1 || current.level == ""):
			flush() // noise without a head is an entry of one line
			current = entry{at: current.at, level: "warning", lines: []string{line}}
			flush()
			current = entry{at: current.at}
			continue
		}
		current.lines = append(current.lines, line)
	}
	flush()
	return tail
}

func readHead(line string, zone *time.Location) (entry, bool) {
	if m := reportHead.FindStringSubmatch(line); m != nil {
		if m[3] != "" {
			zone = time.UTC
		}
		at, err := time.ParseInLocation("2-Jan-2006::15:04:05", m[2], zone) // a fraction is read all the same
		return entry{at: at, level: strings.ToLower(strings.TrimSuffix(m[1], " REPORT"))}, err == nil
	}
	if m := singleHead.FindStringSubmatch(line); m != nil {
		at, err := time.Parse(time.RFC3339, m[1])
		return entry{at: at, level: m[2]}, err == nil
	}
	return entry{}, false
}

// IRIS asks os_mon for the load and the memory twice a second without having
// started it. Each time os_mon's own API writes this line, with a head.
const noisePrefix = "OS_MON ("

func noise(e entry, text string) bool {
	if e.level != "warning" {
		return false
	}
	at := strings.Index(text, noisePrefix)
	if at < 0 {
		return false
	}
	body := strings.TrimSpace(text[at:])
	return strings.HasSuffix(body, "not started") && !strings.Contains(body, "\n")
}

var badLevels = map[string]bool{
	"error": true, "critical": true, "alert": true, "emergency": true, "crash": true, "supervisor": true,
}

// Words of a dying VM, printed by no logger.
var fatal = []string{"Kernel pid terminated", "init terminating", "Crash dump is being written", "eheap_alloc", "Protocol 'inet_tcp'", "{error_logger,", "could not be started"}

// A node that turned irisops away for its cookie says so as an error. That is
// told by the ping, and no trouble of the node once the cookie is right.
const turnedAway = "Connection attempt from node 'irisops-"

func (e entry) bad() bool {
	if badLevels[e.level] {
		return !strings.Contains(strings.Join(e.lines[:min(len(e.lines), 2)], "\n"), turnedAway)
	}
	if e.level != "" {
		return false
	}
	for _, line := range e.lines {
		for _, word := range fatal {
			if strings.Contains(line, word) {
				return true
			}
		}
	}
	return false
}

// gist is the entry in one line: where a report names a reason, that; else its
// first words.
func (e entry) gist() string {
	body := e.lines
	if _, headed := readHead(body[0], time.UTC); headed && strings.HasPrefix(body[0], "=") {
		body = body[1:]
	}
	first := ""
	for _, line := range body {
		line = strings.TrimSpace(line)
		for _, key := range []string{"reason:", "exception exit:", "exception error:", "exited:"} {
			if strings.HasPrefix(line, key) {
				return cut(line, 160)
			}
		}
		switch {
		case strings.Trim(line, "=*- ") == "":
		case first == "":
			first = line
		case strings.HasSuffix(first, ":"): // "Error in process ... with exit value:" says nothing yet
			first += " " + line
		}
	}
	return cut(first, 160)
}

// cut shortens a text to at most max characters.
func cut(text string, max int) string {
	runes := []rune(text)
	if len(runes) <= max {
		return text
	}
	return string(runes[:max-3]) + "..."
}

// text is everything but the noise, as it stood, and how many lines of noise
// were folded.
func (t logTail) text() (lines []string, folded int) {
	for _, e := range t {
		if e.noise {
			folded += len(e.lines)
			continue
		}
		lines = append(lines, e.lines...)
	}
	return lines, folded
}

// since keeps the entries from a moment on. Text without a time belongs to what
// stands before it.
func (t logTail) since(from time.Time) logTail {
	var kept logTail
	var last time.Time
	for _, e := range t {
		if !e.at.IsZero() {
			last = e.at
		}
		if !last.Before(from) {
			kept = append(kept, e)
		}
	}
	return kept
}

// bad are the errors and crashes.
func (t logTail) bad() logTail {
	var bad logTail
	for _, e := range t {
		if e.bad() {
			bad = append(bad, e)
		}
	}
	return bad
}

// last is the last entry that is not noise.
func (t logTail) last() (entry, bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if !t[i].noise {
			return t[i], true
		}
	}
	return entry{}, false
}
