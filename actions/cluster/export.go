package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// Export is a user's records of offline_msg in a file, to the byte: what is
// deleted can be put back exactly. The file has a head that people can read, an
// empty line, and a list of binaries in Erlang's external term format, each of
// which is term_to_binary of one record. So it can be read without irisops:
//
//	{ok, File} = file:read_file("M-20260301T031500-4f2a9c.export"),
//	[_Head, Body] = binary:split(File, <<"\n\n">>),
//	Records = [binary_to_term(B) || B <- binary_to_term(Body)].
type Export struct {
	ID      string    `json:"id"`
	Cluster string    `json:"cluster"`
	User    string    `json:"user"`
	Node    string    `json:"node"` // the core they were read on
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	For     string    `json:"for"` // "messages clear"
	Records int       `json:"records"`
	// Messages are more than records where a record holds a list of them.
	Messages int    `json:"messages"`
	Bytes    int    `json:"bytes"` // of the records
	Sum      string `json:"sha256"`

	records []record
}

// exportHead is the first line of the file.
const exportHead = "irisops export of offline messages, format 1"

// exportSuffix ends the names of the files.
const exportSuffix = ".export"

var exportID = regexp.MustCompile(`^M-[0-9]{8}T[0-9]{6}-[0-9a-f]{6}$`)

// newExportID names an export of those records: they and the second make it.
func newExportID(sum string, now time.Time) string {
	return "M-" + now.UTC().Format("20060102T150405") + "-" + sum[:6]
}

// record is one record of offline_msg.
type record struct {
	raw      []byte   // as the node's term_to_binary wrote it
	at       int64    // its time in ms; 0 if that is no integer
	bucket   int64    // -1 if that is no integer
	messages [][]byte // the messages in it, in their order
	odd      bool     // it holds something that is neither a message nor a list of them
}

// readRecord reads what can be said of a record. It is an error only if it is no
// record of offline_msg; what is odd in it is kept all the same.
func readRecord(raw []byte, user string) (record, error) {
	r := record{raw: raw, bucket: -1}
	t, rest, err := term.Decode(raw)
	if err != nil {
		return r, err
	}
	tuple, ok := t.(term.Tuple)
	if !ok || len(rest) > 0 || len(tuple) != 4 || tuple[0] != term.Atom("offline_msg") {
		return r, errors.New("it is no record of offline_msg")
	}
	key, ok := tuple[1].(term.Tuple)
	if !ok || len(key) != 2 || !term.Equal(key[0], []byte(user)) {
		return r, fmt.Errorf("it is not of the user %q", user)
	}
	if n, ok := term.AsInt(key[1]); ok {
		r.bucket = n
	}
	r.at, _ = term.AsInt(tuple[2])
	r.messages, r.odd = messagesIn(tuple[3])
	return r, nil
}

// messagesIn flattens what a record holds, as IRIS does when a user logs in.
func messagesIn(t term.Term) (messages [][]byte, odd bool) {
	switch t := t.(type) {
	case []byte:
		return [][]byte{t}, false
	case term.List:
		for _, e := range t {
			inner, innerOdd := messagesIn(e)
			messages, odd = append(messages, inner...), odd || innerOdd
		}
		return messages, odd
	}
	return nil, true
}

