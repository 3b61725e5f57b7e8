// Package config reads the one config file: YAML, strictly decoded, every fault
// named with its line and the way out, not only the first. It owns the file's
// shape, its defaults, and what must hold between its parts; the wiring turns it
// into what the parts want.
//
// The file never holds a secret: tokens come from the environment, the cookie
// and keys from files named here. docs/irisops.example.yaml explains every key.
package config

import (
	"os/user"
	"time"

	"irisops/bot/access"
	"irisops/bot/incident"
)

// Config is a file that Load found no fault in, with the defaults filled in.
type Config struct {
	Data        string                       `yaml:"data"`         // absolute folder
	Listen      string                       `yaml:"listen"`       // host:port, port 0 for any free one; or "none"
	ExternalURL string                       `yaml:"external_url"` // "" or the http(s) address that links begin with, without a slash at the end
	Board       Board                        `yaml:"board"`
	Socket      Socket                       `yaml:"socket"`
	TimeZone    string                       `yaml:"time_zone"`
	Slack       *Slack                       `yaml:"slack"` // nil: no Slack
	People      []Person                     `yaml:"people"`
	Groups      map[access.Role]string       `yaml:"groups"` // Slack user group of a role
	OnCallRoles map[string]string            `yaml:"oncall"` // role -> person
	Rotations   map[string][]Shift           `yaml:"rotations"`
	Mail        *Mail                        `yaml:"mail"`      // nil: no page is mailed
	PagerDuty   *PagerDuty                   `yaml:"pagerduty"` // nil: not used
	Webhooks    map[string]Webhook           `yaml:"webhooks"`
	Heartbeat   *Heartbeat                   `yaml:"heartbeat"` // nil: nobody outside watches
	Alerts      *Alerts                      `yaml:"alerts"`    // nil: none are taken
	Policies    map[incident.Priority]Policy `yaml:"policies"`
	Business    Business                     `yaml:"business"`
	Clusters    []Cluster                    `yaml:"clusters"`
	Hosts       map[string]Host              `yaml:"hosts"`
	Checks      Checks                       `yaml:"checks"`
	Schedules   Schedules                    `yaml:"schedules"`
	Backup      Backup                       `yaml:"backup"`
	Watch       Watch                        `yaml:"watch"`
	Drill       Drill                        `yaml:"drill"`

	zone     *time.Location
	warnings Faults
	listens  bool // listen stands in the file
}

// Socket is where irisops ctl reaches the bot; its mode is 0660.
type Socket struct {
	Path  string `yaml:"path"`
	Group string `yaml:"group"` // Unix group that may use it; "" is the bot's own
}

// Slack says how the bot is in Slack. Its tokens come from the environment.
type Slack struct {
	Mode          string `yaml:"mode"` // "socket" or "http"
	Channel       string `yaml:"channel"`
	OnCallChannel string `yaml:"oncall_channel"` // Channel if not given

	Team        string            `yaml:"team"`         // "T0TEAM": the only workspace that is listened to; "" is the app's own
	Channels    map[string]string `yaml:"channels"`     // channel -> the cluster that it talks of
	Reactions   map[string]string `yaml:"reactions"`    // emoji -> "ack" or "note"
	KeepReplies bool              `yaml:"keep_replies"` // what people write in the thread of an incident goes to its timeline
}

// Person is one person, whatever the channel.
type Person struct {
	ID    string        `yaml:"id"`
	Slack string        `yaml:"slack"` // user id, "U01"
	Unix  string        `yaml:"unix"`  // account, by name or number
	Mail  string        `yaml:"mail"`
	Roles []access.Role `yaml:"roles"`

	Contact          []string `yaml:"contact"` // how they are paged, in order: slack, mail, pagerduty, a webhook
	PagerDutyKeyFrom From     `yaml:"pagerduty_key_from"`
	PagerDutyUser    string   `yaml:"pagerduty_user"` // their id there, "PXPGF42"
	PagerDutyKey     Secret   `yaml:"-"`

	UID string `yaml:"-"` // the number of the Unix account; "" if this machine does not know it
}

// Cluster is one IRIS cluster.
type Cluster struct {
	Name       string `yaml:"name"`
	CookieFile string `yaml:"cookie_file"`
	EPMDPort   int    `yaml:"epmd_port"`
	TLS        *TLS   `yaml:"tls"` // nil: the nodes speak plain TCP
	Nodes      []Node `yaml:"nodes"`
	Smoke      *Smoke `yaml:"smoke"` // nil: none

	Cookie Secret `yaml:"-"` // what the cookie file holds
}

// TLS says how nodes that were started with -proto_dist inet_tls are recognised,
// and by what they recognise irisops: files in PEM.
type TLS struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"` // "": irisops shows none
	KeyFile  string `yaml:"key_file"`
}

// Node is one expected node.
type Node struct {
	Short    string            `yaml:"short"`
	Name     string            `yaml:"name"`
	Role     string            `yaml:"role"` // "core" or "edge"
	Host     string            `yaml:"host"` // "local", or a name under hosts
	Dir      string            `yaml:"dir"`
	Target   string            `yaml:"target"`
	MakeVars map[string]string `yaml:"make_vars"`
	Log      string            `yaml:"log"` // relative to Dir
	Port     int               `yaml:"port"`
	Drill    bool              `yaml:"drill"` // it may be the victim of a drill
}

// Smoke is the cluster's own smoke test: a program with fixed arguments in the
// folder of a node.
type Smoke struct {
	Node   string        `yaml:"node"`
	Run    []string      `yaml:"run"`
	Within time.Duration `yaml:"within"`
}

// Host is how a machine is reached that is not this one.
type Host struct {
	SSH        string `yaml:"ssh"` // user@host or user@host:port
	KnownHosts string `yaml:"known_hosts"`
	Identity   string `yaml:"identity"` // "": the keys of the SSH agent
}

const (
	defaultListen   = "127.0.0.1:8642"
	noListener      = "none"
	defaultZone     = "UTC"
	defaultEPMDPort = 4369
	defaultSocket   = "irisops.sock" // in the data folder
	local           = "local"
)

// machine is what Load asks of the machine beside the files themselves.
type machine struct {
	account func(name string) (*user.User, error) // by name or number
	group   func(name string) (*user.Group, error)
	self    string // the number of the account that this runs as
	agent   string // where an SSH agent listens (SSH_AUTH_SOCK); "": there is none
}
