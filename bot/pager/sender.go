package pager

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sender delivers pages by one channel. It is used by several goroutines at a
// time. The kit in pagertest says what is asked of it.
type Sender interface {
	// Channel is the name that pages call it by.
	Channel() string
	// Send delivers one page and returns when the far end has taken it. It heeds
	// ctx. Its error is made by Retry, RetryAfter, Unsure or Final; any other
	// counts as Unsure. No error contains a secret.
	Send(ctx context.Context, p Page) error
}

// Verdict says what an attempt to send came to.
type Verdict string

const (
	Arrived    Verdict = "arrived"
	NotArrived Verdict = "not arrived" // it can be tried again
	Uncertain  Verdict = "uncertain"   // it may have arrived; it is sent again, marked as a possible duplicate
	Refused    Verdict = "refused"     // it will never arrive this way
)

type sendError struct {
	verdict Verdict
	wait    time.Duration
	err     error
}

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// Retry marks an error after which the page has certainly not arrived and may
// be sent again: no connection, a server that is overloaded.
func Retry(err error) error { return &sendError{verdict: NotArrived, err: err} }

// RetryAfter is Retry where the far end said how long to wait.
func RetryAfter(err error, wait time.Duration) error {
	return &sendError{verdict: NotArrived, wait: wait, err: err}
}

// Unsure marks an error after which the page may have arrived or not: the
// connection broke or the time ran out after it was sent.
func Unsure(err error) error { return &sendError{verdict: Uncertain, err: err} }

// Final marks an error that sending again does not cure: the far end knows
// neither us nor the person.
func Final(err error) error { return &sendError{verdict: Refused, err: err} }

// Judge says what the error of a Send means, and how long the far end asked to
// wait; 0 if it did not say.
func Judge(err error) (Verdict, time.Duration) {
	var e *sendError
	switch {
	case err == nil:
		return Arrived, 0
	case errors.As(err, &e):
		return e.verdict, e.wait
	}
	return Uncertain, 0
}

// Words are what the person reads: the page's text with what has to be known of
// its delivery. Every Sender shows them.
func (p Page) Words() string {
	words := p.Text
	if late := p.Late(); late > 0 {
		words += fmt.Sprintf(" [late by %s]", late)
	}
	if p.PossibleDuplicate {
		words += " [possible duplicate]"
	}
	return words
}
