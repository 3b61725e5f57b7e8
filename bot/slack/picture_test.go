package slack_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"irisops/bot/slack/slacktest"
)

// picture draws messages and Homes as Slack would, and keeps the picture where
// SLACK_PICTURES names a folder, to be looked at: make pictures.
func picture(t *testing.T, s *slacktest.Slack, name string, what ...any) {
	t.Helper()
	page := s.Draw(slacktest.People{operator: "operator", second: "second"}, what...)
	dir := os.Getenv("SLACK_PICTURES")
	if dir == "" {
		return
	}
	file := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(820, 300))...)
	defer cancelAllocator()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	seen, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), seen, 0o644); err != nil {
		t.Fatal(err)
	}
}
