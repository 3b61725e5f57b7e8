package console

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"irisops/bot"
	"irisops/bot/message"

	"github.com/google/go-cmp/cmp"
)

func TestSaveKeepsWhatIsThere(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	var names []string
	for _, body := range []string{"first", "second", "third"} {
		path, err := Save(folder, message.File{Name: "postmortem-INC-7.md", Bytes: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != body {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		names = append(names, filepath.Base(path))
	}
	if diff := cmp.Diff([]string{"postmortem-INC-7.md", "postmortem-INC-7-2.md", "postmortem-INC-7-3.md"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// Whatever a file is called, it stays in its folder.
func TestSaveStaysInItsFolder(t *testing.T) {
	for name, want := range map[string]string{
		"../../etc/passwd": "_.._etc_passwd", "/etc/passwd": "_etc_passwd", "": "file", "..": "file", ".ssh": "ssh", "-rf": "rf",
		"a b\x1b[31m\n.md": "a_b__31m_.md", "\xff": "_", strings.Repeat("x", 500): strings.Repeat("x", 120),
	} {
		folder := t.TempDir()
		path, err := Save(folder, message.File{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if path != filepath.Join(folder, want) {
			t.Errorf("%q became %q", name, path)
		}
	}
}

func TestSaveSaysWhyNot(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(blocked, message.File{Name: "stats.png"}); err == nil || !strings.Contains(err.Error(), "stats.png cannot be kept") {
		t.Errorf("error %v", err)
	}
}

func TestFilesAreFoundWhereverTheyStand(t *testing.T) {
	var names []string
	for _, f := range Files(samples()["file"][0]) {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"postmortem-INC-7.md", "stats-\x1b[31m.png", "INC-7.json"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int]string{0: "0 bytes", 999: "999 bytes", 1000: "1 kB", 1234: "1.2 kB", 5_000_000: "5 MB", 5_250_000: "5.2 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// A file comes through the socket byte for byte.
func TestAFileComesThroughTheSocket(t *testing.T) {
	var every []byte
	for i := range 256 {
		every = append(every, byte(i))
	}
	sent := message.Message{Title: "here", Blocks: blocks{{File: &message.File{Name: "x.png", MediaType: "image/png", Bytes: every}}}}
	s, e := serve(t)
	e.says = &sent
	var got message.Message
	if _, err := Dial(t.Context(), s.Path, "postmortem", false, func(p bot.Post) { got = p.Message }); err != nil {
		t.Fatal(err)
	}
	files := Files(got)
	if len(files) != 1 || !bytes.Equal(files[0].Bytes, every) || files[0].MediaType != "image/png" {
		t.Errorf("got %+v", got)
	}
}
