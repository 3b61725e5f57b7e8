package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Words by which a licence is known; the first that fits counts.
var licences = []struct{ words, name string }{
	{"Mozilla Public License Version 2.0", "MPL-2.0"},
	{"The FreeType License", "FTL"}, // chosen among two
	{"Apache License Version 2.0", "Apache-2.0"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"Neither the name", "BSD-3-Clause"},
	{"Redistribution and use in source and binary forms", "BSD-2-Clause"},
}

// mayShip are the licences of what may be in the program: permissive ones.
var mayShip = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "FTL", "MIT"}

// TestLicences compares docs/licences.md with what irisops is made of.
func TestLicences(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	shipped, all := modules(t, root, "./cmd/irisops"), modules(t, root, "-test", "-tags=secondopinion", "./...")
	var table strings.Builder
	table.WriteString("| module | licence | in |\n| --- | --- | --- |\n")
	for _, m := range all {
		path, dir, _ := strings.Cut(m, " ")
		licence, in := licenceOf(t, dir), "tests and benchmarks only"
		if slices.Contains(shipped, m) {
			in = "the program"
			if !slices.Contains(mayShip, licence) {
				t.Errorf("%s is %s, which may not be in the program", path, licence)
			}
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", path, licence, in)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/licences.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, listed, ok := strings.Cut(string(page), "<!-- the modules -->\n")
	if !ok {
		t.Fatal("docs/licences.md has no list of the modules")
	}
	if listed != table.String() {
		t.Errorf("docs/licences.md has to end with\n%s", table.String())
	}
}

// modules are the modules that the packages import, each with its folder.
func modules(t *testing.T, root string, args ...string) []string {
	t.Helper()
	args = append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}"}, args...)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(out), " ", "\x00"))
	slices.Sort(lines)
	lines = slices.Compact(lines)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "\x00", " ")
	}
	return lines
}

func licenceOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.ToLower(e.Name()); e.IsDir() || !strings.HasPrefix(name, "licen") && name != "copying" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Join(strings.Fields(string(text)), " ")
		for _, l := range licences {
			if strings.Contains(plain, l.words) {
				return l.name
			}
		}
	}
	t.Errorf("%s: no licence that is known", dir)
	return "unknown"
}
