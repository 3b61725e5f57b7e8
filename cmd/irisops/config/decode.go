package config

import (
	"encoding"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from YAML nodes. It goes on after a fault, so that
// all of them are found in one reading.
type decoder struct{ *findings }

// place names where the keys of a struct stand, for sentences.
var place = map[reflect.Type]string{
	reflect.TypeFor[Config]():  "at the top of the file",
	reflect.TypeFor[Board]():   "under board",
	reflect.TypeFor[Socket]():  "under socket",
	reflect.TypeFor[Slack]():   "under slack",
	reflect.TypeFor[Person]():  "in an entry under people",
	reflect.TypeFor[Policy]():  "in a policy",
	reflect.TypeFor[Step]():    "in a step of a policy",
	reflect.TypeFor[Cluster](): "in a cluster",
	reflect.TypeFor[TLS]():     "under tls",
	reflect.TypeFor[Node]():    "in a node",
	reflect.TypeFor[Host]():    "in a host",
	reflect.TypeFor[Smoke]():   "under smoke",
	reflect.TypeFor[Checks]():  "under checks",
	reflect.TypeFor[Backup]():  "under backup",

	reflect.TypeFor[Schedules](): "under schedules",
	reflect.TypeFor[Schedule]():  "in a schedule",
	reflect.TypeFor[Watch]():     "under watch",
	reflect.TypeFor[Drill]():     "under drill",

	reflect.TypeFor[Mail]():      "under mail",
	reflect.TypeFor[PagerDuty](): "under pagerduty",
	reflect.TypeFor[Webhook]():   "in a webhook",
	reflect.TypeFor[Heartbeat](): "under heartbeat",
	reflect.TypeFor[Alerts]():    "under alerts",
	reflect.TypeFor[Shift]():     "in a shift",

	reflect.TypeFor[Repeat]():   "under repeat",
	reflect.TypeFor[Business](): "under business",
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	targetsType  = reflect.TypeFor[Targets]()
)

func (d decoder) decode(node ast.Node, path string, into reflect.Value) {
	if !d.given(path) {
		d.lines[path] = lineOf(node)
	}
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.fault(path, "Anchors (&) and aliases (*) are not read here. Write the value out.")
		return
	case *ast.TagNode:
		d.fault(path, "Tags (!) are not read here. Write the plain value; quote it if it has to be text.")
		return
	case *ast.NullNode, nil:
		d.fault(path, "%s has no value. Give it one, or remove the key.", last(path))
		return
	case *ast.LiteralNode:
		node = n.Value
	}
	switch {
	case reflect.PointerTo(into.Type()).Implements(textType), into.Type() == durationType:
		d.scalar(node, path, into)
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.decode(node, path, into.Elem())
	case into.Kind() == reflect.Struct:
		d.structure(node, path, into)
	case into.Kind() == reflect.Map:
		d.mapping(node, path, into)
	case into.Kind() == reflect.Slice:
		d.list(node, path, into)
	default:
		d.scalar(node, path, into)
	}
}

func (d decoder) structure(node ast.Node, path string, into reflect.Value) {
	fields := map[string]reflect.Value{}
	var known []string
	for key, field := range keysOf(into) {
		fields[key] = field
		known = append(known, key)
	}
	d.entries(node, path, func(key string, line int, value ast.Node) {
		field, ok := fields[key]
		if !ok {
			d.unknown(path, key, line, known, place[into.Type()])
			return
		}
		d.decode(value, join(path, key), field)
	})
}

// keysOf are the keys of a struct with their fields. A tag that ends in * is the
// beginning of the keys of the struct below it.
func keysOf(of reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for i := range of.NumField() {
			key := of.Type().Field(i).Tag.Get("yaml")
			begin, several := strings.CutSuffix(key, "*")
			if several {
				for end, field := range keysOf(of.Field(i)) {
					if !yield(begin+end, field) {
						return
					}
				}
			} else if key != "" && key != "-" && !yield(key, of.Field(i)) {
				return
			}
		}
	}
}

func (d decoder) unknown(path, key string, line int, known []string, where string) {
	at := join(path, key)
	d.lines[at] = line
	meant := nearest(key, known)
	if meant != "" { // then it is not missing as well
		d.lines[join(path, meant)], d.bad[join(path, meant)] = line, true
	}
	switch {
	case meant != "":
		d.fault(at, "There is no key %s %s. Did you mean %s?", quote(key), where, meant)
	case secretKey(key):
		d.fault(at, "%s looks like a secret, and secrets never stand in this file. %s", quote(key), wayOfSecrets)
	default:
		d.fault(at, "There is no key %s %s. Known there: %s.", quote(key), where, strings.Join(known, ", "))
	}
}

