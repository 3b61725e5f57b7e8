package console

import "strings"

// Everything takes a trailing --all off a line: the caller wants to read what
// would be folded away. It is the console's own flag, for every command.
func Everything(text string) (rest string, all bool) {
	text = strings.TrimSpace(text)
	rest, all = strings.CutSuffix(text, "--all")
	if !all || rest != "" && !strings.HasSuffix(rest, " ") {
		return text, false
	}
	return strings.TrimSpace(rest), true
}
