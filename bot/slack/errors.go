package slack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// verdict says what an error of the Web API means for what was to be sent.
type verdict int

const (
	unsure    verdict = iota // no answer, or half of one: Slack may have taken it
	limited                  // too fast; not taken
	refused                  // the bot as a whole is refused: a person has to mend it
	closed                   // this channel is
	absent                   // the message or thread that it is about is not there
	unfit                    // its content is refused
	useless                  // it can never arrive, and need not
	unwelcome                // this person gets no direct message from the bot
)

// verdicts of Slack's error codes, as the pages of chat.postMessage,
// chat.update, chat.postEphemeral and apps.connections.open list them
// (https://docs.slack.dev/reference/methods). Any other code is unsure.
var verdicts = map[string]verdict{
	"invalid_auth": refused, "not_authed": refused, "account_inactive": refused, "token_revoked": refused,
	"token_expired": refused, "missing_scope": refused, "no_permission": refused, "not_allowed_token_type": refused,
	"ekm_access_denied": refused, "org_login_required": refused, "team_access_not_granted": refused,
	"two_factor_setup_required": refused, "access_denied": refused, "link_disabled": refused,
	"enterprise_is_restricted": refused, "accesslimited": refused,

	"not_in_channel": closed, "channel_not_found": closed, "is_archived": closed, "is_inactive": closed,
	"restricted_action": closed, "restricted_action_read_only_channel": closed, "restricted_action_thread_locked": absent,
	"restricted_action_thread_only_channel": closed, "team_not_found": closed,

	"message_not_found": absent, "thread_not_found": absent, "cannot_reply_to_message": absent,
	"cant_update_message": absent, "edit_window_closed": absent, "restricted_action_non_threadable_channel": absent,

	"invalid_blocks": unfit, "invalid_blocks_format": unfit, "msg_blocks_too_long": unfit, "msg_too_long": unfit,
	"no_text": unfit, "invalid_arguments": unfit, "invalid_metadata_format": unfit, "metadata_too_large": unfit,
	"metadata_must_be_sent_from_app": unfit,

	"file_uploads_disabled": useless, "storage_limit_reached": useless, "file_upload_size_restricted": useless, "invalid_channel": closed,
	"already_pinned": useless, "no_pin": useless, "not_pinnable": useless, "user_not_in_channel": useless, "messages_tab_disabled": useless,

	"ratelimited": limited, "rate_limited": limited, "message_limit_exceeded": limited,
}

// judge says what an error means, and how long Slack asks to wait; 0 if it does
// not say.
func judge(err error) (verdict, time.Duration) {
	var wait *slack.RateLimitedError
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &wait):
		return limited, max(wait.RetryAfter, pace)
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests: // without Retry-After
		return limited, 0
	}
	if v, known := verdicts[codeOf(err)]; known {
		return v, 0
	}
	return unsure, 0
}

// codeOf is Slack's own word for what is wrong.
func codeOf(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) {
		return answer.Err
	}
	return ""
}

// explained is the error with what a person has to do about it.
func explained(err error) error {
	switch code := codeOf(err); code {
	case "":
		return err
	case "missing_scope":
		var answer slack.SlackErrorResponse
		errors.As(err, &answer)
		return fmt.Errorf("%w: the app lacks the scope %s; compare it with `irisops manifest` and install it again", err, answer.Needed)
	case "not_in_channel", "channel_not_found":
		return fmt.Errorf("%w: invite the app to the channel with /invite", err)
	case "is_archived":
		return fmt.Errorf("%w: the channel is archived; set another one in the config", err)
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type":
		return fmt.Errorf("%w: the token is no good; take the present ones from the app's pages, put them into SLACK_BOT_TOKEN and SLACK_APP_TOKEN, and restart irisops", err)
	}
	return err
}

// backoff is how long to wait after so many failures in a row: 1 s, 2, 4 ... a
// minute, each a fifth more or less.
func backoff(failures int) time.Duration {
	wait := min(time.Second<<min(failures, 6), time.Minute)
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
}

// alarms tells each trouble once, until it is over.
type alarms struct {
	tell func(what string, err error)

	mu   sync.Mutex
	told map[string]bool
	away time.Time // since when Slack gives no answers; zero: it does
}

func (a *alarms) raise(what string, err error) {
	a.mu.Lock()
	known := a.told[what]
	if a.told == nil {
		a.told = map[string]bool{}
	}
	a.told[what] = true
	a.mu.Unlock()
	if !known {
		a.tell(what, explained(err))
	}
}

func (a *alarms) over(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.told, what)
}

// patience is how long Slack may give no answer before that is told.
const patience = 30 * time.Second

const (
	whatRefused = "Slack refuses the bot, so nothing is shown there"
	whatAway    = "Slack cannot be reached; what is to be said is kept"
	whatDeaf    = "What people say in Slack does not arrive"
	whatBroke   = "Something in irisops broke while messages for Slack were sorted; what is to be said is kept"
)

func whatClosed(channel string) string {
	return "Slack refuses messages in the channel " + channel
}

// unanswered notes that Slack gave no answer.
func (a *alarms) unanswered(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	a.mu.Lock()
	if a.away.IsZero() {
		a.away = time.Now()
	}
	long := time.Since(a.away) >= patience
	a.mu.Unlock()
	if long {
		a.raise(whatAway, err)
	}
}

// answered notes that Slack took something in that channel.
func (a *alarms) answered(channel string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = time.Time{}
	delete(a.told, whatAway)
	delete(a.told, whatRefused)
	delete(a.told, whatClosed(channel))
}
