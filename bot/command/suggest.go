package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"irisops/actions"
)

// synonyms are words of other tools, and of people in a hurry, for commands
// that this one may have. They are offered, never carried out.
var synonyms = map[string][]string{
	"reset": {"restart"}, "reboot": {"restart"}, "bounce": {"restart"}, "relaunch": {"restart"},
	"kill": {"stop"}, "shutdown": {"stop"}, "terminate": {"stop"}, "down": {"stop"},
	"boot": {"start"}, "launch": {"start"}, "run": {"start"}, "up": {"start"},
	"fix": {"recover", "restart"}, "heal": {"recover"}, "repair": {"recover"},
	"check": {"diagnose", "verify"}, "health": {"diagnose"}, "doctor": {"diagnose"}, "inspect": {"diagnose"},
	"test": {"verify"}, "probe": {"verify"}, "ping": {"verify", "diagnose"},
	"list": {"status"}, "ls": {"status"}, "ps": {"status"}, "nodes": {"status"}, "info": {"status"}, "show": {"status"},
	"tail": {"logs"}, "journal": {"logs", "timeline"}, "history": {"timeline"}, "events": {"timeline"},
	"open": {"declare"}, "incident": {"declare", "incidents"}, "alert": {"declare"}, "raise": {"declare"}, "outage": {"declare"},
	"acknowledge": {"ack"}, "acked": {"ack"}, "mine": {"ack"}, "take": {"ack"},
	"comment": {"note"}, "say": {"note"}, "write": {"note"}, "remark": {"note"},
	"close": {"resolve"}, "end": {"resolve"}, "finish": {"resolve"}, "fixed": {"recovered", "resolve"}, "done": {"resolve"},
	"yes": {"confirm", "approve"}, "y": {"confirm", "approve"}, "ok": {"confirm", "ack"}, "go": {"confirm"}, "accept": {"approve"}, "allow": {"approve"},
	"no": {"deny"}, "reject": {"deny"}, "decline": {"deny"}, "refuse": {"deny"}, "cancel": {"deny", "halt"},
	"abort": {"halt"}, "pause": {"halt"}, "freeze": {"halt"}, "emergency": {"halt"},
	"unhalt": {"resume-actions"}, "continue": {"resume-actions"}, "unfreeze": {"resume-actions"}, "unpause": {"resume-actions"},
	"mute": {"stop-paging", "maintenance on"}, "silence": {"stop-paging", "maintenance on"}, "snooze": {"stop-paging"}, "quiet": {"stop-paging"},
	"who": {"whoami", "oncall"}, "me": {"whoami"}, "permissions": {"access explain"}, "why": {"access explain"},
	"commands": {"help"}, "man": {"help"}, "usage": {"help"}, "hi": {"help"}, "hello": {"help"}, "?": {"help"},
}

const mostSuggestions = 3

// suggestions are whole lines that work and may have been meant by a line whose
// command is not known, the likeliest first.
func (t *Table) suggestions(line string, tokens []token, people Resolver) []string {
	var found []string
	add := func(s string) {
		if short(s) && !slices.Contains(found, s) && len(found) < mostSuggestions {
			found = append(found, s)
		}
	}
	for _, words := range synonyms[squash(strings.TrimRight(tokens[0].text, ".,:;!"))] {
		if e := t.lookup(words); e != nil {
			add(t.completed(e, line[tokens[0].end:], people))
		}
	}
	for _, c := range t.near(tokens) {
		add(t.completed(c.entry, line[tokens[c.tokens-1].end:], people))
	}
	for _, s := range t.elsewhere(line, tokens, people) {
		add(s)
	}
	return found
}

// completed is the command with what was typed after its words, if that works,
// and otherwise its usage: an example might be copied without being read.
func (t *Table) completed(e *entry, rest string, people Resolver) string {
	fixed := strings.TrimSpace(e.Words + " " + strings.TrimSpace(rest))
	if parsed, err := t.parseLine(fixed, people, false); err == nil && parsed.Spec == &e.Spec && short(fixed) {
		return fixed
	}
	return e.usage(false)
}

