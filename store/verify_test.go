package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/bot/incident"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// worn is a database with a past: inline buckets and deep ones, branch pages,
// overflowing pages and free pages.
func worn(t testing.TB) *DB {
	t.Helper()
	db := memory(t)
	for n := range 60 {
		inc, _, err := db.Declare(t.Context(), fmt.Sprint(n), declaring(fmt.Sprintf("down %d", n), t0))
		must(t, err)
		if n%3 == 0 {
			apply(t, db, inc, incident.DeclaredResolved{By: "operator", Reason: "over"}, t0.Add(time.Minute))
		}
		value(db.Receive(t.Context(), delivery(fmt.Sprint(n), t0)))(t)
	}
	inc := value(db.Incident(2))(t)
	apply(t, db, inc, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "long", Data: bytes.Repeat([]byte("diagnosis "), 3000)}, t0)
	request(t, db, "main/edge1")
	return db
}

func contentOf(t testing.TB, db *DB) []byte {
	t.Helper()
	must(t, db.Close())
	b, err := os.ReadFile(db.Path())
	must(t, err)
	return b
}

// dump is a hash of every row of the database at path.
func dump(t testing.TB, path string) uint64 {
	t.Helper()
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	must(t, err)
	defer bolt.Close()
	out := fnv.New64a()
	must(t, bolt.View(func(tx *bbolt.Tx) error {
		return walkBuckets(tx, func(path, k, v []byte) {
			fmt.Fprintf(out, "%d %d %d ", len(path), len(k), len(v))
			out.Write(path)
			out.Write(k)
			out.Write(v)
		})
	}))
	return out.Sum64()
}

func pagesInUse(t testing.TB, b []byte, m meta) (list []int) {
	t.Helper()
	v := &verifier{file: bytes.NewReader(b), meta: m, seen: make([]uint64, m.highWater/64+1), has: map[string]bool{}}
	must(t, v.page(m.root, 0, "", nil, nil))
	for id := range m.highWater {
		if !v.mark(id) {
			list = append(list, int(id))
		}
	}
	return list
}

func walkBuckets(tx *bbolt.Tx, row func(path, k, v []byte)) error {
	var walk func(path []byte, b *bbolt.Bucket) error
	walk = func(path []byte, b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return walk(append(append(path[:len(path):len(path)], k...), '/'), b.Bucket(k))
			}
			row(path, k, v)
			return nil
		})
	}
	return tx.ForEach(func(k []byte, b *bbolt.Bucket) error { return walk(append(k[:len(k):len(k)], '/'), b) })
}

func TestVerifyAgreesWithBbolt(t *testing.T) {
	db := worn(t)
	must(t, db.bolt.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt finds: %v", err)
		}
		return nil
	}))
	b := contentOf(t, db)
	state, err := verify(bytes.NewReader(b), int64(len(b)))
	if err != nil || state.schema != uint64(len(migrations)) || state.tornHeader || state.stray > 0 {
		t.Errorf("got %+v, %v", state, err)
	}
}

