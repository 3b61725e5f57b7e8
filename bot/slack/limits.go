package slack

import "time"

// eventPatience is for what has to be asked before an event is acknowledged,
// which has to be within 3 s.
const eventPatience = 2 * time.Second

// What Slack takes: https://docs.slack.dev/reference/block-kit/blocks,
// the JSDoc of @slack/types, and for all blocks together msg_blocks_too_long,
// seen from 11,341 characters on (slackapi/bolt-js#2509). Counted in characters
// of escaped text.
const (
	maxBlocks  = 50
	maxAll     = 9_000 // of 10,000, to be on the safe side of how Slack counts
	maxSection = 3_000
	maxField   = 2_000
	maxFields  = 10 // a section
	maxLabel   = 75
	maxValue   = 2_000
	maxButtons = 25 // an actions block
	maxConfirm = 300
	maxText    = 3_000 // the fallback; 4,000 are advised, 40,000 are cut
	maxTitle   = 700   // ours: what is longer is no first line
	maxNote    = 300   // ours: evidence of a step
	maxFold    = 600   // ours: what is folded and shown all the same
)
