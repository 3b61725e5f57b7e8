package bot_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"irisops/actions"
	"irisops/bot"
)

// posts is a room that remembers.
type posts struct {
	mu  sync.Mutex
	all []bot.Post
}

// Publish implements bot.Room.
func (p *posts) Publish(_ context.Context, post bot.Post) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, post)
	return nil
}

func (p *posts) said(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, post := range p.all {
		if post.Key == key {
			return true
		}
	}
	return false
}

// button are the words of a button under the last post with that key.
func (p *posts) button(key, label string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, post := range slices.Backward(p.all) {
		if post.Key != key {
			continue
		}
		for _, b := range post.Message.Buttons {
			if b.Label == label {
				return b.Words
			}
		}
		return ""
	}
	return ""
}

func (p *posts) keys() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []string
	for _, post := range p.all {
		keys = append(keys, post.Key)
	}
	return keys
}

func (p *posts) titles() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var titles []string
	for _, post := range p.all {
		titles = append(titles, post.Message.Title)
	}
	return titles
}

// recording makes each step of the plans leave a line in a file when it is
// performed: "Restart-edge1/0".
func recording(plan func(context.Context, actions.Request) (actions.Plan, error), file string) func(context.Context, actions.Request) (actions.Plan, error) {
	return func(ctx context.Context, req actions.Request) (actions.Plan, error) {
		p, err := plan(ctx, req)
		for i, s := range p.Steps {
			line := strings.ReplaceAll(fmt.Sprintf("%s/%d", p.Title, i), " ", "-") + "\n"
			p.Steps[i].Perform = func(ctx context.Context) (string, error) {
				f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
				if err != nil {
					return "", err
				}
				defer f.Close()
				if _, err := f.WriteString(line); err != nil {
					return "", err
				}
				return s.Perform(ctx)
			}
		}
		return p, err
	}
}
