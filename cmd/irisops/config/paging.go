package config

import (
	"fmt"
	"os"
	"strings"
	"time"

	"irisops/bot/oncall"
)

// From says where a secret comes from: an absolute path of a file that only
// irisops may read, or env:NAME.
type From string

// Mail is the server by which pages are mailed.
type Mail struct {
	Server       string `yaml:"server"` // host:port
	Security     string `yaml:"security"`
	From         string `yaml:"from"`
	User         string `yaml:"user"`
	PasswordFrom From   `yaml:"password_from"`
	Team         string `yaml:"team"` // who is paged when nobody in particular is

	Password Secret `yaml:"-"`
}

// PagerDuty is how pages go there and answers come back.
type PagerDuty struct {
	URL            string `yaml:"url"`
	WebhookFrom    From   `yaml:"webhook_from"`
	DefaultKeyFrom From   `yaml:"key_from"`
	WebhookSecret  Secret `yaml:"-"`
	DefaultKey     Secret `yaml:"-"`
}

// Webhook is an address that pages are sent to.
type Webhook struct {
	URL               string `yaml:"url"`
	URLFrom           From   `yaml:"url_from"`
	SignatureFrom     From   `yaml:"signature_from"`
	AuthorizationFrom From   `yaml:"authorization_from"`
	Body              string `yaml:"body"`
	Updates           bool   `yaml:"updates"`

	Address       Secret `yaml:"-"`
	Signature     Secret `yaml:"-"`
	Authorization Secret `yaml:"-"`
}

// Heartbeat is who is told, again and again, that irisops watches.
type Heartbeat struct {
	URL     string        `yaml:"url"`
	URLFrom From          `yaml:"url_from"`
	Every   time.Duration `yaml:"every"`

	Address Secret `yaml:"-"`
}

// Alerts is who may send alerts, and what they become.
type Alerts struct {
	BearerFrom    From              `yaml:"bearer_from"`
	SignatureFrom From              `yaml:"signature_from"`
	Label         string            `yaml:"label"`      // whose value says how urgent it is
	Priorities    map[string]string `yaml:"priorities"` // value -> P0 to P3, or ignore
	Otherwise     string            `yaml:"otherwise"`

	Bearer    Secret `yaml:"-"`
	Signature Secret `yaml:"-"`
}

// Shift is one rule of a rotation.
type Shift struct {
	People   []string `yaml:"people"`
	Every    string   `yaml:"every"`     // "day" or "week"; "" is one person for good
	HandOver string   `yaml:"hand_over"` // "09:00", or "monday 09:00"
	Start    string   `yaml:"start"`     // "2026-01-05"
	Days     []string `yaml:"days"`
	Hours    string   `yaml:"hours"` // "18:00-08:00"

	shift oncall.Shift
}

// secret reads a secret from where the config says. Nothing that it says shows
// what may be the secret, put where its place belongs.
func (k *checker) secret(path string, from From) Secret {
	if !k.usable(path) {
		return Secret{}
	}
	text, where := "", string(from)
	if name, env := strings.CutPrefix(where, "env:"); env {
		if text = os.Getenv(name); text == "" {
			k.fault(path, "%s: the environment variable %s is not set.", last(path), plain(name))
			return Secret{}
		}
		return NewSecret(text)
	}
	if !strings.HasPrefix(where, "/") {
		k.fault(path, "%s has to be the absolute path of a file that holds it, or env:NAME. What stands here is neither; it is not shown, in case it is the secret itself.", last(path))
		return Secret{}
	}
	if !k.checkPath(path, where) || !k.checkPrivate(path, where, 0o007) {
		return Secret{}
	}
	data, err := readFile(where, maxSecret)
	if err != nil {
		k.unread(path, where, err)
		return Secret{}
	}
	text = strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, "\r\n") {
		k.fault(path, "%s: %s has to hold it in one line, and nothing else.", last(path), where)
		return Secret{}
	}
	return NewSecret(text)
}

const maxSecret = 4 << 10

func at(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
