package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"irisops/bot/audit"
)

func draw(t *rapid.T) []audit.Entry {
	text := rapid.StringOf(rapid.RuneFrom([]rune("abc <>&\"'\n\u2028é")))
	var chain []audit.Entry
	var last audit.Entry
	for range rapid.IntRange(1, 8).Draw(t, "entries") {
		e := audit.Entry{At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 5).In(time.FixedZone("x", 3600)), Kind: audit.Intent, By: text.Draw(t, "by"), Text: text.Draw(t, "text")}
		if rapid.Bool().Draw(t, "with args") {
			e.Args = map[string]string{"b": text.Draw(t, "b"), "a": text.Draw(t, "a")}
		}
		last = e.After(last)
		chain = append(chain, last)
	}
	return chain
}

func verify(entries []audit.Entry) (audit.Chain, error) {
	var c audit.Chain
	for _, e := range entries {
		if err := c.Next(e); err != nil {
			return c, err
		}
	}
	return c, nil
}

func TestAChainHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := draw(t)
		for i, e := range entries { // as they come back from where they are kept
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var read audit.Entry
			if err := json.Unmarshal(b, &read); err != nil {
				t.Fatal(err)
			}
			entries[i] = read
		}
		c, err := verify(entries)
		if err != nil || c.Count != uint64(len(entries)) || c.Last.Hash != entries[len(entries)-1].Hash {
			t.Fatalf("%v: %+v", err, c)
		}
	})
}

// Whatever is done to it: another word, an entry less (but for the last ones), one
// more, two changed places, or one sealed anew.
func TestAChainThatWasTouchedBreaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := draw(t)
		i := rapid.IntRange(0, len(entries)-1).Draw(t, "at")
		switch what := rapid.SampledFrom([]string{"word", "time", "less", "twice", "swap", "sealed anew"}).Draw(t, "what"); what {
		case "word":
			entries[i].By += "x"
		case "time":
			entries[i].At = entries[i].At.Add(time.Second)
		case "less":
			if i == len(entries)-1 {
				t.Skip("only the posted head tells")
			}
			entries = append(entries[:i:i], entries[i+1:]...)
		case "twice":
			entries = append(entries[:i+1:i+1], entries[i:]...)
		case "swap":
			if i == 0 {
				t.Skip("nothing before it")
			}
			entries[i], entries[i-1] = entries[i-1], entries[i]
		case "sealed anew":
			if i == len(entries)-1 {
				t.Skip("only the posted head tells")
			}
			var before audit.Entry
			if i > 0 {
				before = entries[i-1]
			}
			changed := entries[i]
			changed.Text += "x"
			entries[i] = changed.After(before)
		}
		if _, err := verify(entries); err == nil {
			t.Fatal("it still holds")
		}
	})
}
