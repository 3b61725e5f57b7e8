package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/backup"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
)

// cellar remembers backups for a test.
type cellar struct {
	mu  sync.Mutex
	all []backup.Backup
}

func (c *cellar) KeepBackup(_ context.Context, b backup.Backup) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = slices.DeleteFunc(c.all, func(old backup.Backup) bool { return old.ID == b.ID && old.Cluster == b.Cluster })
	c.all = append(c.all, b)
	slices.SortFunc(c.all, func(a, b backup.Backup) int { return strings.Compare(a.ID, b.ID) })
	return nil
}

func (c *cellar) Backups(string) ([]backup.Backup, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all), nil
}

func (p *postOffice) withBackups(c *cellar, o cluster.BackupOptions) {
	p.c = cluster.New(p.spec, p.link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Secrets: []string{lab.Cookie},
		Backups: c, Backup: o, Diagnose: patience, Survey: patience})
}

func TestBackupIsReadBackAndCanBeRestored(t *testing.T) {
	p := newPostOffice(t, lab.Options{Cores: 1, Edges: 1})
	remembered := &cellar{}
	o := cluster.BackupOptions{Keep: 2, MinFree: 1}
	p.withBackups(remembered, o)
	p.mail("alice", 30)
	p.mail("bob", 5)
	before := append(p.waiting("core", "alice"), p.waiting("core", "bob")...)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)

	if r := p.ask("backup list", actions.Args{}); r.Level != actions.Warn || r.Headline != "lab has no backup" {
		t.Errorf("%s: %s", r.Level, r.Headline)
	}
	var made []backup.Backup
	now := func(at time.Time) (string, error) {
		plan, err := p.bare("backup now", actions.Request{Now: at})
		if err != nil {
			return "", err
		}
		again, err := p.bare("backup now", actions.Request{Now: at.Add(time.Minute), Args: bound(nil, plan)})
		if err != nil || again.Steps[0].Describe != plan.Steps[0].Describe {
			t.Errorf("planned anew it is another one: %v", err)
		}
		var seen []string
		for _, s := range plan.Steps {
			evidence, err := s.Perform(t.Context())
			seen = append(seen, evidence)
			if err != nil {
				return strings.Join(seen, "\n"), err
			}
			if s.Check != nil {
				if evidence, err = s.Check(t.Context()); err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				seen = append(seen, evidence)
			}
		}
		all, _ := remembered.Backups("")
		made = append(made, all[len(all)-1])
		t.Log(strings.Join(seen, "\n"))
		return strings.Join(seen, "\n"), nil
	}
	seen, err := now(start)
	if err != nil || !strings.Contains(seen, "offline_msg 35") {
		t.Fatalf("%v\n%s", err, seen)
	}
	first := made[0]
	info, err := os.Stat(first.Path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != first.Bytes || filepath.Dir(first.Path) != p.lab.Dir()+"/backups" {
		t.Errorf("%s: %v, %v", first.Path, info, err)
	}
	if r := p.ask("backup verify", actions.Args{"id": first.ID}); r.Level != actions.OK {
		t.Errorf("%s: %s", r.Level, r.Headline)
	}
	r := p.ask("backup list", actions.Args{})
	if r.Level != actions.OK || !strings.Contains(r.Headline, "is 60 min old: "+first.ID) {
		t.Errorf("%s: %s", r.Level, r.Headline)
	}
	r = p.ask("backup restore-plan", actions.Args{"id": first.ID})
	if text := fmt.Sprint(r.Sections); !strings.Contains(text, fmt.Sprintf("mnesia:install_fallback(%q).", first.Path)) {
		t.Errorf("%s\n%s", r.Headline, text)
	}

	t.Run("restored on another node", func(t *testing.T) {
		// A lab of the same names, in another folder and with an epmd of its own.
		scratch := newPostOffice(t, lab.Options{Cores: 1, Edges: 1, Suffix: p.lab.Suffix()})
		core := scratch.node("core")
		copied := filepath.Join(scratch.lab.Dir(), "from-elsewhere.bak")
		file, err := os.ReadFile(first.Path)
		scratch.must(err)
		scratch.must(os.WriteFile(copied, file, 0o600))
		scratch.mail("carol", 3) // is not in the backup
		got, err := scratch.link.Call(t.Context(), core.Name, "mnesia", "install_fallback", term.Text(copied))
		if err != nil || got != term.Atom("ok") {
			t.Fatal(got, err)
		}
		scratch.act(scratch.c, "restart", "core", actions.Harm)
		scratch.same("after the restore", append(scratch.waiting("core", "alice"), scratch.waiting("core", "bob")...), before)
		if left := scratch.waiting("core", "carol"); len(left) != 0 {
			t.Errorf("%d records are there that are not in the backup", len(left))
		}
	})

	t.Run("the oldest go", func(t *testing.T) {
		for i := 1; i <= 2; i++ {
			if _, err := now(start.Add(time.Duration(i) * time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(first.Path); !os.IsNotExist(err) {
			t.Errorf("the first of three is still there: %v", err)
		}
		for _, b := range made[1:] {
			if _, err := os.Stat(b.Path); err != nil {
				t.Error(err)
			}
		}
		if all, _ := remembered.Backups(""); all[0].Removed.IsZero() || !all[2].Good() {
			t.Errorf("remembered are %+v", all)
		}
		if _, err := p.bare("backup now", actions.Request{Now: start.Add(3 * time.Minute)}); err != nil {
			t.Error(err)
		}
	})

	t.Run("a plan does not remove what it restores", func(t *testing.T) {
		for i, warned := range map[int]bool{1: true, 2: false} { // two are kept: the next one pushes the older one out
			text := fmt.Sprint(p.ask("backup restore-plan", actions.Args{"id": made[i].ID}).Sections)
			if strings.Contains(text, "Copy "+made[i].Path+" on ") != warned || !strings.Contains(text, "`backup now`") {
				t.Errorf("%s is the newest but %d:\n%s", made[i].ID, 2-i, text)
			}
		}
	})

	t.Run("damage is seen", func(t *testing.T) {
		last := made[2]
		whole, err := os.ReadFile(last.Path)
		p.must(err)
		flipped := bytes.Clone(whole)
		flipped[len(flipped)/2] ^= 1
		for what, content := range map[string][]byte{"a bit": flipped, "cut": whole[:len(whole)*2/3], "half a header": whole[:5], "other": []byte("no backup at all"), "longer": append(bytes.Clone(whole), 0)} {
			p.must(os.WriteFile(last.Path, content, 0o600))
			if r := p.ask("backup verify", actions.Args{"id": last.ID}); r.Level != actions.Critical {
				t.Errorf("%s: %s: %s", what, r.Level, r.Headline)
			} else {
				t.Logf("%s: %s", what, r.Headline)
			}
		}
		p.must(os.Remove(last.Path))
		if r := p.ask("backup list", actions.Args{}); r.Level != actions.Warn || !strings.Contains(r.Headline, made[1].ID) {
			t.Errorf("%s: %s", r.Level, r.Headline)
		}
		if r := p.ask("backup verify", actions.Args{"id": last.ID}); r.Level != actions.Critical {
			t.Errorf("a missing file: %s: %s", r.Level, r.Headline)
		}
		// The damaged one does not push the good one out.
		if _, err := now(start.Add(4 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(made[1].Path); err != nil {
			t.Error(err)
		}
		p.must(os.WriteFile(last.Path, whole, 0o600))
		if r := p.ask("backup verify", actions.Args{"id": last.ID}); r.Level != actions.OK {
			t.Errorf("whole again: %s: %s", r.Level, r.Headline)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		p.withBackups(remembered, cluster.BackupOptions{Keep: 2, MinFree: 1 << 60})
		if _, err := p.bare("backup now", actions.Request{}); actions.CodeOf(err) != actions.CodeDiskFull {
			t.Error(err)
		} else {
			t.Log(err)
		}
		p.withBackups(remembered, cluster.BackupOptions{Dir: p.lab.Dir() + "/Makefile/x", MinFree: 1})
		plan, err := p.bare("backup now", actions.Request{})
		p.must(err)
		if _, err := plan.Steps[0].Perform(t.Context()); err == nil {
			t.Error("made where there can be no folder")
		} else {
			t.Log(err)
		}
		p.withBackups(remembered, cluster.BackupOptions{Dir: p.lab.Dir() + "/elsewhere/deep", MinFree: 1})
		if seen, err := now(start.Add(5 * time.Minute)); err != nil || !strings.Contains(seen, p.lab.Dir()+"/elsewhere/deep/lab-B-") {
			t.Errorf("%v\n%s", err, seen)
		}
		for id, code := range map[string]string{"x": "bad-id", "B-20200101T000000-core": "no-such-backup", "B-20200101T000000-../../x": "bad-id"} {
			for _, name := range []string{"backup verify", "backup restore-plan"} {
				for _, a := range p.c.Actions() {
					if a.Name == name {
						if _, err := a.Look(t.Context(), actions.Request{Args: actions.Args{"id": id}}); actions.CodeOf(err) != code {
							t.Errorf("%s %s: %v", name, id, err)
						}
					}
				}
			}
		}
		if _, err := p.bare("backup now", actions.Request{Args: actions.Args{"node": "edge1"}}); actions.CodeOf(err) != actions.CodeNoSuchNode {
			t.Error(err)
		}
		p.must(p.lab.Kill(t.Context(), "core"))
		if _, err := p.bare("backup now", actions.Request{}); err == nil {
			t.Error("planned without a core")
		}
		if r := p.ask("backup verify", actions.Args{"id": made[1].ID}); r.Level != actions.Unknown {
			t.Errorf("with a dead node: %s: %s", r.Level, r.Headline)
		}
	})
}
