package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What each package is, and so what it may import. A package that is missing
// here fails the test: decide what it is first.
//
//	pure     the standard library and pure packages only
//	domain   pure and domain packages; never an adapter
//	adapter  domain and pure packages and libraries; never another adapter
//	fake     anything; imported by tests only
//	cmd      everything
//	tests    everything; it has nothing but tests
var houses = map[string]string{
	"actions":             "pure",
	"actions/approval":    "pure",
	"actions/backup":      "pure",
	"actions/erlang/term": "pure",
	"bot/access":          "pure",
	"bot/audit":           "pure",
	"bot/change":          "pure",
	"bot/slack/outbox":    "pure",
	"bot/command":         "pure",
	"bot/inbox":           "pure",
	"bot/intake":          "pure",
	"bot/incident":        "pure",
	"bot/message":         "pure",
	"bot/stats":           "pure",
	"bot/oncall":          "pure",

	"actions/cluster": "domain",
	"actions/drill":   "domain",
	"actions/runbook": "domain",
	"bot":             "domain",
	"bot/chart":       "domain",
	"bot/escalation":  "domain",
	"bot/postmortem":  "domain",
	"bot/pager":       "domain",
	"bot/pager/link":  "domain",
	"bot/pager/post":  "domain",
	"bot/schedule":    "domain",
	"bot/watch":       "domain",

	"actions/edge":        "adapter",
	"actions/erlang":      "adapter",
	"actions/erlang/epmd": "adapter",
	"actions/host":        "adapter",
	"actions/keep":        "adapter",
	"actions/lab":         "adapter",
	"bot/console":         "adapter",
	"bot/pager/mail":      "adapter",
	"bot/pager/pagerduty": "adapter",
	"bot/pager/webhook":   "adapter",
	"bot/slack":           "adapter",
	"bot/web":             "adapter",
	"bot/web/board":       "adapter",
	"bot/web/metrics":     "adapter",
	"store":               "adapter",

	"actions/lab/labtest": "fake",
	"bot/pager/pagertest": "fake",
	"bot/slack/slacktest": "fake",

	"cmd/bench":          "cmd",
	"cmd/irisops":        "cmd",
	"cmd/irisops/config": "cmd",

	"cmd/irisops/soak": "tests",
}

// mayUse says which kinds a kind may import from this module.
var mayUse = map[string][]string{
	"pure":    {"pure"},
	"domain":  {"pure", "domain"},
	"adapter": {"pure", "domain"},
	"fake":    {"pure", "domain", "adapter", "fake"},
	"cmd":     {"pure", "domain", "adapter", "cmd"},
}

// exceptions are single imports beyond the rule, each with its reason.
var exceptions = map[[2]string]string{
	{"bot/change", "actions/runbook"}:         "a run is an aggregate that one transaction commits",
	{"bot/change", "bot/pager"}:               "so is a page",
	{"bot/oncall", "bot/pager"}:               "a call becomes pages",
	{"actions/erlang", "actions/erlang/epmd"}: "epmd's protocol is one thing that two adapters need",
	{"actions/host", "actions/erlang/epmd"}:   "the same",
	{"actions/lab", "actions/erlang"}:         "a lab is parted from inside its own nodes, and the link is how to ask them",
}

// libraries are what a pure package may import beside the standard library, each
// with its reason.
var libraries = map[[2]string]string{
	{"bot/oncall", "github.com/rickar/cal/v2"}: "business days and public holidays are tables that others keep better",
}

// onlyHere are libraries with one importer each.
var onlyHere = map[string]string{
	"go.etcd.io/bbolt":              "store",
	"github.com/ergo-services/ergo": "actions/erlang",
	"github.com/slack-go/slack":     "bot/slack",
	"github.com/wneessen/go-mail":   "bot/pager/mail",
	"golang.org/x/crypto":           "actions/host",
	"github.com/robfig/cron":        "bot/schedule",
}

const module = "irisops"

func TestImportDirections(t *testing.T) {
	root := filepath.Join("..", "..")
	imports := map[string]map[string]bool{}
	tested := map[string]bool{} // has tests
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, file)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if base := d.Name(); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "build" || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(rel, "_test.go") {
			tested[path.Dir(rel)] = true
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(rel)
		if imports[pkg] == nil {
			imports[pkg] = map[string]bool{}
		}
		for _, i := range parsed.Imports {
			imports[pkg][strings.Trim(i.Path.Value, `"`)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, imported := range imports {
		kind, known := houses[pkg]
		if !known {
			t.Errorf("package %s is not in the list: decide what it is", pkg)
			continue
		}
		for imp := range imported {
			check(t, pkg, kind, imp)
		}
	}
	for pkg := range tested {
		if imports[pkg] == nil && houses[pkg] != "tests" {
			t.Errorf("package %s has nothing but tests and is not in the list as that", pkg)
		}
	}
	for pkg, kind := range houses {
		switch {
		case kind == "tests" && (imports[pkg] != nil || !tested[pkg]):
			t.Errorf("package %s is in the list as one of tests only, and is none", pkg)
		case kind != "tests" && imports[pkg] == nil:
			t.Errorf("package %s is in the list and does not exist", pkg)
		}
	}
}

// TestImportTree: the tree of packages in the README names those that there are;
// what is inside one of its lines (a back end, a fake) need not stand there.
func TestImportTree(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tree, _ := strings.Cut(string(text), "## How it is built")
	_, tree, _ = strings.Cut(tree, "```\n")
	tree, _, _ = strings.Cut(tree, "```")
	named := map[string]bool{}
	var above string
	for line := range strings.Lines(tree) {
		inside := strings.HasPrefix(line, " ")
		for _, word := range strings.Fields(line) {
			name, folder := strings.CutSuffix(word, "/")
			if !folder {
				break // what it is, in words
			}
			if inside {
				name = above + "/" + name
			} else {
				above = name
			}
			named[name] = true
			if houses[name] == "" {
				t.Errorf("the tree names %s, which is no package", name)
			}
		}
	}
	for pkg := range houses {
		if parts := strings.Split(pkg, "/"); len(parts) < 3 && !named[pkg] {
			t.Errorf("the tree does not name %s", pkg)
		}
	}
}

func permitted(pkg, imp string) bool {
	for pair := range libraries {
		if pair[0] == pkg && (imp == pair[1] || strings.HasPrefix(imp, pair[1]+"/")) {
			return true
		}
	}
	return false
}

func check(t *testing.T, pkg, kind, imp string) {
	for lib, owner := range onlyHere {
		if (imp == lib || strings.HasPrefix(imp, lib+"/")) && pkg != owner {
			t.Errorf("%s imports %s: only %s may", pkg, imp, owner)
		}
	}
	inside, ok := strings.CutPrefix(imp, module+"/")
	if !ok {
		library := strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
		if kind == "pure" && library && !permitted(pkg, imp) {
			t.Errorf("%s is pure and imports the library %s", pkg, imp)
		}
		return
	}
	if exceptions[[2]string{pkg, inside}] != "" {
		return
	}
	if strings.HasPrefix(pkg, "actions") && strings.HasPrefix(inside, "bot") {
		t.Errorf("%s imports %s: actions know nothing of the bot", pkg, inside)
	}
	if !slices.Contains(mayUse[kind], houses[inside]) {
		t.Errorf("%s (%s) imports %s (%s)", pkg, kind, inside, houses[inside])
	}
}