// sumOf binds records in their order.
func sumOf(records []record) string {
	sum := sha256.New()
	for _, r := range records {
		fmt.Fprintf(sum, "%d:", len(r.raw))
		sum.Write(r.raw)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// with counts the records.
func (e Export) with(records []record) Export {
	e.records, e.Records, e.Messages, e.Bytes, e.Sum = records, len(records), 0, 0, sumOf(records)
	for _, r := range records {
		e.Messages += len(r.messages)
		e.Bytes += len(r.raw)
	}
	return e
}

func (e Export) file() string { return e.ID + exportSuffix }

// encode writes the file. The checksum in its head is of everything else in it.
func (e Export) encode() ([]byte, error) {
	list := make(term.List, len(e.records))
	for i, r := range e.records {
		list[i] = r.raw
	}
	body, err := term.Append(nil, list)
	if err != nil {
		return nil, err
	}
	head := strings.Join([]string{
		exportHead,
		"id: " + e.ID,
		"cluster: " + strconv.Quote(e.Cluster),
		"user: " + strconv.Quote(e.User),
		"read on: " + strconv.Quote(e.Node),
		"at: " + e.At.UTC().Format(time.RFC3339),
		"by: " + strconv.Quote(e.By),
		"for: " + strconv.Quote(e.For),
		fmt.Sprintf("records: %d", e.Records),
		fmt.Sprintf("messages: %d", e.Messages),
		"sha256 of the records: " + e.Sum,
	}, "\n")
	return []byte(head + "\nsha256 of the file without this line: " + fileSum(head, body) + "\n\n" + string(body)), nil
}

func fileSum(head string, body []byte) string {
	sum := sha256.New()
	sum.Write([]byte(head + "\n\n"))
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil))
}

var errDamaged = errors.New("the checksum is wrong")

// decodeExport reads the file and tries both of its checksums.
func decodeExport(file []byte) (Export, error) {
	head, body, ok := bytes.Cut(file, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) != 12 || lines[0] != exportHead {
		return Export{}, errors.New("it is no export of this version of irisops")
	}
	values := map[string]string{}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		values[name] = value
	}
	if values["sha256 of the file without this line"] != fileSum(strings.Join(lines[:11], "\n"), body) {
		return Export{}, errDamaged
	}
	t, rest, err := term.Decode(body)
	list, isList := t.(term.List)
	if err != nil || !isList || len(rest) > 0 {
		return Export{}, errDamaged
	}
	e := Export{ID: values["id"], Cluster: values["cluster"], User: values["user"], Node: values["read on"], By: values["by"], For: values["for"]}
	if e.At, err = time.Parse(time.RFC3339, values["at"]); err != nil {
		return Export{}, errDamaged
	}
	records := make([]record, len(list))
	for i, item := range list {
		raw, ok := item.([]byte)
		if !ok {
			return Export{}, errDamaged
		}
		if records[i], err = readRecord(raw, e.User); err != nil {
			return Export{}, fmt.Errorf("record %d: %w", i+1, err)
		}
	}
	if e = e.with(records); e.Sum != values["sha256 of the records"] {
		return Export{}, errDamaged
	}
	return e, nil
}

// kept reads an export that irisops keeps.
func (c *Cluster) kept(id string) (Export, error) {
	if err := c.keeps(); err != nil {
		return Export{}, err
	}
	if !exportID.MatchString(id) {
		return Export{}, &actions.Error{Code: "bad-id", Text: fmt.Sprintf("%q is not the id of an export.", cut(id, 64)), Hint: "`messages exports` lists them; they look like M-20260301T031500-4f2a9c."}
	}
	file, err := c.opt.Exports.Read(id + exportSuffix)
	if err != nil {
		if actions.CodeOf(err) == "no-such-file" {
			return Export{}, &actions.Error{Code: "no-such-export", Text: "There is no export " + id + ".", Hint: "`messages exports` lists them.", Err: err}
		}
		return Export{}, err
	}
	e, err := decodeExport(file)
	if err == nil && e.ID != id {
		err = fmt.Errorf("it is export %s", cut(e.ID, 64))
	}
	if err != nil {
		return Export{}, &actions.Error{Code: "damaged", Err: err,
			Text: fmt.Sprintf("The export %s cannot be used: %v.", c.opt.Exports.Path(id+exportSuffix), err),
			Hint: "Nothing is put back from a file that is not as it was written. Is there a copy of it?"}
	}
	if e.Cluster != c.Name {
		return Export{}, &actions.Error{Code: "other-cluster", Text: fmt.Sprintf("The export %s is of the cluster %s, not of %s.", id, e.Cluster, c.Name),
			Hint: "Say it with `--cluster " + e.Cluster + "`."}
	}
	return e, nil
}

func (c *Cluster) keeps() error {
	if c.opt.Exports == nil {
		return actions.Errorf("no-folder", "irisops has no folder to keep exports in, and nothing is cleared without one.")
	}
	return nil
}
