package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is one thing that is wrong with the file.
type Fault struct {
	File string // as given to Load
	Line int    // 1 for the first; 0 for the file as a whole
	Text string // what is wrong and what to do, in sentences

	absent string // the file that the value names and that is not there; ""
}

// Error is "irisops.yaml:12: what is wrong, and the way out."
func (f Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return f.File + ":" + strconv.Itoa(f.Line) + ": " + f.Text
}

// Faults are all that is wrong, in the order of the file.
type Faults []Fault

// Error has one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Absent are the faults that only say that a file is not there which the config
// names, with those files, and rest the others.
func (fs Faults) Absent() (absent, rest Faults, files []string) {
	for _, f := range fs {
		if f.absent == "" {
			rest = append(rest, f)
			continue
		}
		absent, files = append(absent, f), append(files, f.absent)
	}
	return absent, rest, files
}

// findings collects faults and warnings, and remembers where each value of the
// file stands. A path names a value: "clusters[0].nodes[1].port".
type findings struct {
	file     string
	lines    map[string]int
	bad      map[string]bool // values that have a fault already
	faults   Faults
	warnings Faults
}

func newFindings(file string) *findings {
	return &findings{file: file, lines: map[string]int{}, bad: map[string]bool{}}
}

// fault says what is wrong with the value at path.
func (f *findings) fault(path, format string, args ...any) {
	f.bad[path] = true
	f.faults = append(f.faults, Fault{File: f.file, Line: f.line(path), Text: fmt.Sprintf(format, args...)})
}

// unread says why the file that the value at path names cannot be read.
func (f *findings) unread(path, file string, err error) {
	f.fault(path, "%s: %s: %v.", last(path), file, err)
	if errors.Is(err, errAbsent) {
		f.faults[len(f.faults)-1].absent = file
	}
}

// warn says what is odd about the value at path.
func (f *findings) warn(path, format string, args ...any) {
	f.warnings = append(f.warnings, Fault{File: f.file, Line: f.line(path), Text: fmt.Sprintf(format, args...)})
}

// line is where the value stands, or else what it would be part of.
func (f *findings) line(path string) int {
	for path != "" {
		if line, ok := f.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return f.lines[""]
}

// given says whether the file has a value there, good or bad.
func (f *findings) given(path string) bool {
	_, ok := f.lines[path]
	return ok
}

// usable says whether the file has a value there with no fault so far.
func (f *findings) usable(path string) bool { return f.given(path) && !f.bad[path] }

// required says that the value is missing, if it is, and whether it is usable.
func (f *findings) required(path, format string, args ...any) bool {
	if !f.given(path) {
		f.fault(path, format, args...)
	}
	return f.usable(path)
}

func (f *findings) sort() {
	byLine := func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) }
	slices.SortStableFunc(f.faults, byLine)
	slices.SortStableFunc(f.warnings, byLine)
}

// err is the faults as an error, nil if there are none.
func (f *findings) err() error {
	f.sort()
	if len(f.faults) == 0 {
		return nil
	}
	return f.faults
}

// mostShown is how many characters of a value of the file are shown.
const mostShown = 120

// quote shows a value of the file, bounded and harmless to a terminal.
func quote(s string) string { return strconv.Quote(clip(s)) }

// plain is quote without the quotes, for names.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, clip(s))
}

func clip(s string) string {
	if utf8.RuneCountInString(s) <= mostShown {
		return s
	}
	return string([]rune(s)[:mostShown]) + "..."
}

// nearest is the one of choices that typed was probably meant to be, or "".
func nearest(typed string, choices []string) string {
	best, least := "", max(1, min(len(typed)/3, 4))+1
	for _, c := range choices {
		if d := distance(strings.ToLower(typed), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many letters have to be added, dropped, changed or swapped
// with their neighbour (optimal string alignment). It is bounded for long words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// didYouMean is the way out for a word that is not one of choices.
func didYouMean(typed string, choices []string) string {
	const most = 20
	var words []string
	for _, c := range choices {
		if c != "" {
			words = append(words, plain(c))
		}
	}
	if c := nearest(typed, words); c != "" {
		return "Did you mean " + c + "?"
	}
	switch {
	case len(words) == 0:
		return "There is none to choose from yet."
	case len(words) > most:
		return fmt.Sprintf("Write one of: %s, and %d more.", strings.Join(words[:most], ", "), len(words)-most)
	}
	return "Write one of: " + strings.Join(words, ", ") + "."
}
