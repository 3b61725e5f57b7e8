package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// Board says who may look at the board where more than this machine reaches it.
type Board struct {
	TokenFile string `yaml:"token_file"` // file with the token in one line; "" is none
	Proxy     bool   `yaml:"proxy"`      // somebody in front of it asks who looks

	Token Secret `yaml:"-"` // what the token file holds
}

// Length of a token, in characters.
const (
	minToken = 16
	maxToken = 200
)

// Served says whether the board may be shown where the listener listens, and where
// people reach it. If not, anybody who reaches it could look.
func (c Config) Served() bool { return !c.Local() || c.near() }

// Local says that nobody asks who looks at the board: it is for this machine only.
func (c Config) Local() bool { return !c.Board.Proxy && c.Board.TokenFile == "" }

// near says that only this machine reaches the listener, as far as the config
// tells: nothing in front of it hands on what comes from elsewhere.
func (c Config) near() bool {
	u, err := url.Parse(c.ExternalURL)
	return loopback(c.Listen) && err == nil && (u.Host == "" || loopback(net.JoinHostPort(u.Hostname(), "0")))
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (k *checker) checkBoard() {
	const path = "board.token_file"
	if k.given(path) && k.usable(path) && k.checkPath(path, k.c.Board.TokenFile) && k.checkPrivate(path, k.c.Board.TokenFile, 0o007) {
		k.readToken(path)
	}
	sound := func(key string) bool { return !k.given(key) || k.usable(key) }
	if sound("listen") && sound("external_url") && k.c.Listen != noListener && !k.c.Served() {
		key := "listen"
		if loopback(k.c.Listen) {
			key = "external_url"
		}
		k.warn(key, "%s", k.c.unshown())
	}
}

// unshown is why the board is not Served.
func (c Config) unshown() string {
	where := "listen: " + c.Listen
	if loopback(c.Listen) {
		where = "external_url: " + c.ExternalURL
	}
	return where + " is reached from other machines, so the board is not shown there: it would be open to all. Set board: {token_file: PATH}, or board: {proxy: true} if a proxy in front asks who looks."
}

// ListenOn is the config with another address to listen on than the file's, by the
// same rules.
func (c Config) ListenOn(address string) (Config, error) {
	said := func(text string) Fault { return Fault{File: "--listen " + address, Text: text} }
	switch before := c.unshown(); {
	case address != noListener && !hostPort(address):
		return Config{}, Faults{said("That is not host:port. For example " + defaultListen + ", or none.")}
	case address == noListener && c.Alerts != nil:
		return Config{}, Faults{said("The config has alerts, which come by web requests. Give it an address.")}
	default:
		c.warnings = slices.DeleteFunc(slices.Clone(c.warnings), func(f Fault) bool { return f.Text == before })
	}
	c.Listen, c.listens = address, true
	if address != noListener && !c.Served() {
		c.warnings = append(c.warnings, said(c.unshown()))
	}
	return c, nil
}

func (k *checker) readToken(path string) {
	file := k.c.Board.TokenFile
	data, err := readFile(file, maxToken+2)
	if err != nil {
		k.unread(path, file, err)
		return
	}
	token := strings.TrimSpace(string(data))
	if len(token) < minToken || len(token) > maxToken || !cookieShape.MatchString(token) {
		k.fault(path, "token_file: %s has to hold a token in one line: %d to %d letters, digits and signs of plain ASCII without spaces. For example: openssl rand -hex 24 > %s", file, minToken, maxToken, file)
		return
	}
	k.c.Board.Token = NewSecret(token)
}
