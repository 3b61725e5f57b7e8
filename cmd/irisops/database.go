package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"irisops/actions"
	"irisops/bot/console"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// databaseOf is where the database of that config stands.
func databaseOf(cfg config.Config) string { return filepath.Join(cfg.Data, "irisops.db") }

type backupCommand struct {
	Config string `required:"" help:"The config file." type:"path"`
	File   string `arg:"" help:"Where the copy goes. It must not be there yet." type:"path"`
}

// Run copies the database and checks the copy. A running irisops makes the copy
// itself, so that it is whole.
func (c backupCommand) Run(ctx context.Context, s streams) (err error) {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	to, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, os.ErrExist):
		return &actions.Error{Code: "exists", Text: c.File + " is there already, and is left as it is.", Hint: "Name a file that does not exist."}
	case err != nil:
		return fmt.Errorf("the copy cannot be written: %w", err)
	}
	defer func() {
		if err != nil { // nobody is to mistake it for a backup
			err = errors.Join(err, os.Remove(c.File))
		}
	}()
	began := time.Now()
	n, err := copyDatabase(ctx, cfg, to)
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	schema, err := store.Check(c.File)
	if err != nil {
		return fmt.Errorf("the copy was made and does not pass the check: %w", err)
	}
	return say(s.out, "%s: %d bytes, schema %d, read to the end and whole, %d ms.\nTo put it back: irisops restore-db --config %s %s\n",
		c.File, n, schema, time.Since(began).Milliseconds(), shellWord(c.Config), shellWord(c.File))
}

func copyDatabase(ctx context.Context, cfg config.Config, to io.Writer) (int64, error) {
	n, err := console.Copy(ctx, cfg.Socket.Path, to)
	if actions.CodeOf(err) != "not-running" {
		return n, err
	}
	if _, err := os.Stat(databaseOf(cfg)); err != nil {
		return 0, &actions.Error{Code: "no-database", Text: fmt.Sprintf("No irisops runs with this config, and there is no database at %s.", databaseOf(cfg)), Hint: "Is data: the folder that irisops uses?", Err: err}
	}
	return store.CopyUnused(databaseOf(cfg), to)
}

type restoreCommand struct {
	Config string `required:"" help:"The config file." type:"path"`
	File   string `arg:"" help:"A copy that backup-db made." type:"path"`
}

// Run puts a checked copy in the database's place.
func (c restoreCommand) Run(s streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.File); errors.Is(err, os.ErrNotExist) {
		return &actions.Error{Code: "no-copy", Text: fmt.Sprintf("There is no file %s. The database stays as it is.", c.File),
			Hint: fmt.Sprintf("Name a copy that was made with: irisops backup-db --config %s FILE", shellWord(c.Config)), Err: err}
	}
	kept, err := store.Restore(databaseOf(cfg), c.File, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s is now what %s holds.\n", databaseOf(cfg), c.File)
	if kept != "" {
		fmt.Fprintf(s.out, "What stood there is kept: %s\n", kept)
	}
	return say(s.out, "What came due since that copy fires at the next start, marked late. Start it: irisops run --config %s\n", shellWord(c.Config))
}
