package slacktest

import "time"

// LateAcks has the next n acknowledgements reach Slack later than it waits for them:
// for Slack there are none. It tells whoever typed a slash command that it timed
// out, and delivers again where it does that at all.
// https://docs.slack.dev/interactivity/implementing-slash-commands#responding
func (s *Slack) LateAcks(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lateAcks = n
}

// Stalled says that the test itself keeps the bot from acknowledging in time, so
// that lateness is no failure: it has the effect that LateAcks has.
func (s *Slack) Stalled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = true
}

// tooLate says whether an acknowledgement of what was sent then comes too late to
// be one. The caller holds mu.
func (s *Slack) tooLate(d *Delivery, sent time.Time) bool {
	switch {
	case d.quiet || d.acks > 0:
		return false
	case s.lateAcks > 0:
		s.lateAcks--
	case !s.stalled || time.Since(sent) <= ackWithin:
		return false
	}
	d.late()
	d.lost = s.posts != "" && d.kind != "events_api" // only events are sent again by HTTP
	return true
}

// late tells whoever typed a slash command that it was not acknowledged in time.
// The caller holds mu.
func (d *Delivery) late() {
	if d.kind == "slash_commands" && !d.timedOut {
		d.timedOut = true
		command, _ := d.payload["command"].(string)
		d.slack.ephemerals = append(d.slack.ephemerals, &Ephemeral{Channel: d.channel, User: d.user, Text: command + ` failed with the error "operation_timeout"`})
	}
	d.disturbed = true
	d.slack.touch()
}

// Attempts is how often it was delivered.
func (d *Delivery) Attempts() int {
	d.slack.mu.Lock()
	defer d.slack.mu.Unlock()
	return d.attempts
}
