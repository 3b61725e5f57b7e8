package bot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/audit"
	"irisops/bot/command"
	"irisops/bot/message"
)

// Files is a folder of irisops's own, which only it may read.
type Files interface {
	Write(name string, content []byte) error
	Path(name string) string
}

const auditLong = "Every command that changes something has an entry before it is carried out and one when it has been; so has every refusal of one, and every request, confirmation, approval, denial and run. " +
	"Entries are only ever appended, each with the hash of the one before, so that nobody can change one in silence. `audit head` says the newest hash; it is posted to the channel every day, and `audit verify HASH` tells whether everything up to there is as it was then."

// mostShown bounds the entries in one answer.
const mostShown = 200

var auditWords = []word{
	{command.Spec{Words: "audit", Class: actions.See, Group: looks, Summary: "who did what, and what became of it", Long: auditLong, Example: "audit --since 2h",
		Params: []actions.Param{{Name: "since", Kind: actions.Duration, Flag: true, Doc: "how far back; 24h if left out", Example: "2h"}}}, showAudit},
	{command.Spec{Words: "audit verify", Class: actions.See, Group: looks, Summary: "whether the audit is as it was written, or as it was when a hash was posted", Long: auditLong, Example: "audit verify",
		Params: []actions.Param{{Name: "hash", Kind: actions.Word, Optional: true, Doc: "a hash that was posted, 12 characters of it or more", Example: "4f2a9c01d7e3"}}}, verifyAudit},
	{command.Spec{Words: "audit export", Class: actions.See, Group: looks, Summary: "write the whole audit to a file in the data folder, a line of JSON each entry", Long: auditLong, Example: "audit export"}, exportAudit},
	{command.Spec{Words: "audit head", Class: actions.See, Group: looks, Summary: "the newest entry's hash, for the channel to remember", Long: auditLong, Example: "audit head"}, headOfAudit},
}

func showAudit(c *call) error {
	since := 24 * time.Hour
	if given := c.args["since"]; given != "" {
		d, err := time.ParseDuration(given)
		if err != nil {
			return err
		}
		since = d
	}
	var shown []audit.Entry
	all := 0
	err := c.Store.Trail(1, func(e audit.Entry) error {
		if e.At.Before(c.now.Add(-since)) {
			return nil
		}
		all++
		if shown = append(shown, e); len(shown) > mostShown {
			shown = shown[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	m := message.Message{Title: fmt.Sprintf("%s of the audit in the last %s.", entries(all), spoken(since)), Data: shown}
	if all > len(shown) {
		m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("Shown are the last %d; `audit export` writes all of them.", len(shown))})
	}
	var rows [][]string
	for _, e := range shown {
		rows = append(rows, []string{fmt.Sprint(e.Number), c.clock(e.At, c.now), firstOf(e.By, e.Caller), string(e.Kind), told(e)})
	}
	if len(rows) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"", "At (" + c.now.In(c.Zone).Format("MST") + ")", "By", "", "What"}, Rows: rows}})
	}
	m.Buttons = []message.Button{{Label: "Verify Audit", Words: "audit verify"}}
	c.reply(m)
	return nil
}

// hashShape is a whole hash: `audit export` has it.
var hashShape = regexp.MustCompile(`^[0-9a-f]{64}$`)

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// told is an entry's command with its parameters, and its text. What becomes of
// a request leaves out the parameters that it was asked for with.
func told(e audit.Entry) string {
	words := []string{e.Command}
	if e.Request == "" || e.Kind == audit.Request {
		for _, name := range slices.Sorted(maps.Keys(e.Args)) {
			value := e.Args[name]
			if hashShape.MatchString(value) {
				value = value[:12] + "..."
			}
			words = append(words, name+"="+value)
		}
	}
	if e.Request != "" {
		words = append([]string{e.Request}, words...)
	}
	what := strings.Join(words, " ")
	if e.Text != "" {
		what += ": " + e.Text
	}
	return what
}

