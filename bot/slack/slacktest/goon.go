package slacktest

// What is needed where many things are said and nothing is waited for.

// Connected says whether somebody listens now.
func (s *Slack) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		if !c.ending {
			return true
		}
	}
	return false
}

// Acknowledged says whether it was, so far.
func (d *Delivery) Acknowledged() bool {
	d.slack.mu.Lock()
	defer d.slack.mu.Unlock()
	return d.acks > 0
}

// Newest are the last n messages of the bot in the channel, as they stand, the
// newest last.
func (s *Slack) Newest(channel string, n int) (newest []*Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.channels[channel].messages
	for _, m := range all[max(0, len(all)-n):] {
		if m.Bot {
			newest = append(newest, m.copied())
		}
	}
	return newest
}

// PressAndGoOn presses a button as that message had it, says yes to its question,
// and does not wait for the acknowledgement.
func (s *Slack) PressAndGoOn(user string, on *Message, label string) *Delivery {
	s.t.Helper()
	return s.press(user, on, label, true)
}

// Uploads says where files are uploaded to: a name that leads here, for a program
// that reaches this Slack by Slack's own names and sends its token nowhere else.
func (s *Slack) Uploads(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads = base
}

// Whispered is how many private messages there were with all the parts.
func (s *Slack) Whispered(parts ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.ephemerals {
		if has(shown(e.Text, e.Blocks), parts) {
			n++
		}
	}
	return n
}
