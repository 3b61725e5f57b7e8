package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxCookie is the length of an atom, which is what Erlang makes of a cookie.
const maxCookie = 255

// cookieShape is printable ASCII without spaces.
var cookieShape = regexp.MustCompile(`^[!-~]+$`)

// checkCookie reads the cluster's cookie. Nothing that it says shows the cookie,
// nor what may be the cookie, put where its file's name belongs.
func (k *checker) checkCookie(path string, c *Cluster) {
	if !k.required(path, "%s has no cookie_file: the file that holds its Erlang cookie. For example cookie_file: /etc/irisops/cookie", clusterName(c)) {
		return
	}
	if !filepath.IsAbs(c.CookieFile) {
		k.fault(path, "cookie_file has to be an absolute path to a file that holds the cookie. What stands here is none; it is not shown, in case it is the cookie itself.")
		return
	}
	if !k.checkPath(path, c.CookieFile) || !k.checkPrivate(path, c.CookieFile, 0o007) {
		return
	}
	data, err := readFile(c.CookieFile, maxCookie+2)
	if err != nil {
		k.unread(path, c.CookieFile, err)
		return
	}
	cookie := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case cookie == "":
		k.fault(path, "cookie_file: %s is empty. It holds the cookie in one line.", c.CookieFile)
	case strings.ContainsAny(cookie, "\r\n"):
		k.fault(path, "cookie_file: %s has more than one line. It holds the cookie in one line, and nothing else.", c.CookieFile)
	case !cookieShape.MatchString(cookie) || len(cookie) > maxCookie:
		k.fault(path, "cookie_file: what %s holds is not a cookie. A cookie has no spaces, and at most %d letters, digits and signs of plain ASCII.", c.CookieFile, maxCookie)
	default:
		c.Cookie = NewSecret(cookie)
	}
}

// checkPrivate says whether the file is there and none of the forbidden
// permission bits is set.
func (k *checker) checkPrivate(path, file string, forbidden fs.FileMode) bool {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		k.unread(path, file, unreadable(err))
	case info.Mode().IsRegular() && info.Mode().Perm()&forbidden != 0:
		who, way := "by others", "o="
		if forbidden&0o070 != 0 {
			who, way = "by others than its owner", "go="
		}
		k.fault(path, "%s: %s can be read or written %s (mode %04o). Take that away: chmod %s %s", last(path), file, who, info.Mode().Perm(), way, file)
	}
	return k.usable(path)
}
