package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"irisops/actions"
)

// poll is how often a step looks again for what it waits for.
const poll = 200 * time.Millisecond

// until asks again and again until ask says that it is done, fails for good, or
// ctx ends. The last thing that ask saw stands in the error.
func until(ctx context.Context, ask func(ctx context.Context) (done bool, seen string, err error)) (string, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	seen := "nothing yet"
	for {
		done, now, err := ask(ctx)
		if err != nil {
			return now, err
		}
		// What a cut-short look saw is worth less than what was seen before it.
		if now != "" && (ctx.Err() == nil || seen == "nothing yet") {
			seen = now
		}
		if done {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return seen, ctx.Err()
		case <-tick.C:
		}
	}
}

// far is how far a step has come, for those who watch it.
type far struct {
	mu   sync.Mutex
	text string
}

func (f *far) set(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
}

func (f *far) get() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text
}

// brief bounds one call inside a step.
func (c *Cluster) brief(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.opt.Call)
}

// dying is what a node's log says last of why it went, for an error; "" if
// nothing.
func (c *Cluster) dying(ctx context.Context, n Node) string {
	lines, err := c.host.LogTail(ctx, n, logLines)
	if err != nil {
		return ""
	}
	tail := readLog(lines, logLines, c.opt.Zone, c.mask)
	if bad := tail.bad(); len(bad) > 0 {
		return fmt.Sprintf(" %s says: %s.", n.Log, strings.TrimSuffix(bad[len(bad)-1].gist(), "."))
	}
	if last, ok := tail.last(); ok {
		return fmt.Sprintf(" The last in %s: %s.", n.Log, strings.TrimSuffix(last.gist(), "."))
	}
	return ""
}

// failure is a step's error: a sentence about the node, and the way out.
func (c *Cluster) failure(err error, hint, format string, args ...any) error {
	code := actions.CodeOf(err)
	if code == "" {
		code = actions.CodeHung
	}
	return &actions.Error{Code: code, Text: fmt.Sprintf(format, args...), Hint: hint, Err: err}
}
