// Package inbox is what arrives: one delivery for each thing a person typed or
// pressed, kept by its stable id before it is acknowledged, so that it is
// carried out once however often it is delivered. It is pure.
package inbox

import "time"

// Delivery is one thing a person typed or pressed, whatever the channel.
type Delivery struct {
	ID       string    // stable: the same again is the same delivery
	Via      string    // "terminal", "socket", "slack"
	Caller   string    // who the channel says it is: "unix:1000", "slack:U01", "demo:operator"
	Text     string    // the words, as typed
	Incident string    // the incident whose thread it came from: "INC-7"; "" elsewhere
	Cluster  string    // the channel's cluster; "" where there is only one
	Yes      bool      // the caller has confirmed beforehand (ctl --yes)
	Pinned   *Pinned   // a message of the thread that is to be kept; nil: none
	Received time.Time // when it was said, if the channel tells that it came late

	// CarriedOut is set in the transaction that does what was asked; Answered
	// when the reply is with the room. A delivery without the first can be run
	// after a crash, one without the second only needs a word.
	CarriedOut time.Time
	Answered   time.Time
}

// Pinned is what somebody has said in a thread and another wants to keep: the
// words of the delivery are then "note".
type Pinned struct {
	By    string    // who said it, as the channel names them: "slack:U01"
	At    time.Time // when
	Text  string
	Link  string // to the message
	Files []File
}

// File is a picture or a file in a pinned message. It stays where it is.
type File struct {
	Name      string
	MediaType string // "image/png"
	Size      int64  // bytes; 0: not known
	Link      string
}
