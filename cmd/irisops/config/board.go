package config

import (
	"net"
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

// Served says whether the board may be shown where the listener listens. If not,
// anybody who reaches it could look.
func (c Config) Served() bool {
	return c.Board.Proxy || c.Board.TokenFile != "" || loopback(c.Listen)
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
	if k.usable("listen") && k.c.Listen != noListener && !k.c.Served() {
		k.warn("listen", "listen: %s is reached from other machines, so the board is not shown there: it would be open to all. Set board: {token_file: PATH}, or board: {proxy: true} if a proxy in front asks who looks.", k.c.Listen)
	}
}

func (k *checker) readToken(path string) {
	file := k.c.Board.TokenFile
	data, err := readFile(file, maxToken+2)
	if err != nil {
		k.fault(path, "token_file: %s: %v.", file, err)
		return
	}
	token := strings.TrimSpace(string(data))
	if len(token) < minToken || len(token) > maxToken || !cookieShape.MatchString(token) {
		k.fault(path, "token_file: %s has to hold a token in one line: %d to %d letters, digits and signs of plain ASCII without spaces. For example: openssl rand -hex 24 > %s", file, minToken, maxToken, file)
		return
	}
	k.c.Board.Token = NewSecret(token)
}
