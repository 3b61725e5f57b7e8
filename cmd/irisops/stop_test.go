package main

import (
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"irisops/store"
)

// TestStopUnderLoad stops irisops while twenty people keep asking. Whoever was
// let in is answered to the end; it ends well and in time; and nothing of what
// it took stays without an answer.
func TestStopUnderLoad(t *testing.T) {
	s := newSite(t)
	stop := s.start()
	var answered, refused atomic.Int64
	var askers sync.WaitGroup
	quit := make(chan struct{})
	enough := make(chan struct{})
	for range 20 {
		askers.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				code, out, errs := s.irisops(t.Context(), "ctl", "--config", s.config, "status")
				switch {
				case code == 0 && strings.Contains(out, "core"):
					if answered.Add(1) == 100 {
						close(enough)
					}
				case strings.Contains(errs, "No irisops listens"), strings.Contains(errs, "did not take the command"):
					refused.Add(1)
					return
				default:
					t.Errorf("asked while it stopped: %d %q %q", code, out, errs)
					return
				}
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("it does not answer under load")
	}
	if code := stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	close(quit)
	askers.Wait()
	t.Logf("%d were answered, %d came after the end", answered.Load(), refused.Load())

	db, err := store.Open(filepath.Join(s.dir, "data", "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	left, err := db.Unanswered()
	if err != nil || len(left) > 0 {
		t.Errorf("%d deliveries were taken and not answered, %v", len(left), err)
	}
}
