package link

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"irisops/bot/pager"
)

var called = pager.Page{Incident: "INC-7", Step: "P0/15m", Role: "sre", Person: "second", Channel: "mail", Queued: time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC)}

func TestTheKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link.key")
	one, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Load(path)
	if err != nil || !bytes.Equal(one, two) || len(one) != keySize {
		t.Errorf("%d bytes, then %d, %v", len(one), len(two), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if names, _ := filepath.Glob(filepath.Dir(path) + "/.*"); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("a damaged key is taken")
	}
}

func TestTokens(t *testing.T) {
	key := Key(bytes.Repeat([]byte{7}, keySize))
	again := called
	again.Attempts, again.PossibleDuplicate = 3, true
	token := key.Token(called)
	if key.Token(again) != token {
		t.Error("another attempt has another link")
	}
	c, err := key.Read(token, called.Queued.Add(Lasts))
	if err != nil || c.Page != "INC-7/P0/15m/sre/mail" || c.Person != "second" || c.ID == "" {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := key.Read(token, called.Queued.Add(Lasts+time.Second)); !errors.Is(err, ErrExpired) {
		t.Errorf("too late: %v", err)
	}
	for i := range token { // not one letter can be another
		for _, letter := range []byte("AZ9_") {
			changed := []byte(token)
			if changed[i] == letter {
				continue
			}
			changed[i] = letter
			if c, err := key.Read(string(changed), called.Queued); err == nil {
				t.Fatalf("letter %d changed, and it says %+v", i, c)
			}
		}
	}
	for _, bad := range []string{"", "A", token + "A", token[1:]} {
		if _, err := key.Read(bad, called.Queued); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
