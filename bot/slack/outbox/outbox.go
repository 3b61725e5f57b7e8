// Package outbox is what the bot has said and wants to say in Slack: one record
// a message, so that a message is edited rather than repeated, and none is lost
// when the bot dies. It is pure: the store keeps the records, bot/slack sends
// them.
package outbox

import (
	"time"

	"irisops/bot/message"
)

// Post is one message in Slack: what it says, and what it should say.
type Post struct {
	Key      string // unique; the bot's key, or one made from it for a copy
	Incident string // whose thread it belongs to; "" is none
	Parent   bool   // it is the head of that thread
	Channel  string // where it goes; of a direct message the user's id until Slack has said which
	To       string // whom it is a direct message to, by a user's id; "" is nobody: it goes to a channel
	Thread   string // ts of the message it is a reply to; with an Incident found when it is sent
	User     string // shown to this user only; "" is to everybody
	Asker    string // who asked for it by a slash command, which nobody else sees
	Calls    string // whom it calls: a user's id, or Everybody; "" is nobody
	OnCall   bool   // it is a page, or trouble as pressing as one
	Beside   bool   // it stands in the channel, beside the thread of its incident
	State    string // of the incident whose message it is: the same again is no news
	Created  time.Time

	Message message.Message // as it should be; Data is left out
	Hash    string          // of what it should say
	Shown   string          // Hash of what it says in Slack; "" is nothing yet
	TS      string          // of the message in Slack; "" while it is not there
	Record  string          // what stands where buttons were taken away
	Failed  string          // why it was given up; "" is not
	Upload  bool            // it is a file: the one block of Message
	More    bool            // all of it was shown below, because somebody asked for it
	Folded  bool            // so was what is folded
	Pin     bool            // it should be pinned
	Pinned  bool            // it is
}

// Everybody in Calls is everybody in the channel.
const Everybody = "everybody"

// Pending says whether Slack does not show yet what it should.
func (p Post) Pending() bool { return (p.Shown != p.Hash || p.Unpinned()) && p.Failed == "" }

// Unpinned says whether it stands there and is not pinned as it should be.
func (p Post) Unpinned() bool { return p.TS != "" && p.Pin != p.Pinned }
