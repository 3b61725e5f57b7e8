package cluster

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// never are functions of Mnesia that lose rows, some of them while everything
// looks green, or that decide for a person. None of them is called from anywhere.
var never = []string{
	"change_config",    // on live sides: {ok, ...}, and the data stay apart
	"del_table_copy",   // while split: the loser's rows go without a word
	"move_table_copy",  // the same
	"delete_schema",    // wipes a node
	"create_schema",    // makes a new, empty cluster
	"delete_table",     // the table
	"clear_table",      // its rows
	"force_load_table", // takes whatever lies on this disk
	"restore",          // puts old rows over new ones
	"install_fallback", // the same, at the next start
}

// onlyThere are functions with one place each.
var onlyThere = map[string]string{"set_master_nodes": "split_join.go"}

var mnesiaCall = regexp.MustCompile(`\bmnesia\w*:(\w+)`)

// What runs on a node is fixed: a module and a function as two literals side by
// side, or Erlang source in a constant of the type expression. All of both in the
// program are looked at here.
func TestTheShortcutsThatLoseRowsAreOutOfReach(t *testing.T) {
	sites := 0
	for _, top := range []string{"actions", "bot", "cmd", "store"} {
		err := filepath.WalkDir(filepath.Join("..", "..", top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || d.Name() == "lab") {
				return fs.SkipDir
			}
			if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			found, faults := shortcuts(t, file, string(text))
			sites += found
			for _, f := range faults {
				t.Error(f)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if sites < 20 {
		t.Errorf("only %d calls of Mnesia were found: this test looks in the wrong place", sites)
	}
}

// shortcuts counts the calls of Mnesia in a file, and says which must not be.
func shortcuts(t *testing.T, name, text string) (sites int, faults []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	call := func(at token.Pos, function string) {
		sites++
		place := onlyThere[function]
		switch {
		case slices.Contains(never, function):
			faults = append(faults, fmt.Sprintf("%s: mnesia:%s must not be in reach", set.Position(at), function))
		case place != "" && filepath.Base(name) != place:
			faults = append(faults, fmt.Sprintf("%s: mnesia:%s belongs in %s only", set.Position(at), function, place))
		}
	}
	literal := func(e ast.Expr) string {
		l, ok := e.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return ""
		}
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	pairs := func(list []ast.Expr) {
		for i := 0; i+1 < len(list); i++ {
			if function := literal(list[i+1]); function != "" && strings.HasPrefix(literal(list[i]), "mnesia") {
				call(list[i].Pos(), function)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			pairs(n.Args)
		case *ast.CompositeLit:
			pairs(n.Elts)
		case *ast.ValueSpec:
			if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "expression" {
				for _, v := range n.Values {
					for _, m := range mnesiaCall.FindAllStringSubmatch(literal(v), -1) {
						call(v.Pos(), m[1])
					}
				}
			}
		case *ast.BasicLit:
			// No name alone either, from which a call could be put together, and no
			// start of a wiped core as a new seed.
			if s := literal(n); slices.Contains(never, s) && s != "restore" || s == "extra_db_nodes" || strings.HasPrefix(s, "join_seeds") {
				faults = append(faults, fmt.Sprintf("%s: %q must not be in reach", set.Position(n.Pos()), s))
			}
		}
		return true
	})
	return sites, faults
}

// The test itself is tried on what it has to find.
func TestShortcutsAreFound(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		sites, faults    int
	}{
		{"a call", "a.go", `var _ = f(ctx, n, "mnesia", "table_info", x)`, 1, 0},
		{"a shortcut", "a.go", `var _ = f(ctx, n, "mnesia", "change_config", x)`, 1, 2},
		{"in a table", "a.go", `var _ = []q{{"mnesia", "del_table_copy"}}`, 1, 2},
		{"an inner module", "a.go", `var _ = f("mnesia_schema", "delete_table", x)`, 1, 2},
		{"in Erlang", "a.go", "const e expression = `fun() -> mnesia:clear_table(T) end().`", 1, 1},
		{"in Erlang, well", "a.go", "const e expression = `mnesia:dirty_read(T, K).`", 1, 0},
		{"a name in pieces", "a.go", `var m, f = "mnesia", "change_config"`, 0, 1},
		{"an atom", "a.go", `var _ = term.Atom("extra_db_nodes")`, 0, 1},
		{"a new seed", "a.go", `var _ = map[string]string{"join_seeds": "[]"}`, 0, 1},
		{"in its place", "split_join.go", `var _ = f("mnesia", "set_master_nodes")`, 1, 0},
		{"out of its place", "a.go", `var _ = f("mnesia", "set_master_nodes")`, 1, 1},
		{"words for people", "a.go", "var _ = `never call mnesia:change_config(extra_db_nodes, X)`", 0, 0},
	} {
		sites, faults := shortcuts(t, c.file, "package a\n"+c.text+"\n")
		if sites != c.sites || len(faults) != c.faults {
			t.Errorf("%s: %d sites, faults %q; want %d and %d", c.name, sites, faults, c.sites, c.faults)
		}
	}
}
