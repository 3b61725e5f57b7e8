// Bench measures what irisops promises of speed and size, and prints one table:
// each figure with its bound and whether it is held. It runs the benchmarks of
// all packages and reads what they print, so that each of them can also be run
// alone, and compared with benchstat:
//
//	go test -run '^$' -bench . -count 6 ./store >new.txt
//	benchstat old.txt new.txt
//
// A bound that is missed is said and fails nothing; a benchmark that breaks, or a
// promise that nothing measures, fails. What go test printed stays in
// build/bench.txt.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	which := flag.String("bench", ".", "the benchmarks to run, as go test takes them")
	count := flag.Int("count", 1, "how often each is run; the table has the medians")
	kept := flag.String("kept", "build/bench.txt", "where to keep what go test prints")
	read := flag.Bool("read", false, "run nothing: read what is kept")
	plot := flag.String("plot", "", "draw how cost grows with the incidents into this file (PNG)")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	var broken error
	if !*read {
		broken = measure(ctx, *kept, append([]string{"test", "-run", "^$", "-bench", *which, "-benchmem", "-count", fmt.Sprint(*count), "-timeout", "60m"}, packages...))
	}
	text, err := os.ReadFile(*kept)
	if err != nil {
		return errors.Join(broken, err)
	}
	seen, err := results(bytes.NewReader(text))
	if err != nil {
		return errors.Join(broken, err)
	}
	missing := table(os.Stdout, seen, *which != "." || flag.NArg() > 0)
	if *plot != "" {
		if err := draw(*plot, seen); err != nil {
			return errors.Join(broken, err)
		}
	}
	switch {
	case broken != nil:
		return fmt.Errorf("not all benchmarks ended well: %w\n%s", broken, complaints(text))
	case len(missing) > 0:
		return fmt.Errorf("nothing measured: %s", strings.Join(missing, "; "))
	}
	return nil
}

// measure runs go and keeps what it prints; each result is shown on stderr as it
// comes, because all of them together take minutes.
func measure(ctx context.Context, kept string, args []string) error {
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	f, err := os.Create(kept)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout = io.MultiWriter(f, os.Stderr)
	cmd.Stderr = cmd.Stdout
	return errors.Join(cmd.Run(), f.Close())
}

// complaints are the lines in which go test says what went wrong, and where.
func complaints(text []byte) string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		for _, begin := range []string{"--- FAIL", "    ", "FAIL", "panic:", "#"} {
			if strings.HasPrefix(line, begin) {
				lines = append(lines, line)
				break
			}
		}
	}
	return strings.Join(lines, "")
}
