package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReload changes the config under a running irisops.
func TestReload(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs lockedBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"run", "--config", s.config}, streams{os.Stdin, &out, &errs}) }()
	s.await()
	until := func(b *lockedBuffer, text string) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		deadline := time.After(30 * time.Second)
		for !strings.Contains(b.String(), text) {
			select {
			case <-tick.C:
			case code := <-done:
				t.Fatalf("it ended with %d before it said %q:\n%s\n%s", code, text, &out, &errs)
			case <-deadline:
				t.Fatalf("it does not say %q:\n%s\n%s", text, &out, &errs)
			}
		}
	}
	hup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	who := func() string {
		t.Helper()
		_, said, _ := s.irisops(t.Context(), "ctl", "--config", s.config, "access", "explain", "restart")
		return said
	}
	until(&out, "stands beside main")
	if said := who(); !strings.Contains(said, "operator") || strings.Contains(said, "newcomer") {
		t.Fatalf("at first: %s", said)
	}

	s.write("irisops.yaml", strings.Replace(good, "people:\n", "people:\n  - {id: newcomer, roles: [operator]}\n", 1))
	hup()
	until(&out, "was reloaded")
	if said := who(); !strings.Contains(said, "newcomer") {
		t.Errorf("after the reload: %s", said)
	}

	s.write("irisops.yaml", strings.Replace(good, "people:", "poeple:", 1))
	hup()
	until(&errs, "the config was not reloaded, the one from before stays: it has faults.")
	until(&errs, "Did you mean people?")
	s.write("irisops.yaml", strings.Replace(good, "data: "+s.dir+"/data", "data: "+s.dir+"/other", 1))
	hup()
	until(&errs, "data: cannot change while irisops runs.")
	s.write("irisops.yaml", strings.Replace(good, "listen: 127.0.0.1:0", "listen: 192.0.2.1:1", 1)) // an address that is nobody's
	hup()
	until(&errs, "it cannot start with the new config, so the one from before is taken again")
	s.write("irisops.yaml", good)
	s.await()
	if said := who(); !strings.Contains(said, "newcomer") {
		t.Errorf("after three configs that do not work: %s", said)
	}

	cancel()
	if code := <-done; code != 0 {
		t.Errorf("it ends with %d: %s", code, &errs)
	}
}
