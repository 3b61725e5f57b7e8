package console

import "irisops/bot"

// The socket speaks JSON, one value a line: the client sends one Ask, the server
// answers with any number of posts and one End. A copy of the database is asked for
// in the same way, and comes as it is after a line that says how long it is.

// Ask is one command over the socket.
type Ask struct {
	ID   string `json:"id"` // made by the client: the same again is the same command
	Text string `json:"text"`
	Yes  bool   `json:"yes,omitempty"`  // the caller has confirmed their own request
	Copy bool   `json:"copy,omitempty"` // not a command: a copy of the database is wanted
}

// Answer is one line of the server's: a post, or the end.
type Answer struct {
	Post *bot.Post `json:"post,omitempty"`
	End  *End      `json:"end,omitempty"`

	Bytes   int64  `json:"bytes,omitempty"`   // of the copy that follows this line
	Refused string `json:"refused,omitempty"` // why there is no copy
}

// End closes the answer.
type End struct {
	Code int `json:"code"` // the exit code of irisops ctl
}

// maxAsk bounds what a client may send, in bytes: the longest text and its JSON
// escapes.
const maxAsk = 128 << 10
