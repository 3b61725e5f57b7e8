package config

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // people's zones are known on a machine without tzdata too

	"irisops/actions/cluster"
)

// checker looks whether what was decoded is sound, and fills in the defaults.
type checker struct {
	*findings
	c       *Config
	machine machine
}

func check(c *Config, f *findings, m machine) {
	k := &checker{f, c, m}
	k.checkData()
	k.checkListen()
	k.checkBoard()
	k.checkSocket()
	k.checkZone()
	k.checkSlack()
	k.checkPeople()
	k.checkGroups()
	k.checkOnCall()
	k.checkPaging()
	k.checkPolicies()
	k.checkBusiness()
	k.checkRotations()
	k.checkHosts()
	k.checkClusters()
	k.checkThresholds()
	k.checkSchedules()
	k.checkBackup()
	k.checkWatch()
	k.checkDrill()
}

var (
	idShape   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	safeShape = regexp.MustCompile(`^[A-Za-z0-9_@./:=+,-]*$`) // what may become an argument
)

const (
	idRule   = "It has to begin with a small letter, then small letters, digits, _ and -, at most 40 in all."
	safeRule = "Only letters, digits and _ @ . / : = + , - are allowed there, because it becomes part of a command line."
)

// checkPath says whether the value is an absolute path that is safe to pass on.
func (k *checker) checkPath(path, value string) bool {
	switch {
	case !k.usable(path):
	case !filepath.IsAbs(value):
		k.fault(path, "%s: %s is not an absolute path. Begin it with a slash.", last(path), quote(value))
	case !safeShape.MatchString(value) || len(value) > 255:
		k.fault(path, "%s: %s cannot be used. %s At most 255 of them.", last(path), quote(value), safeRule)
	case filepath.Clean(value) != value:
		k.fault(path, "%s: write %s instead of %s.", last(path), quote(filepath.Clean(value)), quote(value))
	}
	return k.usable(path)
}

func (k *checker) checkPort(path string, port int) bool {
	if k.usable(path) && (port < 1 || port > 65535) {
		k.fault(path, "%s: %d is not a port. Ports go from 1 to 65535.", last(path), port)
	}
	return k.usable(path)
}

func (k *checker) checkData() {
	if k.required("data", "data is missing: the folder where irisops keeps what must survive. For example data: /var/lib/irisops") &&
		k.checkPath("data", k.c.Data) && k.c.Data == "/" {
		k.fault("data", "data: the root folder is no place for it. For example /var/lib/irisops")
	}
}

func (k *checker) checkListen() {
	if !k.given("listen") {
		k.c.Listen = defaultListen
	}
	k.c.listens = k.given("listen")
	if k.usable("listen") && k.c.Listen != noListener {
		if !hostPort(k.c.Listen) {
			k.fault("listen", "listen: %s is not host:port. For example %s, or none", quote(k.c.Listen), defaultListen)
		}
	}
	if k.usable("external_url") {
		u, err := url.Parse(k.c.ExternalURL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "":
			k.fault("external_url", "external_url: %s is not the beginning of a web address. For example https://irisops.example.org", quote(k.c.ExternalURL))
		case u.User != nil:
			k.fault("external_url", "external_url has a user or a password in it, and it stands in every link. Take it out.")
		default:
			k.c.ExternalURL = strings.TrimRight(k.c.ExternalURL, "/")
		}
	}
}

func hostPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// maxSocketPath is what a Unix socket's address holds on Linux (unix(7)), less
// the byte that ends it.
const maxSocketPath = 107

func (k *checker) checkSocket() {
	if !k.given("socket.path") {
		if k.usable("data") {
			k.c.Socket.Path = filepath.Join(k.c.Data, defaultSocket)
			if len(k.c.Socket.Path) > maxSocketPath {
				k.fault("data", "data: the path is too long for the socket in it (%d bytes, at most %d). Give socket: {path: ...} a shorter one.", len(k.c.Socket.Path), maxSocketPath)
			}
		}
	} else if k.checkPath("socket.path", k.c.Socket.Path) && len(k.c.Socket.Path) > maxSocketPath {
		k.fault("socket.path", "path: %d bytes are too long for a socket: at most %d.", len(k.c.Socket.Path), maxSocketPath)
	}
	if g := k.c.Socket.Group; k.usable("socket.group") {
		if !accountShape.MatchString(g) {
			k.fault("socket.group", "group: %s is not the name of a Unix group.", quote(g))
		} else if _, err := k.machine.group(g); err != nil {
			k.warn("socket.group", "This machine has no group %s, so the socket will be for irisops's own account only. Make it: groupadd %s.", g, g)
		}
	}
}

func (k *checker) checkZone() {
	if !k.given("time_zone") {
		k.c.TimeZone = defaultZone
	}
	zone, err := time.LoadLocation(k.c.TimeZone)
	if k.usable("time_zone") && (err != nil || k.c.TimeZone == "" || k.c.TimeZone == "Local") {
		k.fault("time_zone", "time_zone: there is no zone %s. Write it as continent and city, like Europe/Paris, or UTC.", quote(k.c.TimeZone))
		return
	}
	k.c.zone = zone
}

var channelShape = regexp.MustCompile(`^[CG][A-Z0-9]{1,20}$`)

// roles of nodes.
var nodeRoles = []string{string(cluster.CoreRole), string(cluster.EdgeRole)}