// walkAudit tries the whole chain. broken is what is wrong with it.
func (c *call) walkAudit(visit func(audit.Entry) error) (chain audit.Chain, broken error, err error) {
	stop := errors.New("stop")
	err = c.Store.Trail(1, func(e audit.Entry) error {
		if broken = chain.Next(e); broken != nil {
			return stop
		}
		return visit(e)
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return chain, broken, err
}

func verifyAudit(c *call) error {
	hash := strings.ToLower(c.args["hash"])
	if hash != "" && (len(hash) < 12 || len(hash) > 64 || strings.Trim(hash, "0123456789abcdef") != "") {
		return &usageError{&actions.Error{Code: "bad-value", Text: "That is no hash of an entry.", Hint: "It is 12 to 64 digits and letters a to f, as `audit head` says it."}}
	}
	var posted *audit.Entry
	chain, broken, err := c.walkAudit(func(e audit.Entry) error {
		if hash != "" && strings.HasPrefix(e.Hash, hash) {
			posted = &e
		}
		return nil
	})
	if err != nil {
		return err
	}
	m := message.Message{Level: message.OK, Title: fmt.Sprintf("The audit is whole: %s, each follows on the one before.", entries(int(chain.Count)))}
	switch {
	case broken != nil:
		c.out.fail(ExitRefused)
		m = message.Message{Level: message.Critical, Title: fmt.Sprintf("The audit was touched: %v.", broken),
			Blocks: []message.Block{{Text: fmt.Sprintf("The %s before that are whole. Keep the database as it is, and ask the owner.", entries(int(chain.Count)))}}}
	case hash != "" && posted == nil:
		c.out.fail(ExitRefused)
		m.Level, m.Title = message.Critical, fmt.Sprintf("No entry has the hash %s: if it was posted here, the audit was written anew since.", hash)
		m.Blocks = []message.Block{{Text: fmt.Sprintf("What is there is whole in itself: %s.", entries(int(chain.Count)))}}
	case posted != nil:
		m.Title = fmt.Sprintf("Up to entry %d of %s UTC the audit is as it was when %s was posted; the %s since then follow on it.",
			posted.Number, posted.At.Format("2006-01-02 15:04:05"), hash, entries(int(chain.Count-posted.Number)))
	}
	if chain.Count > 0 {
		m.Blocks = append(m.Blocks, message.Block{Fields: []message.Field{{Name: "Newest entry", Value: fmt.Sprintf("%d, %s", chain.Last.Number, c.clock(chain.Last.At, c.now))}, {Name: "Its hash", Value: chain.Last.Hash}}})
	}
	c.reply(m)
	return nil
}

func exportAudit(c *call) error {
	if c.Files == nil {
		return actions.Errorf("no-folder", "irisops has no folder to keep exports in.")
	}
	var lines bytes.Buffer
	chain, broken, err := c.walkAudit(func(e audit.Entry) error {
		b, err := json.Marshal(e)
		lines.Write(b)
		lines.WriteByte('\n')
		return err
	})
	if err != nil {
		return err
	}
	if broken != nil {
		return &actions.Error{Code: "touched", Text: fmt.Sprintf("The audit was touched: %v. It was not exported.", broken), Hint: "`audit verify` says more."}
	}
	name := fmt.Sprintf("audit-%s-%d.jsonl", c.now.Format("20060102T150405"), chain.Count)
	if err := c.Files.Write(name, lines.Bytes()); err != nil {
		return err
	}
	c.reply(message.Message{Level: message.OK, Title: fmt.Sprintf("The audit is exported: %s, a line each.", entries(int(chain.Count))),
		Blocks: []message.Block{{Fields: []message.Field{{Name: "File", Value: c.Files.Path(name)}, {Name: "Newest hash", Value: chain.Last.Hash}}},
			{Text: "Only irisops's own account can read it."}}})
	return nil
}

func headOfAudit(c *call) error {
	e, ok, err := c.Store.LastEntry()
	if err != nil {
		return err
	}
	if !ok {
		c.reply(message.Message{Title: "The audit has no entry yet."})
		return nil
	}
	c.reply(message.Message{Title: fmt.Sprintf("Head of the audit: entry %d, %s", e.Number, e.Hash),
		Blocks:  []message.Block{{Text: fmt.Sprintf("Written at %s UTC. `audit verify %s` tells at any later time whether everything up to here is as it is now.", e.At.Format("2006-01-02 15:04:05"), e.Hash[:12])}},
		Buttons: []message.Button{{Label: "Verify Audit", Words: "audit verify " + e.Hash[:12]}}})
	return nil
}
