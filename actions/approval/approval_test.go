package approval_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"irisops/actions/approval"
)

var asked = time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)

const digest = "what was shown"

var (
	requester = approval.Voter{Person: "operator"}
	self      = approval.Voter{Person: "operator", Approver: true}
	approver  = approval.Voter{Person: "owner", Approver: true}
	viewer    = approval.Voter{Person: "guest"}
	bot       = approval.Voter{Person: "owner", Approver: true, Bot: true}
	nobody    = approval.Voter{Approver: true}
)

func TestAgree(t *testing.T) {
	const c, s = approval.Confirmation, approval.SecondPerson
	last := asked.Add(approval.Holds - time.Nanosecond)
	for _, tt := range []struct {
		name   string
		needs  approval.Needs
		voter  approval.Voter
		digest string
		now    time.Time
		want   error
	}{
		{"the requester confirms", c, requester, digest, asked, nil},
		{"in the last moment", c, requester, digest, last, nil},
		{"someone else confirms", c, approver, digest, asked, approval.ErrNotRequester},
		{"a second person approves", s, approver, digest, asked, nil},
		{"in the last moment", s, approver, digest, last, nil},
		{"the requester approves", s, self, digest, asked, approval.ErrSelf},
		{"the requester without the role approves", s, requester, digest, asked, approval.ErrSelf},
		{"someone without the role approves", s, viewer, digest, asked, approval.ErrNotApprover},
		{"a bot approves", s, bot, digest, asked, approval.ErrBot},
		{"a bot confirms for the requester", c, approval.Voter{Person: "operator", Bot: true}, digest, asked, approval.ErrBot},
		{"nobody in particular approves", s, nobody, digest, asked, approval.ErrBot},
		{"what would run has changed", s, approver, "something else", asked, approval.ErrChanged},
		{"what would run has changed", c, requester, "something else", asked, approval.ErrChanged},
		{"what would run is not said", c, requester, "", asked, approval.ErrChanged},
		{"too late", s, approver, digest, asked.Add(approval.Holds), approval.ErrExpired},
		{"far too late", c, requester, digest, asked.Add(24 * time.Hour), approval.ErrExpired},
		{"the clock went back a little", s, approver, digest, asked.Add(-time.Minute), nil},
		{"the clock went back an hour", s, approver, digest, asked.Add(-time.Hour), approval.ErrExpired},
		{"an unknown need is a strict one", "", self, digest, asked, approval.ErrSelf},
		{"an unknown need is a strict one", "blessing", viewer, digest, asked, approval.ErrNotApprover},
		{"an unknown need is a strict one", "blessing", approver, digest, asked, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := approval.New(tt.needs, "operator", digest, asked)
			after, err := before.Agree(tt.voter, tt.digest, tt.now)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				if after != before {
					t.Errorf("a vote that does not count changed it: %+v", after)
				}
				return
			}
			want := before
			want.Verdict, want.By, want.At = approval.Approved, tt.voter.Person, tt.now
			if after != want {
				t.Errorf("settled as %+v, want %+v", after, want)
			}
		})
	}
}

func TestARequestWithoutADigestBindsNothing(t *testing.T) {
	r := approval.New(approval.Confirmation, "operator", "", asked)
	if _, err := r.Agree(requester, "", asked); !errors.Is(err, approval.ErrChanged) {
		t.Errorf("error %v", err)
	}
}

func TestDeny(t *testing.T) {
	for _, tt := range []struct {
		name  string
		voter approval.Voter
		now   time.Time
		want  error
	}{
		{"the requester withdraws", requester, asked, nil},
		{"an approver denies", approver, asked, nil},
		{"anyone else", viewer, asked, approval.ErrNotApprover},
		{"a bot", bot, asked, approval.ErrBot},
		{"too late", approver, asked.Add(approval.Holds), approval.ErrExpired},
	} {
		for _, needs := range []approval.Needs{approval.Confirmation, approval.SecondPerson} {
			t.Run(tt.name, func(t *testing.T) {
				r, err := approval.New(needs, "operator", digest, asked).Deny(tt.voter, "wrong node", tt.now)
				if !errors.Is(err, tt.want) {
					t.Fatalf("error %v, want %v", err, tt.want)
				}
				if denied := r.Verdict == approval.Denied; denied != (tt.want == nil) {
					t.Errorf("verdict %s", r.Verdict)
				}
				if tt.want == nil && (r.By != tt.voter.Person || r.Reason != "wrong node" || !r.At.Equal(tt.now)) {
					t.Errorf("denied as %+v", r)
				}
			})
		}
	}
}

