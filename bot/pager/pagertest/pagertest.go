// Package pagertest is the conformance kit for pager back ends: what every
// pager.Sender has to do, whatever it sends by. A back end's test describes the
// far ends that it can meet, and the kit sends pages to them. Imported by tests
// only.
package pagertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/bot/pager"
)

// Backend is a back end under test.
type Backend struct {
	Channel string // that its Senders are for
	// Cases are the far ends it can meet: one at least that takes every page, and
	// one for each way of failing that it tells apart.
	Cases []Case
	// Silent makes a Sender whose far end takes the connection and never answers.
	// Nil only where nothing is waited for.
	Silent func(testing.TB) pager.Sender
	// Secrets are what the Senders know and must not tell: tokens, passwords.
	Secrets []string
}

// Case is one far end.
type Case struct {
	Name string
	Want pager.Verdict // on every page
	Wait time.Duration // how long the far end asks to wait; 0: it does not
	// Open makes the far end and a Sender to it. arrived are the texts that the
	// far end has taken so far.
	Open func(testing.TB) (s pager.Sender, arrived func() []string)
}

// Test fails t for everything that the back end does not do as it should.
func Test(t *testing.T, b Backend) {
	t.Helper()
	for _, p := range Problems(t, b) {
		t.Error(p)
	}
}

// patience is how long a Sender may take to notice that its context has ended.
const patience = 2 * time.Second

// Problems are what the back end does not do as it should.
func Problems(t testing.TB, b Backend) []string {
	t.Helper()
	k := &kit{b: b}
	k.coverage()
	for _, c := range b.Cases {
		k.what = c.Name
		k.verdict(t, c)
		k.endedContext(t, c)
		if c.Want == pager.Arrived {
			k.words(t, c)
			k.together(t, c)
		}
	}
	if b.Silent != nil {
		k.what = "a far end that never answers"
		k.silence(t)
	}
	return k.problems
}

type kit struct {
	b        Backend
	what     string
	mu       sync.Mutex
	problems []string
}

func (k *kit) bad(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems = append(k.problems, k.what+": "+fmt.Sprintf(format, args...))
}

func page(channel string) pager.Page {
	queued := time.Date(2000, 1, 1, 0, 15, 0, 0, time.UTC)
	return pager.Page{
		Incident: "INC-7", Step: "P0/15m", Role: "sre", Person: "operator", Channel: channel, State: pager.Sending, Attempts: 1,
		Text: "INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)", Queued: queued, Due: queued,
	}
}

func (k *kit) coverage() {
	k.what = "the back end's test"
	wants := func(v pager.Verdict) bool {
		return slices.ContainsFunc(k.b.Cases, func(c Case) bool { return c.Want == v })
	}
	if !wants(pager.Arrived) {
		k.bad("has no case in which a page arrives")
	}
	if !wants(pager.NotArrived) && !wants(pager.Refused) && !wants(pager.Uncertain) {
		k.bad("has no case in which a page does not arrive")
	}
}

// send sends one page, and looks for secrets in the error.
func (k *kit) send(ctx context.Context, s pager.Sender, p pager.Page) (err error) {
	defer func() {
		if r := recover(); r != nil {
			k.bad("Send panics: %v", r)
			err = pager.Final(errors.New("panic"))
		}
	}()
	err = s.Send(ctx, p)
	if err == nil {
		return nil
	}
	if strings.TrimSpace(err.Error()) == "" {
		k.bad("an error says nothing")
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		told := fmt.Sprintf("%v %+v %#v", e, e, e)
		for _, secret := range k.b.Secrets {
			if secret != "" && strings.Contains(told, secret) {
				k.bad("a secret stands in the error %q", strings.ReplaceAll(e.Error(), secret, "<the secret>"))
				return err
			}
		}
	}
	return err
}

