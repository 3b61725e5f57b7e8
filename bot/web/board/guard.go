package board

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// guard lets those in who know the token. A browser asks for it by itself, as
// the password of Basic authentication; a program sends it as a bearer token.
func guard(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			_, given, _ = r.BasicAuth()
		}
		if !same(given, token) {
			w.Header().Set("WWW-Authenticate", `Basic realm="irisops: any name, and the board's token as the password", charset="UTF-8"`)
			http.Error(w, "The board needs its token: any name, and the token as the password. It stands in the file that the config names as board: token_file.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// same compares in a time that tells neither content nor length.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// local lets those in who ask by an address of this machine itself. A page
// elsewhere in the world whose name was made to lead here (DNS rebinding) would
// otherwise have the browser read the board to it.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, fmt.Sprintf("The board is not shown under the name %q, which is not this machine's own. Ask for it by 127.0.0.1 or localhost. Whoever is to look from elsewhere needs board: {token_file: PATH}, or board: {proxy: true} where a proxy in front asks who looks.", host), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
