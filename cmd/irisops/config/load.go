package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on the file. A config of 50 nodes has about 10 KiB and a nesting of 5;
// the time that the YAML parser takes grows with the square of both.
const (
	maxFile    = 128 << 10
	maxNesting = 16
)

// Load reads the config file and everything that it names on this machine. The
// error is Faults, all of them; the Config is then of no use. Odd things that
// are allowed are the Config's Warnings.
func Load(path string) (Config, error) {
	return load(path, machine{account: lookUpAccount, group: user.LookupGroup, self: strconv.Itoa(os.Geteuid()), agent: os.Getenv("SSH_AUTH_SOCK")})
}

func load(path string, m machine) (Config, error) {
	data, err := readFile(path, maxFile)
	if err != nil {
		return Config{}, Faults{{File: path, Text: capital(err.Error()) + "."}}
	}
	c, err := read(path, data, m)
	if info, statErr := os.Stat(path); err == nil && statErr == nil && info.Mode().Perm()&0o002 != 0 {
		c.warnings = append(Faults{{File: path, Text: "Everyone on this machine may write this file, and so choose what irisops runs. Take that away: chmod o-w " + path}}, c.warnings...)
	}
	return c, err
}

// read makes a Config of a file's text.
func read(path string, data []byte, m machine) (Config, error) {
	f := newFindings(path)
	var c Config
	if root := parse(data, f); root != nil {
		f.lines[""] = 1
		decoder{f}.decode(root, "", reflect.ValueOf(&c).Elem())
		if !f.bad[""] {
			check(&c, f, m)
		}
	}
	if err := f.err(); err != nil {
		return Config{}, err
	}
	c.warnings = f.warnings
	return c, nil
}

// parse gives the document's one node, or nil with a fault.
func parse(data []byte, f *findings) (root ast.Node) {
	defer func() {
		if p := recover(); p != nil { // a bug of the parser, met with a file that is no config anyway
			root = nil
			f.faults = append(f.faults, Fault{File: f.file, Text: "This is not YAML that can be read. Compare it with the example: docs/irisops.example.yaml."})
		}
	}()
	fault := func(line int, format string, args ...any) ast.Node {
		f.faults = append(f.faults, Fault{File: f.file, Line: line, Text: fmt.Sprintf(format, args...)})
		return nil
	}
	if line, ok := notText(data); ok {
		return fault(line, "This line is not text in UTF-8. Save the file as UTF-8.")
	}
	tokens := lexer.Tokenize(string(data))
	if line, ok := tooDeep(tokens); ok {
		return fault(line, "Lists and keys are nested more than %d deep here. No config needs that: look for a bracket that is not closed.", maxNesting)
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, message := syntaxError(err)
		return fault(line, "This is not YAML from here on: %s. Look here and on the line above for a missing colon, quote, bracket or space.", message)
	}
	var docs []*ast.DocumentNode
	for _, d := range file.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	switch {
	case len(docs) == 0:
		return fault(0, "The file is empty. Begin with the example: docs/irisops.example.yaml.")
	case len(docs) > 1:
		return fault(lineOf(docs[1].Body), "A second document begins here (---), and only one is read. Make it one.")
	}
	return docs[0].Body
}

// syntaxError is where the parser stopped and why. Its own text would show the
// lines around, and what stands in them is not for showing.
func syntaxError(err error) (line int, message string) {
	var e yaml.Error
	if !errors.As(err, &e) {
		return 0, "it cannot be read"
	}
	if t := e.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return line, plain(strings.ReplaceAll(e.GetMessage(), "character '\t'", "a tab"))
}

// notText finds the first line that is not UTF-8 or has control characters.
func notText(data []byte) (line int, found bool) {
	line = 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return line, true
		case r == '\n':
			line++
		}
		data = data[size:]
	}
	return 0, false
}

// tooDeep bounds the brackets that are open at once, and the list entries and
// complex keys that begin on one line.
func tooDeep(tokens token.Tokens) (line int, found bool) {
	open, onLine, here := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != here {
			here, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open = max(open-1, 0)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			onLine++
		}
		if open > maxNesting || onLine > maxNesting {
			return here, true
		}
	}
	return 0, false
}

// readFile reads a regular file of at most most bytes. Anything else is not even
// opened, because opening a pipe waits and opening a device does something. The
// error says why, for the end of a sentence.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, unreadable(err)
	case info.IsDir():
		return nil, errors.New("this is a folder; name the file in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("this is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("this has more than %d bytes, so it cannot be the right file", most)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

var errAbsent = errors.New("there is no such file")

// unreadable says why a file cannot be read, without repeating its name.
func unreadable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errAbsent
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this account (number %d) may not read it", os.Geteuid())
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("it cannot be read: %w", err)
}

func lookUpAccount(name string) (*user.User, error) {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return user.LookupId(name)
	}
	return user.Lookup(name)
}
