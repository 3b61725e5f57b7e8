package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// program is the word by which irisops was called, which is what has to be typed
// to call it again.
var program = "irisops"

var (
	plainWord   = regexp.MustCompile(`^[A-Za-z0-9_@./:=+,-]+$`)
	commandLine = regexp.MustCompile("(^|[\\s`(])irisops (--help|backup-db|check-config|ctl|demo|diagnose|doctor|lab|manifest|restore-db|run|version)\\b")
)

// calledBy takes the word that the shell was given; one that would have to be
// quoted is of no use in a hint.
func calledBy(word string) {
	if plainWord.MatchString(word) {
		program = word
	}
}

// typed puts the word that irisops was called by in the place of the command
// lines in a text.
func typed(text string) string {
	return commandLine.ReplaceAllString(text, "${1}"+strings.ReplaceAll(program, "$", "$$")+" ${2}")
}

// say prints what people read, with command lines that they can type.
func say(w io.Writer, format string, args ...any) error {
	_, err := io.WriteString(w, typed(fmt.Sprintf(format, args...)))
	return err
}

// shellWord is a word as it has to be typed.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ctlOf is how the irisops with that socket is spoken to by whoever may.
func ctlOf(socket string) string {
	if slices.Contains(usualSockets, socket) {
		return program + " ctl"
	}
	return program + " ctl --socket " + shellWord(socket)
}
