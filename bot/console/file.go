package console

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"irisops/bot/message"
)

// file says what there is to keep. A text is shown on demand.
func (r *renderer) file(f message.File) {
	name := fmt.Sprintf("file %s, %s", r.line(f.Name), size(len(f.Bytes)))
	if !readable(f) {
		r.put(r.left+margin, r.left+margin+"  ", name+" ("+r.keep()+" and the same words keep it)", normal)
		return
	}
	if !r.All {
		r.put(r.left+margin, r.left+margin+"  ", name+" (shown with --all; "+r.keep()+" and the same words keep it)", normal)
		return
	}
	r.put(r.left+margin, r.left+margin, name+":", bold)
	r.code(string(f.Bytes))
}

// keep is what keeps a file, with the same words behind it.
func (r *renderer) keep() string {
	if r.Keep == "" {
		return "irisops ctl --save FOLDER"
	}
	return r.Keep
}

func readable(f message.File) bool {
	return strings.HasPrefix(f.MediaType, "text/") || strings.HasPrefix(f.MediaType, "application/json")
}

// size is as people read it: "812 bytes", "3.2 kB".
func size(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000*1000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1000), ".0") + " kB"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1000/1000), ".0") + " MB"
}

// Files are the files of a message, also the folded ones.
func Files(m message.Message) []message.File { return filesIn(m.Blocks) }

func filesIn(blocks []message.Block) (files []message.File) {
	for _, b := range blocks {
		switch {
		case b.File != nil:
			files = append(files, *b.File)
		case b.Fold != nil:
			files = append(files, filesIn(b.Fold.Blocks)...)
		}
	}
	return files
}

// Save writes a file into a folder, for its owner only, and returns its path.
// What is there already is kept: the new file then has a number in its name.
func Save(folder string, f message.File) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("%s cannot be kept: %w", safeName(f.Name), err)
	}
	ext := filepath.Ext(safeName(f.Name))
	base := strings.TrimSuffix(safeName(f.Name), ext)
	for n := 1; ; n++ {
		name := base + ext
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", base, n, ext)
		}
		path := filepath.Join(folder, name)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) && n < 10_000 {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("%s cannot be kept: %w", name, err)
		}
		_, err = file.Write(f.Bytes)
		if err := errors.Join(err, file.Close()); err != nil {
			return "", errors.Join(fmt.Errorf("%s is not kept whole: %w", path, err), os.Remove(path))
		}
		return path, nil
	}
}

// safeName is a name that stays in its folder and needs no quotes.
func safeName(name string) string {
	safe := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			return c
		}
		return '_'
	}, name)
	if safe = strings.TrimLeft(safe, ".-"); safe == "" {
		return "file"
	}
	return safe[:min(len(safe), 120)]
}
