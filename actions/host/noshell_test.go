package host

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayStartPrograms are the folders whose code starts other programs: this one
// (make), the lab (erlc, make, epmd) and the program itself (the lab's start).
var mayStartPrograms = []string{"actions/host", "actions/lab", "cmd/bench", "cmd/irisops"}

// starters are the functions that start a program, by package.
var starters = map[string][]string{
	"os":                       {"StartProcess"},
	"syscall":                  {"Exec", "ForkExec", "StartProcess"},
	"golang.org/x/sys/unix":    {"Exec"},
	"os/exec":                  nil, // all of it
	"golang.org/x/sys/execabs": nil,
}

var shells = []string{"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "env", "xargs", "eval"}

// noErlang is what no source that is evaluated on a node may hold: what runs a
// program there, or makes an atom of something that was given.
var noErlang = []string{"os:cmd", "open_port", "list_to_atom", "binary_to_atom", "list_to_existing_atom", "erl_eval:expr(", "binary_to_term(B)"}

// There is no shell of ours: programs are started in three places only, and
// none of them is a shell or something that runs one for us; nor is there one on
// a node.
func TestNoShellAnywhere(t *testing.T) {
	root := moduleRoot(t)
	files := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata" || d.Name() == "build") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		files++
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, fault := range shellFaults(t, filepath.ToSlash(name), text) {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files found: is %s the module?", files, root)
	}
}

// shellFaults says what is wrong with one file. Tests may start programs
// wherever they stand, but no shell either.
func shellFaults(t *testing.T, name string, text []byte) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string]string{} // by the name it has in the file
	for _, spec := range file.Imports {
		what, _ := strconv.Unquote(spec.Path.Value)
		as := path.Base(what)
		if spec.Name != nil {
			as = spec.Name.Name
		}
		imports[as] = what
	}
	test := strings.HasSuffix(name, "_test.go")
	allowed := test || slices.ContainsFunc(mayStartPrograms, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
	// starter says whether an expression names a function that starts a program.
	starter := func(e ast.Expr) bool {
		function, ok := e.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := function.X.(*ast.Ident)
		return ok && starts(imports[pkg.Name], function.Sel.Name)
	}
	var faults []string
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			if !allowed && starter(node) {
				faults = append(faults, set.Position(node.Pos()).String()+": only "+strings.Join(mayStartPrograms, ", ")+" may start programs")
			}
		case *ast.BasicLit:
			if test || node.Kind != token.STRING {
				return true
			}
			for _, word := range noErlang {
				if strings.Contains(node.Value, word) {
					faults = append(faults, set.Position(node.Pos()).String()+": "+word+" has no place on a node")
				}
			}
		case *ast.CallExpr:
			if starter(node.Fun) && slices.ContainsFunc(node.Args, isShell) {
				faults = append(faults, set.Position(node.Pos()).String()+": no shell, and nothing that runs one")
			}
		}
		return true
	})
	return faults
}

func starts(pkg, function string) bool {
	functions, ok := starters[pkg]
	return ok && (functions == nil || slices.Contains(functions, function))
}

func isShell(arg ast.Expr) bool {
	literal, ok := arg.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return false
	}
	value, err := strconv.Unquote(literal.Value)
	return err == nil && slices.Contains(shells, path.Base(value))
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above this package")
	return ""
}

// The check itself is checked: it finds what it is there for.
func TestNoShellFindsFaults(t *testing.T) {
	tests := []struct {
		name, file, text string
		faults           int
	}{
		{"make in host", "actions/host/a.go", `import "os/exec"; var _ = exec.Command("make", "-n")`, 0},
		{"make elsewhere", "bot/a.go", `import "os/exec"; var _ = exec.Command("make", "-n")`, 1},
		{"make in a test", "bot/a_test.go", `import "os/exec"; var _ = exec.Command("make", "-n")`, 0},
		{"a shell in host", "actions/host/a.go", `import "os/exec"; var _ = exec.Command("sh", "-c", "x")`, 1},
		{"a shell by path", "actions/lab/a.go", `import "os/exec"; var _ = exec.CommandContext(nil, "/bin/bash")`, 1},
		{"a shell by its way", "actions/lab/a.go", `import "os/exec"; var _ = exec.Command("/usr/bin/env", "make")`, 1},
		{"a shell in a test", "bot/a_test.go", `import "os/exec"; var _ = exec.Command("sh")`, 1},
		{"under another name", "bot/a.go", `import run "os/exec"; var _ = run.Command("x")`, 1},
		{"the raw call", "bot/a.go", `import "syscall"; var _ = syscall.ForkExec`, 1},
		{"another raw call", "bot/a.go", `import "os"; var _, _ = os.StartProcess("x", nil, nil)`, 1},
		{"a shell on a node", "actions/cluster/a.go", "const e = `fun() -> os:cmd(X) end().`", 1},
		{"an atom of something given", "actions/cluster/a.go", "const e = `binary_to_atom(User)`", 1},
		{"a term that makes atoms", "actions/cluster/a.go", "const e = `[binary_to_term(B) || B <- L]`", 1},
		{"a term that makes none", "actions/cluster/a.go", "const e = `[binary_to_term(B, [safe]) || B <- L]`", 0},
		{"such words in a test", "actions/cluster/a_test.go", "const e = `os:cmd`", 0},
		{"the word alone", "bot/a.go", `import "fmt"; var _ = fmt.Sprint("sh", "bash")`, 0},
		{"a like name", "actions/hostile/a.go", `import "os/exec"; var _ = exec.Command("x")`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if faults := shellFaults(t, tt.file, []byte("package a\n"+tt.text+"\n")); len(faults) != tt.faults {
				t.Errorf("%d faults: %q", len(faults), faults)
			}
		})
	}
}