func (d decoder) mapping(node ast.Node, path string, into reflect.Value) {
	into.Set(reflect.MakeMap(into.Type()))
	d.entries(node, path, func(key string, _ int, value ast.Node) {
		element := reflect.New(into.Type().Elem()).Elem()
		d.decode(value, join(path, key), element)
		into.SetMapIndex(reflect.ValueOf(key).Convert(into.Type().Key()), element)
	})
}

// entries calls each for every key of a mapping. Keys given twice, and what is
// no mapping, are faults.
func (d decoder) entries(node ast.Node, path string, each func(key string, line int, value ast.Node)) {
	m, ok := node.(ast.MapNode)
	if !ok {
		d.fault(path, "%s has to be keys with values, like {key: value}; it is %s.", last(path), kind(node))
		return
	}
	seen := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		line := lineOf(it.Key())
		if _, plain := it.Key().(ast.ScalarNode); !plain || it.Key().IsMergeKey() {
			d.faults = append(d.faults, Fault{File: d.file, Line: line, Text: "Only plain keys are read here, no merge keys (<<) and no complex ones. Write the keys out."})
			continue
		}
		key := it.Key().GetToken().Value
		if first, twice := seen[key]; twice {
			d.faults = append(d.faults, Fault{File: d.file, Line: line, Text: fmt.Sprintf("%s stands here twice, first on line %d. Keep one of them.", quote(key), first)})
			continue
		}
		seen[key] = line
		d.lines[join(path, key)] = line
		each(key, line, it.Value())
	}
}

func (d decoder) list(node ast.Node, path string, into reflect.Value) {
	if _, one := node.(ast.ScalarNode); one && into.Type() == targetsType { // one stands for a list of one
		into.Set(reflect.MakeSlice(into.Type(), 1, 1))
		d.decode(node, path+"[0]", into.Index(0))
		return
	}
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fault(path, "%s has to be a list, like [a, b] or lines that begin with \"- \"; it is %s.", last(path), kind(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(seq.Values), len(seq.Values)))
	for i, value := range seq.Values {
		d.decode(value, fmt.Sprintf("%s[%d]", path, i), into.Index(i))
	}
}

func (d decoder) scalar(node ast.Node, path string, into reflect.Value) {
	s, ok := node.(ast.ScalarNode)
	if !ok {
		d.fault(path, "%s has to be one value; it is %s.", last(path), kind(node))
		return
	}
	text := s.GetToken().Value
	if secretValue(text) {
		d.fault(path, "The value of %s looks like a secret, and secrets never stand in this file. %s", last(path), wayOfSecrets)
		return
	}
	if err := set(into, text); err != nil {
		d.fault(path, "%s: %v.", last(path), err)
	}
}

func set(into reflect.Value, text string) error {
	if into.Type() == durationType {
		v, err := parseDuration(text)
		into.SetInt(int64(v))
		return err
	}
	if u, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", quote(text))
		}
		into.SetInt(int64(n))
	case reflect.Bool:
		switch text {
		case "true", "false":
			into.SetBool(text == "true")
		default:
			return fmt.Errorf("%s is not true or false", quote(text))
		}
	default:
		panic(fmt.Sprintf("config: no way to read a %s", into.Type()))
	}
	return nil
}

// wayOfSecrets is the way out for a secret in the file.
const wayOfSecrets = "Slack's tokens come from the environment (SLACK_APP_TOKEN, SLACK_BOT_TOKEN, SLACK_SIGNING_SECRET), a cluster's cookie from the file that cookie_file names. Take it out, and change it: whoever could read this file has it."

var (
	secretWords  = regexp.MustCompile(`(?i)(token|passw|secret|cookie|credential|private_?key|api_?key)`)
	secretValues = regexp.MustCompile(`(xox[a-z]-|xapp-|-----BEGIN )`)
)

func secretKey(key string) bool    { return secretWords.MatchString(key) }
func secretValue(text string) bool { return secretValues.MatchString(text) }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// last is what a sentence calls the value at a path: its key, or "an entry of
// its list".
func last(path string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	if name, _, entry := strings.Cut(key, "["); entry {
		return "An entry of " + name
	}
	if key == "" {
		return "The file"
	}
	return plain(key)
}

func lineOf(node ast.Node) int {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 0
	}
	return node.GetToken().Position.Line
}

func kind(node ast.Node) string {
	switch node.(type) {
	case ast.MapNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case ast.ScalarNode:
		return "one value"
	}
	return "something else"
}