// Whatever is damaged: either the file is refused, or nothing in it has changed,
// or a notice says that a header is damaged or that there are stray pages. (Left out is what no check of
// one file can notice: an old version of a page in the place of the new one.)
func TestNoDamageGoesUnnoticed(t *testing.T) {
	original := contentOf(t, worn(t))
	m, _, err := newestMeta(bytes.NewReader(original), int64(len(original)))
	must(t, err)
	original = original[:m.highWater*m.pageSize]
	inUse := pagesInUse(t, original, m)
	path := filepath.Join(t.TempDir(), "irisops.db")
	must(t, os.WriteFile(path, original, 0o600))
	want := dump(t, path)
	pageSize, pages := int(m.pageSize), int(m.highWater)
	refused, harmless, said := 0, 0, 0
	try := func(t *testing.T, what string, b []byte) {
		t.Helper()
		state, err := verify(bytes.NewReader(b), int64(len(b)))
		switch {
		case err != nil:
			refused++
			return
		case state.tornHeader || state.stray > 0:
			said++
		default:
			harmless++
		}
		must(t, os.WriteFile(path, b, 0o600))
		if got := dump(t, path); got != want && !state.tornHeader && state.stray == 0 {
			t.Errorf("%s changes what is in the file, and verify does not notice", what)
		}
	}
	damage := func(t *testing.T, what string, do func(b []byte)) {
		t.Helper()
		b := bytes.Clone(original)
		do(b)
		if !bytes.Equal(b, original) {
			try(t, what, b)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range pages {
		page := func(b []byte) []byte { return b[n*pageSize : (n+1)*pageSize] }
		damage(t, fmt.Sprintf("page %d of zeros", n), func(b []byte) { clear(page(b)) })
		damage(t, fmt.Sprintf("page %d of ones", n), func(b []byte) { copy(page(b), bytes.Repeat([]byte{0xff}, pageSize)) })
		damage(t, fmt.Sprintf("page %d of noise", n), func(b []byte) {
			for i := range page(b) {
				page(b)[i] = byte(random.Uint32())
			}
		})
		other := inUse[random.IntN(len(inUse))]
		damage(t, fmt.Sprintf("page %d with the content of %d", n, other), func(b []byte) {
			copy(page(b), original[other*pageSize:])
		})
		damage(t, fmt.Sprintf("page %d with the content of %d under its own number", n, other), func(b []byte) {
			copy(page(b), original[other*pageSize:(other+1)*pageSize])
			binary.NativeEndian.PutUint64(page(b), uint64(n))
		})
		for range 20 {
			at := random.IntN(80) // the header and the first elements
			damage(t, fmt.Sprintf("a bit in byte %d of page %d", at, n), func(b []byte) { page(b)[at] ^= 1 << random.IntN(8) })
		}
		try(t, fmt.Sprintf("the end cut off at page %d", n), original[:n*pageSize])
	}
	for range 400 {
		at, bit := random.IntN(len(original)), byte(1)<<random.IntN(8)
		damage(t, fmt.Sprintf("bit %x of byte %d", bit, at), func(b []byte) { b[at] ^= bit })
	}
	t.Logf("of %d pages: %d damages refused, %d harmless, %d said", pages, refused, harmless, said)
	if refused < 1000 || harmless < 10 || said < 5 {
		t.Error("this test does not try what it should")
	}
}

// A free page that is in use would be written over by the next change.
func TestVerifyLooksAtTheFreePages(t *testing.T) {
	original := contentOf(t, worn(t))
	m, _, err := newestMeta(bytes.NewReader(original), int64(len(original)))
	must(t, err)
	list := int(m.freelist*m.pageSize) + pageHeader
	first := binary.NativeEndian.Uint64(original[list:])
	for name, c := range map[string]struct {
		harm func(b []byte)
		says string
	}{
		"in use": {func(b []byte) { binary.NativeEndian.PutUint64(b[list:], m.root) }, "in use and on the list of free pages"},
		"twice":  {func(b []byte) { binary.NativeEndian.PutUint64(b[list+8:], first) }, "in use and on the list of free pages"},
		"beyond": {func(b []byte) { binary.NativeEndian.PutUint64(b[list:], m.highWater) }, "outside of the file"},
		"header": {func(b []byte) { binary.NativeEndian.PutUint64(b[list:], 1) }, "outside of the file"},
		"count":  {func(b []byte) { binary.NativeEndian.PutUint16(b[list-6:], 0xfffe) }, "wrong count"},
		"long": {func(b []byte) {
			binary.NativeEndian.PutUint16(b[list-6:], 0xffff)
			binary.NativeEndian.PutUint64(b[list:], 1<<61)
		}, "wrong count"},
		"no list": {func(b []byte) { b[list-8] = flagLeaf }, "is not the list of free pages"},
	} {
		b := bytes.Clone(original)
		c.harm(b)
		if _, err := verify(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A bucket within a row of its parent fits exactly: with a smaller count its last
// rows would be gone.
func TestVerifyMissesNoInlineRow(t *testing.T) {
	page := make([]byte, bucketSize+pageHeader)
	binary.NativeEndian.PutUint16(page[bucketSize+8:], flagLeaf)
	v := &verifier{has: map[string]bool{}}
	must(t, v.bucket(page, "page 3", 0, "runs", []byte("locks")))
	if !v.has["runs/locks"] {
		t.Errorf("seen: %v", v.has)
	}
	for _, damaged := range [][]byte{append(bytes.Clone(page), make([]byte, 40)...), page[:len(page)-1], page[:3], nil} {
		if err := v.bucket(damaged, "page 3", 0, "runs", []byte("locks")); err == nil {
			t.Errorf("%d bytes are taken for an empty bucket", len(damaged))
		}
	}
}

// Any bytes at all: verify says no and returns.
func TestVerifyStandsAnything(t *testing.T) {
	original := contentOf(t, worn(t))
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(original)
		for range rapid.IntRange(1, 8).Draw(t, "places") {
			at := rapid.IntRange(2*os.Getpagesize(), len(b)-8).Draw(t, "at")
			copy(b[at:], rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "bytes"))
		}
		verify(bytes.NewReader(b), int64(len(b)))
	})
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if _, err := verify(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Fatalf("%x is taken for a database", b)
		}
	})
}

// The newest change hangs on one header page. If that was torn by a power
// failure, the state before it is there, whole, and a person is told.
func TestATornHeaderFallsBackOneChange(t *testing.T) {
	db := memory(t)
	declare(t, db, "one", t0)
	declare(t, db, "two", t0)
	b := contentOf(t, db)
	m, torn, err := newestMeta(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	if torn {
		t.Fatal("torn from the beginning")
	}
	at := int(m.txid%2) * os.Getpagesize()
	clear(b[at+pageHeader+16 : at+pageHeader+metaSize])
	must(t, os.WriteFile(db.Path(), b, 0o600))

	db = open(t, db.Path(), Options{})
	if n := db.Notices(); len(n) != 1 {
		t.Errorf("notices: %q", n)
	}
	if list := value(db.OpenIncidents())(t); len(list) != 1 || list[0].Title != "one" {
		t.Errorf("open: %+v", list)
	}
	audited(t, db, t0)
	declare(t, db, "two again", t0)
}
