package cluster

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"irisops/actions/erlang/term"
)

// drawExport is an export of records with anything in them.
func drawExport(t *rapid.T) Export {
	user := rapid.String().Draw(t, "user")
	content := rapid.OneOf(
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) term.Term { return b }),
		rapid.Map(rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 4), func(bs [][]byte) term.Term {
			list := term.List{}
			for _, b := range bs {
				list = append(list, b)
			}
			return list
		}),
		rapid.SampledFrom([]term.Term{term.Atom("x"), "abc", 1.5, term.Tuple{int64(1)}}))
	var records []record
	for i := range rapid.IntRange(0, 8).Draw(t, "records") {
		raw, err := term.Append(nil, term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte(user), int64(i)}, rapid.Int64().Draw(t, "at"), content.Draw(t, "content")})
		if err != nil {
			t.Fatal(err)
		}
		r, err := readRecord(raw, user)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	text := rapid.String()
	return Export{ID: "M-20260301T031500-4f2a9c", Cluster: text.Draw(t, "cluster"), User: user, Node: text.Draw(t, "node"),
		At: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "time"), 0).UTC(), By: text.Draw(t, "by"), For: text.Draw(t, "for")}.with(records)
}

func TestAnExportIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExport(t)
		file, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeExport(file)
		if err != nil {
			t.Fatalf("%v\n%q", err, file)
		}
		again, err := got.encode()
		if err != nil || !bytes.Equal(again, file) || got.Sum != e.Sum || got.Messages != e.Messages || got.Records != e.Records || got.User != e.User {
			t.Fatalf("read %+v, written %+v (%v)", got, e, err)
		}
		for i, r := range got.records {
			if !bytes.Equal(r.raw, e.records[i].raw) {
				t.Fatalf("record %d is another one", i)
			}
		}
	})
}

// Whatever byte is another one, cut off or added: the file is refused.
func TestADamagedExportIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExport(t)
		file, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
		damaged := bytes.Clone(file)
		switch rapid.SampledFrom([]string{"flip", "cut", "add"}).Draw(t, "damage") {
		case "flip":
			damaged[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "cut":
			damaged = damaged[:at]
		case "add":
			damaged = append(damaged[:at:at], append([]byte{rapid.Byte().Draw(t, "byte")}, file[at:]...)...)
		}
		if _, err := decodeExport(damaged); err == nil && !bytes.Equal(damaged, file) {
			t.Fatalf("believed: %q", damaged)
		}
	})
}
