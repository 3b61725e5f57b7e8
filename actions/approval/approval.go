// Package approval decides whether an action may run: whether the requester has
// confirmed it, or a second person approved it. It is pure; who is who, and who
// has which role, is told to it by the caller.
package approval

import (
	"errors"
	"strings"
	"time"
)

// Needs is what a request waits for.
type Needs string

const (
	Confirmation Needs = "confirmation" // the requester, having seen what will run
	SecondPerson Needs = "approval"     // another person with the approver role
)

// Holds is how long a request waits; after that it is expired and has to be
// asked for again.
const Holds = 10 * time.Minute

// Verdict is the outcome of a request.
type Verdict string

const (
	Waiting  Verdict = "waiting"
	Approved Verdict = "approved" // or confirmed
	Denied   Verdict = "denied"
	Expired  Verdict = "expired"
)

// Request is one action waiting for agreement. It is bound to Digest: the exact
// action, parameters, targets and steps.
type Request struct {
	Needs     Needs
	Requester string
	Digest    string
	Asked     time.Time
	Until     time.Time // when it stops waiting; zero: Holds after Asked
	Verdict   Verdict
	By        string // who settled it
	Glass     bool   // who settled it was alone, and broke the glass; Reason says why
	At        time.Time
	Reason    string
}

// Voter is who wants to settle a request.
type Voter struct {
	Person   string // a person's id; never empty
	Approver bool   // has the approver role
	Bot      bool   // is no person: cannot agree to anything
	Glass    bool   // may break the glass for what others asked for
}

// Why a vote does not count.
var (
	ErrSettled      = errors.New("this request is settled already")
	ErrExpired      = errors.New("this request has expired")
	ErrChanged      = errors.New("what would run has changed since it was asked for")
	ErrSelf         = errors.New("the requester cannot approve: a second person has to")
	ErrNotRequester = errors.New("only the requester confirms this")
	ErrNotApprover  = errors.New("only an approver approves this")
	ErrNotGlass     = errors.New("only who asked for it, or an owner, breaks the glass")
	ErrNoGlass      = errors.New("it needs no second person, so there is no glass to break")
	ErrNoReason     = errors.New("the glass is not broken without a reason")
	ErrBot          = errors.New("a bot cannot agree to anything")
)

// New is a request asked for now.
func New(needs Needs, requester, digest string, now time.Time) Request {
	return Request{Needs: needs, Requester: requester, Digest: digest, Asked: now, Verdict: Waiting}
}

// ExpiresAt is when it stops waiting.
func (r Request) ExpiresAt() time.Time {
	if !r.Until.IsZero() {
		return r.Until
	}
	return r.Asked.Add(Holds)
}

// Expire marks a request that has waited too long; it says whether it did. So
// has one that was asked for more than Holds in the future: the clock was set
// back, and how long it has waited is not known.
func (r Request) Expire(now time.Time) (Request, bool) {
	switch {
	case r.Verdict != Waiting:
		return r, false
	case !now.Before(r.ExpiresAt()):
		r.Verdict, r.At = Expired, r.ExpiresAt()
		return r, true
	case r.Asked.Sub(now) > Holds:
		r.Verdict, r.At = Expired, now
		return r, true
	}
	return r, false
}

// Agree settles the request in favour: the requester confirms, or an approver
// approves; a need that is not known is taken for the stricter one. digest is of
// what would run now, and never empty.
func (r Request) Agree(v Voter, digest string, now time.Time) (Request, error) {
	if err := r.open(v, now); err != nil {
		return r, err
	}
	switch {
	case r.Needs == Confirmation && v.Person != r.Requester:
		return r, ErrNotRequester
	case r.Needs != Confirmation && v.Person == r.Requester:
		return r, ErrSelf
	case r.Needs != Confirmation && !v.Approver:
		return r, ErrNotApprover
	case digest != r.Digest || digest == "":
		return r, ErrChanged
	}
	r.Verdict, r.By, r.At = Approved, v.Person, now
	return r, nil
}

// BreakGlass settles it in favour without a second person, because there is none:
// by the requester alone, or by who may do so for others. It is bound to the same
// digest, expires with the same time and settles the request as an approval does.
func (r Request) BreakGlass(v Voter, digest, reason string, now time.Time) (Request, error) {
	person := v
	person.Bot = v.Bot && !v.Glass // an account of the machine is no person, and may
	if err := r.open(person, now); err != nil {
		return r, err
	}
	switch {
	case r.Needs == Confirmation:
		return r, ErrNoGlass
	case !v.MayBreak(r.Requester):
		return r, ErrNotGlass
	case strings.TrimSpace(reason) == "":
		return r, ErrNoReason
	case digest != r.Digest || digest == "":
		return r, ErrChanged
	}
	r.Verdict, r.By, r.At, r.Reason, r.Glass = Approved, v.Person, now, reason, true
	return r, nil
}

// MayBreak says whether the voter may break the glass for what that person asked
// for.
func (v Voter) MayBreak(requester string) bool {
	return v.Person != "" && (v.Glass || v.Person == requester && !v.Bot)
}

// Deny settles it against. The requester may withdraw, and an approver may deny.
func (r Request) Deny(v Voter, reason string, now time.Time) (Request, error) {
	if err := r.open(v, now); err != nil {
		return r, err
	}
	if v.Person != r.Requester && !v.Approver {
		return r, ErrNotApprover
	}
	r.Verdict, r.By, r.At, r.Reason = Denied, v.Person, now, reason
	return r, nil
}

func (r Request) open(v Voter, now time.Time) error {
	if _, expired := r.Expire(now); expired || r.Verdict == Expired {
		return ErrExpired
	}
	switch {
	case r.Verdict != Waiting:
		return ErrSettled
	case v.Bot || v.Person == "":
		return ErrBot
	}
	return nil
}