func TestExpire(t *testing.T) {
	r := approval.New(approval.SecondPerson, "operator", digest, asked)
	if got, want := r.ExpiresAt(), asked.Add(10*time.Minute); !got.Equal(want) {
		t.Errorf("expires at %s, want %s", got, want)
	}
	for _, tt := range []struct {
		after   time.Duration
		expired bool
		at      time.Duration
	}{
		{0, false, 0},
		{approval.Holds - 1, false, 0},
		{approval.Holds, true, approval.Holds},
		{72 * time.Hour, true, approval.Holds},
		{-approval.Holds, false, 0},
		{-time.Hour, true, -time.Hour}, // the clock was set back
	} {
		got, expired := r.Expire(asked.Add(tt.after))
		if expired != tt.expired || (got.Verdict == approval.Expired) != tt.expired {
			t.Errorf("after %s: expired %v, verdict %s", tt.after, expired, got.Verdict)
		}
		if expired && !got.At.Equal(asked.Add(tt.at)) {
			t.Errorf("after %s: expired at %s", tt.after, got.At)
		}
	}
	expired, _ := r.Expire(asked.Add(time.Hour))
	if _, err := expired.Agree(approver, digest, asked); !errors.Is(err, approval.ErrExpired) {
		t.Errorf("what has expired is said to be: %v", err)
	}
	for _, settled := range []approval.Verdict{approval.Approved, approval.Denied, approval.Expired} {
		r.Verdict = settled
		if got, expired := r.Expire(asked.Add(time.Hour)); expired || got != r {
			t.Errorf("what is %s expired", settled)
		}
	}
}

// Whoever votes, whenever: one verdict at most, and only by those who may.
func TestARequestIsSettledOnceAndOnlyByThoseWhoMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		needs := rapid.SampledFrom([]approval.Needs{approval.Confirmation, approval.SecondPerson}).Draw(t, "needs")
		r := approval.New(needs, "operator", digest, asked)
		now := asked
		for range rapid.IntRange(1, 12).Draw(t, "votes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
			v := rapid.SampledFrom([]approval.Voter{requester, self, approver, viewer, bot, nobody}).Draw(t, "voter")
			shown := rapid.SampledFrom([]string{digest, digest, "something else"}).Draw(t, "digest")
			before := r
			var err error
			switch rapid.SampledFrom([]string{"agree", "deny", "expire"}).Draw(t, "vote") {
			case "agree":
				r, err = r.Agree(v, shown, now)
			case "deny":
				r, err = r.Deny(v, "", now)
			case "expire":
				r, _ = r.Expire(now)
			}
			if (before.Verdict != approval.Waiting || err != nil) && r != before {
				t.Fatalf("%+v was changed to %+v (error: %v)", before, r, err)
			}
			if r.Verdict == approval.Waiting || before.Verdict != approval.Waiting {
				continue
			}
			late := !now.Before(asked.Add(approval.Holds))
			switch r.Verdict {
			case approval.Approved:
				own := v.Person == "operator"
				if v.Bot || v.Person == "" || shown != digest || late || own != (needs == approval.Confirmation) || !own && !v.Approver {
					t.Fatalf("%+v approved %+v with %q at %s", v, before, shown, now)
				}
			case approval.Denied:
				if v.Bot || v.Person == "" || late || v.Person != "operator" && !v.Approver {
					t.Fatalf("%+v denied %+v at %s", v, before, now)
				}
			case approval.Expired:
				if !late {
					t.Fatalf("%+v expired at %s", before, now)
				}
			}
		}
	})
}

// A request that says when it stops waiting waits until then, and no longer.
func TestUntil(t *testing.T) {
	asked := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	r := approval.New(approval.SecondPerson, "schedule:drill", "digest", asked)
	r.Until = asked.Add(15 * time.Minute)
	second := approval.Voter{Person: "second", Approver: true}
	if _, err := r.Agree(second, "digest", r.Until.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := r.Agree(second, "digest", r.Until); err != approval.ErrExpired {
		t.Error(err)
	}
	if e, expired := r.Expire(r.Until); !expired || !e.At.Equal(r.Until) {
		t.Errorf("%+v", e)
	}
}
