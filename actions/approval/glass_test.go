package approval_test

import (
	"errors"
	"testing"
	"time"

	"irisops/actions/approval"
)

func TestBreakGlass(t *testing.T) {
	const c, s = approval.Confirmation, approval.SecondPerson
	owner := approval.Voter{Person: "owner", Approver: true, Glass: true}
	account := approval.Voter{Person: "unix:root", Bot: true, Glass: true}
	selfAsBot := approval.Voter{Person: "operator", Bot: true}
	last := asked.Add(approval.Holds - time.Nanosecond)
	for _, tt := range []struct {
		name   string
		needs  approval.Needs
		voter  approval.Voter
		digest string
		reason string
		now    time.Time
		want   error
	}{
		{"the requester alone", s, requester, digest, "nobody else", asked, nil},
		{"in the last moment", s, requester, digest, "nobody else", last, nil},
		{"an owner for somebody else", s, owner, digest, "nobody else", asked, nil},
		{"an account of the machine", s, account, digest, "nobody else", asked, nil},
		{"an unknown need is a strict one", "blessing", requester, digest, "nobody else", asked, nil},
		{"an approver for somebody else", s, approver, digest, "nobody else", asked, approval.ErrNotGlass},
		{"a viewer", s, viewer, digest, "nobody else", asked, approval.ErrNotGlass},
		{"a bot", s, bot, digest, "nobody else", asked, approval.ErrBot},
		{"a bot of the requester's", s, selfAsBot, digest, "nobody else", asked, approval.ErrBot},
		{"nobody in particular", s, nobody, digest, "nobody else", asked, approval.ErrBot},
		{"without a reason", s, requester, digest, " \t", asked, approval.ErrNoReason},
		{"what needs no second person", c, requester, digest, "nobody else", asked, approval.ErrNoGlass},
		{"what has changed", s, owner, "something else", "nobody else", asked, approval.ErrChanged},
		{"what is not said", s, owner, "", "nobody else", asked, approval.ErrChanged},
		{"too late", s, owner, digest, "nobody else", asked.Add(approval.Holds), approval.ErrExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := approval.New(tt.needs, "operator", digest, asked)
			after, err := before.BreakGlass(tt.voter, tt.digest, tt.reason, tt.now)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				if after != before {
					t.Errorf("it changed all the same: %+v", after)
				}
				return
			}
			if after.Verdict != approval.Approved || !after.Glass || after.By != tt.voter.Person || after.Reason != tt.reason || !after.At.Equal(tt.now) {
				t.Errorf("settled as %+v", after)
			}
			if _, err := after.BreakGlass(tt.voter, tt.digest, tt.reason, tt.now); !errors.Is(err, approval.ErrSettled) {
				t.Errorf("broken twice: %v", err)
			}
			denied, err := before.Deny(approver, "no", tt.now)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := denied.BreakGlass(tt.voter, tt.digest, tt.reason, tt.now); !errors.Is(err, approval.ErrSettled) {
				t.Errorf("broken after it was denied: %v", err)
			}
		})
	}
}
