package cluster

import (
	"fmt"
	"slices"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// atoms reads a list of atoms.
func atoms(t term.Term) ([]string, error) {
	list, ok := term.AsList(t)
	if !ok {
		return nil, unexpected(t)
	}
	names := make([]string, 0, len(list))
	for _, e := range list {
		a, ok := e.(term.Atom)
		if !ok {
			return nil, unexpected(t)
		}
		names = append(names, string(a))
	}
	slices.Sort(names)
	return names, nil
}

// atomList is names as a list of atoms. They come from the config or from a
// node, never from what a person typed.
func atomList(names []string) term.List {
	list := make(term.List, len(names))
	for i, n := range names {
		list[i] = term.Atom(n)
	}
	return list
}

// applications reads the names out of application:which_applications/1.
func applications(t term.Term) ([]string, error) {
	list, ok := term.AsList(t)
	if !ok {
		return nil, unexpected(t)
	}
	var names []string
	for _, e := range list {
		app, ok := e.(term.Tuple)
		if !ok || len(app) == 0 {
			return nil, unexpected(t)
		}
		name, ok := app[0].(term.Atom)
		if !ok {
			return nil, unexpected(t)
		}
		names = append(names, string(name))
	}
	return names, nil
}

// unexpected says that a node answered something else than its function is
// documented to. Only the type is told: the value may hold anything.
func unexpected(t term.Term) error {
	return actions.Errorf(actions.CodeBadRPC, "The node answered something unexpected (a %s).", shape(t))
}

func shape(t term.Term) string {
	switch v := t.(type) {
	case term.Atom:
		return "atom"
	case term.Tuple:
		if len(v) > 0 {
			if a, ok := v[0].(term.Atom); ok {
				return fmt.Sprintf("tuple {%s, ...}", a)
			}
		}
		return "tuple"
	case term.List:
		return "list"
	case string:
		return "text"
	case []byte:
		return "binary"
	}
	return fmt.Sprintf("%T", t)
}
