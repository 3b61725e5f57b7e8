package lab

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"irisops/actions"
)

//go:embed erlang
var embedded embed.FS

var (
	makefileTemplate = parse("Makefile.tmpl")
	testConfig       = parse("test.config.tmpl")
)

func parse(name string) *template.Template {
	return template.Must(template.ParseFS(embedded, "erlang/"+name))
}

// canonical is a folder's absolute path without symbolic links: what the kernel
// reports as the working folder of processes that run there.
func canonical(dir string) (string, error) {
	if dir == "" {
		return "", actions.Errorf(CodeBadOption, "Say which folder the lab lives in.")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("the lab's folder: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, nil
	}
	if err != nil {
		return "", fmt.Errorf("the lab's folder: %w", err)
	}
	return real, nil
}

// makeFolder makes a lab's folder, or accepts one that holds a lab. One that
// holds anything else is not touched: it might be a real IRIS.
func makeFolder(dir string) (string, error) {
	dir, err := canonical(dir)
	if err != nil {
		return "", err
	}
	// make and the shell would take these apart; a socket's path ends at 107 bytes.
	if strings.ContainsAny(dir, " \t\n#$%:;=\\'\"`*?[]~&|<>(){}!") {
		return "", actions.Errorf(CodeBadOption, "The lab's folder %q has characters that make cannot work with; choose a plainer path.", dir)
	}
	if len(socketPath(dir)) > 107 {
		return "", actions.Errorf(CodeBadOption, "The lab's folder %q is too deep: the path of a socket in it must not be longer than 107 bytes.", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the lab's folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("the lab's folder: %w", err)
	}
	holds := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	if len(entries) > 0 && !holds(stateFile) && !holds(lockFile) {
		return "", &actions.Error{Code: CodeFolderInUse,
			Text: fmt.Sprintf("%s is not empty and holds no lab, so it is left alone.", dir),
			Hint: "Choose a new folder."}
	}
	return dir, nil
}

// unpack writes the lab's files. One that is there already and the same keeps
// its time, so that nothing is recompiled needlessly.
func (l *Lab) unpack() error {
	files := map[string][]byte{}
	err := fs.WalkDir(embedded, "erlang", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".tmpl" {
			return err
		}
		files[strings.TrimPrefix(path, "erlang/")], err = embedded.ReadFile(path)
		return err
	})
	if err != nil {
		return err
	}
	if files["Makefile"], err = l.render(makefileTemplate); err != nil {
		return err
	}
	if files["config/test.config"], err = l.render(testConfig); err != nil {
		return err
	}
	for name, content := range files {
		if err := writeFile(filepath.Join(l.state.Dir, name), content, 0o644); err != nil {
			return err
		}
	}
	if err := writeFile(l.CookieFile(), []byte(Cookie+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.state.Dir, "bot"), 0o700); err != nil {
		return err
	}
	config, err := l.config()
	if err != nil {
		return err
	}
	return writeFile(l.ConfigFile(), config, 0o600)
}

type makeNode struct {
	Short, Alive string // as IRIS calls it
	Port         int
	Seed         bool   // joins the first core, and keeps a write-ahead log of its own
	Core         string // which core an edge goes to first, without suffix; "" where there is one only
}

func (l *Lab) render(t *template.Template) ([]byte, error) {
	s := l.state
	data := struct {
		state
		At           string // "@localhost" where -sname alone would say something else
		AddressTuple string
		Cores, Edges []makeNode
	}{state: s, AddressTuple: "{" + strings.ReplaceAll(s.Address, ".", ",") + "}"}
	if s.Host == "localhost" {
		data.At = "@localhost"
	}
	for _, n := range s.possible() {
		m := makeNode{Short: n.own(), Alive: "iris_" + n.own(), Port: n.Port, Seed: n.Role == Core && n.own() != string(Core)}
		if n.Role == Edge && s.Cores > 1 {
			m.Core = "iris_" + s.coreOf(n).own()
		}
		if n.Role == Core {
			data.Cores = append(data.Cores, m)
		} else {
			data.Edges = append(data.Edges, m)
		}
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("writing the lab's files: %w", err)
	}
	return out.Bytes(), nil
}

// writeFile replaces a file as a whole, and leaves one alone that is the same.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return os.Chmod(path, mode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing the lab's files: %w", err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, content, mode); err != nil {
		return fmt.Errorf("writing the lab's files: %w", err)
	}
	if err := os.Chmod(tmp, mode); err != nil { // whatever the umask says
		return fmt.Errorf("writing the lab's files: %w", err)
	}
	return os.Rename(tmp, path)
}
