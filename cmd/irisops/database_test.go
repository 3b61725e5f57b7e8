package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupAndRestoreOfTheDatabase copies it while irisops runs and while it
// does not, and puts a copy back.
func TestBackupAndRestoreOfTheDatabase(t *testing.T) {
	s := newSite(t)
	hot, cold := filepath.Join(s.dir, "hot.db"), filepath.Join(s.dir, "cold.db")
	if code, _, errs := s.irisops(t.Context(), "backup-db", "--config", s.config, hot); code != 1 || !strings.Contains(errs, "no database at") {
		t.Errorf("before there is one: %d %s", code, errs)
	}
	stop := s.start()
	if code, out, errs := s.irisops(t.Context(), "backup-db", "--config", s.config, hot); code != 0 || !strings.Contains(out, "read to the end and whole") {
		t.Fatalf("while it runs: %d %s %s", code, out, errs)
	}
	if code, _, errs := s.irisops(t.Context(), "backup-db", "--config", s.config, hot); code != 1 || !strings.Contains(errs, "is there already") {
		t.Errorf("over another: %d %s", code, errs)
	}
	if info, err := os.Stat(hot); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v, %v", info.Mode(), err)
	}
	if code, _, errs := s.irisops(t.Context(), "restore-db", "--config", s.config, hot); code != 1 || !strings.Contains(errs, "only one irisops can use it") {
		t.Errorf("restored under a running irisops: %d %s", code, errs)
	}
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	if code, out, errs := s.irisops(t.Context(), "backup-db", "--config", s.config, cold); code != 0 || !strings.Contains(out, "whole") {
		t.Fatalf("while it does not run: %d %s %s", code, out, errs)
	}
	s.write("broken.db", "this is no database")
	if code, _, errs := s.irisops(t.Context(), "restore-db", "--config", s.config, filepath.Join(s.dir, "broken.db")); code != 1 {
		t.Errorf("a broken copy: %d %s", code, errs)
	}
	code, out, errs := s.irisops(t.Context(), "restore-db", "--config", s.config, hot)
	if code != 0 || !strings.Contains(out, "is kept: "+s.dir+"/data/irisops.db.before-restore-") {
		t.Fatalf("restore: %d %s %s", code, out, errs)
	}
	if code := s.start()(); code != 0 {
		t.Errorf("on the restored database it ends with %d", code)
	}
}

// TestBackupOfAnOlderDatabase: the new program copies what the old one left, as it
// is, so that there is a way back.
func TestBackupOfAnOlderDatabase(t *testing.T) {
	s := newSite(t)
	old, err := os.ReadFile("../../store/testdata/schema1.db")
	if err != nil {
		t.Fatal(err)
	}
	data, to := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "copy.db")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "irisops.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := s.irisops(t.Context(), "backup-db", "--config", s.config, to)
	if code != 0 || !strings.Contains(out, "schema 1, read to the end and whole") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	for _, file := range []string{to, filepath.Join(data, "irisops.db")} {
		if now, err := os.ReadFile(file); err != nil || string(now) != string(old) {
			t.Errorf("%s is not what the old program left: %d bytes, %v", file, len(now), err)
		}
	}
}
