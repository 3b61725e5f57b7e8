package host

import (
	"sort"
	"strconv"
	"strings"

	"irisops/actions"
	"irisops/actions/cluster"
)

// maxWord bounds one argument, in bytes.
const maxWord = 256

// wordOK is the alphabet of everything that becomes an argument. None of it
// means anything to make or to the shell that make uses for its recipes.
func wordOK(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return r < 0x80 && strings.ContainsRune("_@./:=+,-", r)
}

func checkWord(what, word string) error {
	if len(word) > maxWord {
		return actions.Errorf(CodeBadValue, "%s has %d characters; at most %d are allowed.", what, len(word), maxWord)
	}
	for _, r := range word {
		if !wordOK(r) {
			return actions.Errorf(CodeBadValue, "%s is %s; only letters, digits and _ @ . / : = + , - are allowed there.", what, quote(word))
		}
	}
	return nil
}

// checkTarget refuses what make would read as an option or an assignment.
func checkTarget(target string) error {
	if err := checkWord("The make target", target); err != nil {
		return err
	}
	if target == "" || target[0] == '-' || strings.Contains(target, "=") {
		return actions.Errorf(CodeBadValue, "%s is not the name of a make target.", quote(target))
	}
	return nil
}

// checkVariable allows NAME=VALUE where NAME is a plain identifier; the value
// may be empty.
func checkVariable(name, value string) error {
	if name == "" || len(name) > maxWord || name[0] >= '0' && name[0] <= '9' {
		return actions.Errorf(CodeBadValue, "%s is not the name of a make variable.", quote(name))
	}
	for _, r := range name {
		if !wordOK(r) || strings.ContainsRune("@./:=+,-", r) {
			return actions.Errorf(CodeBadValue, "%s is not the name of a make variable.", quote(name))
		}
	}
	return checkWord("The make variable "+name, value)
}

// checkName guards a node's name before it is compared or becomes part of a path.
func checkName(n cluster.Node) error {
	if n.Alive() == "" || strings.ContainsAny(n.Name, "/=+,:") || checkWord("The node's name", n.Name) != nil {
		return actions.Errorf(CodeBadValue, "%s is not the name of an Erlang node.", quote(n.Name))
	}
	return nil
}

// makeArgs is the target and its variables, sorted, each checked.
func makeArgs(n cluster.Node) ([]string, error) {
	if err := checkTarget(n.Target); err != nil {
		return nil, err
	}
	args := []string{n.Target}
	for name, value := range n.MakeVars {
		if err := checkVariable(name, value); err != nil {
			return nil, err
		}
		args = append(args, name+"="+value)
	}
	sort.Strings(args[1:])
	return args, nil
}

// quote shows a word to people: escaped, and no longer than 80 characters.
func quote(s string) string {
	runes := []rune(s)
	if len(runes) > 80 {
		return strconv.Quote(string(runes[:80])) + "..."
	}
	return strconv.Quote(s)
}
