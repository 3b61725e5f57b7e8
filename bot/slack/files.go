package slack

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

const keyFile = "file/" // ours: a file that a post holds, by number and the post's key

// uploadTimeout is for all three calls of one upload.
const uploadTimeout = time.Minute

// withFiles takes the files out of a post and makes them posts of their own: an
// edit of the text must not send them again.
func withFiles(p outbox.Post) []outbox.Post {
	all := []outbox.Post{p}
	if p.User != "" {
		return all // nobody can be shown a file alone in a channel
	}
	blocks := slices.Clone(p.Message.Blocks)
	for i, b := range blocks {
		if b.File == nil || len(b.File.Bytes) == 0 {
			continue
		}
		blocks[i] = message.Block{Text: fmt.Sprintf("File: %s, %s, below.", b.File.Name, sized(len(b.File.Bytes)))}
		f := p
		f.Key, f.Parent, f.OnCall, f.Calls, f.Asker, f.Upload = fmt.Sprintf("%s%d/%s", keyFile, i, p.Key), false, false, "", "", true
		f.Message = message.Message{Title: b.File.Name, Blocks: []message.Block{{File: b.File}}}
		all = append(all, f)
	}
	all[0].Message.Blocks = blocks
	return all
}

func sized(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// upload has Slack show a file: an address is asked for, the bytes go there, and
// then it is shown. Only the last call can be seen by anybody; whether it was
// done is looked for before it is done again.
// https://docs.slack.dev/messaging/working-with-files#upload
func (r *Room) upload(ctx context.Context, p outbox.Post, j job) sent {
	file := p.Message.Blocks[0].File
	if j.doubt {
		found, err := r.findFile(ctx, p, j.thread, file.Name)
		if v, _ := judge(err); err != nil && v == limited {
			return r.failed(p, j, err)
		}
		if err != nil {
			r.Log.Warn("it cannot be found out whether a file was sent already; it is sent", "key", p.Key, "err", err)
		}
		if found {
			return r.uploaded(ctx, p, j)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	_, err := r.api.UploadFileContext(ctx, slack.UploadFileParameters{Reader: bytes.NewReader(file.Bytes), FileSize: len(file.Bytes),
		Filename: file.Name, Title: file.Name, Channel: p.Channel, ThreadTimestamp: j.thread})
	switch v, _ := judge(err); {
	case err == nil:
		return r.uploaded(ctx, p, j)
	case v == absent && j.thread != "":
		j.thread = ""
		return r.upload(ctx, p, j)
	}
	return r.failed(p, j, err)
}

// uploaded records that it is there. Its bytes are Slack's now.
func (r *Room) uploaded(ctx context.Context, p outbox.Post, j job) sent {
	r.alarms.answered(p.Channel)
	r.speak()
	var now outbox.Post
	err := r.amend(ctx, p.Key, func(q *outbox.Post) bool {
		q.Shown, q.Thread, q.Message.Blocks = q.Hash, j.thread, nil
		now = *q
		return true
	})
	if err != nil {
		r.Log.Error("what Slack shows could not be recorded; it is looked for later", "key", p.Key, "err", err)
		return sent{failed: true, doubt: true, wait: backoff(j.attempts)}
	}
	return sent{post: now}
}

func (r *Room) findFile(ctx context.Context, p outbox.Post, thread, name string) (found bool, err error) {
	self := r.me(ctx)
	err = r.pages(ctx, p.Channel, thread, slackTime(p.Created.Add(-time.Minute)), func(m slack.Message) {
		found = found || m.User == self.user && slices.ContainsFunc(m.Files, func(f slack.File) bool { return f.Name == name })
	})
	return found, err
}