// elsewhere finds a command that does not stand at the beginning: "please
// restart edge1", "edge1 restart", "P0 nobody can log in".
func (t *Table) elsewhere(line string, tokens []token, people Resolver) []string {
	var tries []string
	for i := 1; i < len(tokens) && i < 6; i++ {
		if e, n := t.match(tokens[i:]); e != nil {
			after := line[tokens[i+n-1].end:]
			tries = append(tries, e.Words+after, e.Words+" "+line[tokens[0].start:tokens[i-1].end]+after)
		}
	}
	for _, e := range t.entries {
		if len(e.positional) > 0 && e.positional[0].Kind == actions.Choice && len(e.positional) > 1 {
			if _, err := canonical(e.positional[0], tokens[0].text, people); err == nil {
				tries = append(tries, e.Words+" "+line[tokens[0].start:])
			}
		}
	}
	var found []string
	for _, s := range tries {
		s = strings.TrimRight(s, "?! ")
		if _, err := t.parseLine(s, people, false); err == nil {
			found = append(found, s)
		}
	}
	return found
}

// candidate is a command that may have been meant by the first tokens.
type candidate struct {
	entry  *entry
	tokens int
	far    int
}

// near ranks the commands by how many slips of the finger lie between their
// words and the first words of the line.
func (t *Table) near(tokens []token) []candidate {
	var all []candidate
	for _, e := range t.entries {
		best := candidate{far: -1}
		name := strings.Join(e.words, "")
		typed := ""
		for i, tok := range tokens {
			if i == 4 || tok.flag != "" || tok.quoted {
				break
			}
			typed += squash(commandWord(tok, i == 0))
			far, ok := likeness(typed, name)
			if ok && (best.far < 0 || far < best.far) {
				best = candidate{entry: e, tokens: i + 1, far: far}
			}
		}
		if best.far >= 0 {
			all = append(all, best)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.far, b.far) })
	for i, c := range all {
		if c.far > all[0].far+1 {
			return all[:i]
		}
	}
	return all
}

// likeness says how far typed is from name, and whether that is near enough to
// ask: a third of its letters at most, or one is the beginning of the other.
func likeness(typed, name string) (int, bool) {
	shorter := min(len(typed), len(name))
	if shorter >= 3 && (strings.HasPrefix(typed, name) || strings.HasPrefix(name, typed)) {
		return max(len(typed), len(name)) - shorter, true
	}
	n := utf8.RuneCountInString(typed)
	far := distance(typed, name)
	return far, far <= max(1, n/3) && far < n
}

// nearest are the candidates near enough to what was typed, the nearest first.
func nearest(typed string, candidates []string) []string {
	type scored struct {
		name string
		far  int
	}
	var all []scored
	for _, c := range candidates {
		if far, ok := likeness(squash(typed), squash(c)); ok {
			all = append(all, scored{c, far})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(a.far, b.far) })
	var names []string
	for _, s := range all[:min(len(all), mostSuggestions)] {
		names = append(names, s.name)
	}
	return names
}

// distance counts the slips between two words: a letter more, less or other,
// or two neighbours swapped (Damerau and Levenshtein, optimal string
// alignment). Words of more than 64 letters are infinitely far from others.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 1 << 20
	}
	var before []int // row i-2
	last := make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := last[j-1]
			if x[i-1] != y[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}

// short says whether a line can be offered for copying.
func short(line string) bool {
	return utf8.RuneCountInString(line) <= 100 && !strings.ContainsAny(line, "\n`")
}

func didYouMean(choices []string) string {
	if len(choices) == 0 {
		return ""
	}
	return fmt.Sprintf("Did you mean %s?", list(choices, "or"))
}