// verdict: the error says what happened, and what it says is true.
func (k *kit) verdict(t testing.TB, c Case) {
	s, arrived := c.Open(t)
	if got := s.Channel(); got != k.b.Channel {
		k.bad("Channel is %q, want %q", got, k.b.Channel)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := k.send(ctx, s, page(k.b.Channel))
	verdict, wait := pager.Judge(err)
	if verdict != c.Want {
		k.bad("the verdict is %q (error: %v), want %q", verdict, err, c.Want)
	}
	if wait != c.Wait {
		k.bad("it says to wait %s, but the far end asks for %s", wait, c.Wait)
	}
	switch n := len(arrived()); {
	case verdict == pager.Arrived && n != 1:
		k.bad("the page is said to have arrived, and has %d times", n)
	case (verdict == pager.NotArrived || verdict == pager.Refused) && n > 0:
		k.bad("the page is said not to have arrived, but has")
	}
}

// endedContext: nothing is sent once nobody waits for it.
func (k *kit) endedContext(t testing.TB, c Case) {
	s, arrived := c.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	err := k.send(ctx, s, page(k.b.Channel))
	if took := time.Since(start); took > patience {
		k.bad("with a context that had ended, Send took %s", took)
	}
	verdict, _ := pager.Judge(err)
	if verdict == pager.Arrived || len(arrived()) > 0 {
		k.bad("with a context that had ended, a page was sent")
	}
	if verdict == pager.Refused && c.Want != pager.Refused {
		k.bad("with a context that had ended, the page is given up: %v", err)
	}
}

// words: a person gets the text and what is special about it, however odd.
func (k *kit) words(t testing.TB, c Case) {
	plain := page(k.b.Channel)
	again := plain
	again.PossibleDuplicate = true
	late := plain
	late.Queued = late.Due.Add(2 * time.Hour)
	nobody := plain
	nobody.Person = ""
	long := plain
	long.Text = strings.Repeat("x", 10_000)
	odd := plain
	odd.Text = "\xff\x00 <!channel> *bold* \u202e"
	for _, one := range []struct {
		name string
		page pager.Page
		want string // in the text that arrives
	}{
		{"a page", plain, "no clients can connect"},
		{"a possible duplicate", again, "possible duplicate"},
		{"a late page", late, "late by 2"},
		{"a page for nobody in particular", nobody, "no clients can connect"},
		{"a page of 10,000 characters", long, "xxxx"},
		{"a page with odd characters", odd, ""},
	} {
		s, arrived := c.Open(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := k.send(ctx, s, one.page)
		cancel()
		verdict, _ := pager.Judge(err)
		got := arrived()
		switch {
		case verdict != pager.Arrived || len(got) != 1:
			k.bad("%s: %d arrived (error: %v)", one.name, len(got), err)
		case !strings.Contains(got[0], one.want):
			k.bad("%s: %q does not say %q", one.name, got[0], one.want)
		}
	}
}

// together: one Sender is used by many at a time.
func (k *kit) together(t testing.TB, c Case) {
	s, arrived := c.Open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const many = 20
	var sends sync.WaitGroup
	for i := range many {
		sends.Go(func() {
			p := page(k.b.Channel)
			p.Person = fmt.Sprintf("person%d", i)
			p.Text = fmt.Sprintf("page number %03d", i)
			if err := k.send(ctx, s, p); err != nil {
				k.bad("of many pages at a time one fails: %v", err)
			}
		})
	}
	sends.Wait()
	got := arrived()
	for i := range many {
		n := 0
		for _, text := range got {
			if strings.Contains(text, fmt.Sprintf("page number %03d", i)) {
				n++
			}
		}
		if n != 1 {
			k.bad("of many pages at a time one arrives %d times", n)
		}
	}
}

// silence: Send ends with its context, and says that it is not sure.
func (k *kit) silence(t testing.TB) {
	s := k.b.Silent(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- k.send(ctx, s, page(k.b.Channel)) }()
	select {
	case err := <-ended:
		if verdict, _ := pager.Judge(err); verdict != pager.Uncertain {
			k.bad("the verdict is %q (error: %v), want %q", verdict, err, pager.Uncertain)
		}
	case <-time.After(100*time.Millisecond + patience):
		k.bad("Send does not end with its context")
	}
}
