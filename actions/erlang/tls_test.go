package erlang

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
)

// authority signs certificates, in files as openssl would make them.
type authority struct {
	t    *testing.T
	dir  string
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir(), name: name}
	a.cert, a.key = a.issue(name, nil)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name+".pem") }

// issue makes NAME.pem and NAME-key.pem; without a signer, its own authority's.
func (a *authority) issue(name string, signer *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{name}, BasicConstraintsValid: true, IsCA: signer == nil,
	}
	parent, by := template, key
	if signer != nil {
		parent, by = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name:          {Type: "CERTIFICATE", Bytes: der},
		name + "-key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// options is a file for -ssl_dist_optfile: the node shows the certificate of that
// name, and lets in only who has one of the authority's.
func (a *authority) options(name string) string {
	a.t.Helper()
	var both []string
	for _, side := range []string{"server", "client"} {
		more := ""
		if side == "server" {
			more = ", {fail_if_no_peer_cert, true}"
		}
		both = append(both, fmt.Sprintf("{%s, [{certfile, %q}, {keyfile, %q}, {cacertfile, %q}, {verify, verify_peer}%s]}",
			side, a.file(name), a.file(name+"-key"), a.file(a.name), more))
	}
	path := filepath.Join(a.dir, name+".conf")
	if err := os.WriteFile(path, []byte("["+strings.Join(both, ",\n")+"].\n"), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// with are the options of a link that trusts the authority, and shows the
// certificate of that name; none if it is "".
func (a *authority) with(name string) func(*Options) {
	a.t.Helper()
	cert, key := "", ""
	if name != "" {
		cert, key = a.file(name), a.file(name+"-key")
	}
	conf, err := LoadTLS(a.file(a.name), cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return func(o *Options) { o.TLS = conf }
}

func bootTLS(t *testing.T, optfile string) *beam {
	return bootNode(t, "-sname", "%s", "-proto_dist", "inet_tls", "-ssl_dist_optfile", optfile)
}

func shortHost(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(host, ".")
	return short
}

func TestNodeWithTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	ca.issue(shortHost(t), ca)
	ca.issue("irisops", ca)
	optfile := ca.options(shortHost(t))
	n, other := bootTLS(t, optfile), bootTLS(t, optfile)
	if got := n.eval("net_adm:ping('" + other.name + "')"); got != "pong" {
		t.Fatalf("the nodes do not see each other by TLS: %s", got)
	}

	l := newLink(t, ca.with("irisops"))
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Fatal(err)
	}
	if got, want := n.eval("{nodes(), nodes(hidden)}"), "{["+other.name+"],['"+l.Name()+"']}"; got != want {
		t.Errorf("the node sees %s, want %s", got, want)
	}
	// What does not fit into one record of TLS, both ways.
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	got, err := l.Call(within(t, long), n.name, "erlang", "iolist_to_binary", sent)
	if b, ok := got.([]byte); err != nil || !ok || string(b) != string(sent) {
		t.Errorf("a megabyte came back as %T, %v", got, err)
	}

	// It hangs, and comes back: the connection is not used half written.
	n.signal(syscall.SIGSTOP)
	_, err = l.Call(within(t, time.Second), n.name, "erlang", "byte_size", make([]byte, 32<<20))
	refused(t, err, actions.CodeHung)
	n.signal(syscall.SIGCONT)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n.eventually("nodes(hidden)", "[]")
	if logged := n.logged(); len(logged) > 0 {
		t.Errorf("the node logged %q", logged)
	}
}

func TestFailuresOfTLSAreToldApart(t *testing.T) {
	ca, stranger := newAuthority(t, "ca"), newAuthority(t, "stranger")
	ca.issue(shortHost(t), ca)
	ca.issue("irisops", ca)
	ca.issue("elsewhere", ca)
	stranger.issue("irisops", stranger)
	n := bootTLS(t, ca.options(shortHost(t)))
	plain := bootNode(t)

	for _, c := range []struct {
		name string
		node *beam
		opts func(*Options)
		code string
		says []string
	}{
		{"it wants a certificate", n, ca.with(""), actions.CodeTLS, []string{"turned irisops's certificate down", "cert_file"}},
		{"it trusts others", n, func(o *Options) {
			conf, err := LoadTLS(ca.file("ca"), stranger.file("irisops"), stranger.file("irisops-key"))
			if err != nil {
				t.Fatal(err)
			}
			o.TLS = conf
		}, actions.CodeTLS, []string{"turned irisops's certificate down"}},
		{"we trust others", n, stranger.with("irisops"), actions.CodeTLS, []string{"is not accepted", "unknown authority", "ca_file"}},
		{"we speak none", n, func(*Options) {}, actions.CodeRefused, []string{"Does it speak TLS"}},
		{"it speaks none", plain, ca.with("irisops"), actions.CodeHung, []string{"did not begin TLS in time", "-proto_dist inet_tls"}},
		{"another cookie", n, func(o *Options) { ca.with("irisops")(o); o.Cookie = "another" }, actions.CodeWrongCookie, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newLink(t, c.opts).Ping(within(t, long), c.node.name)
			refused(t, err, c.code, c.says...)
		})
	}

	t.Run("a host that its certificate does not name", func(t *testing.T) {
		m := bootTLS(t, ca.options("elsewhere"))
		_, err := newLink(t, ca.with("irisops")).Ping(within(t, long), m.name)
		refused(t, err, actions.CodeTLS, "is not accepted", "elsewhere")
	})

	t.Run("another program", func(t *testing.T) {
		rude := listen(t, func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n") })
		register(t, "iris_rude_tls", rude.Port)
		_, err := newLink(t, ca.with("irisops")).Ping(within(t, long), "iris_rude_tls@"+n.host())
		refused(t, err, actions.CodeTLS, "does not speak TLS")
	})
}

func TestFilesOfTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	ca.issue("irisops", ca)
	ca.issue("other", ca)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string][3]string{
		"no file":           {"/nowhere/ca.pem"},
		"no certificate":    {empty},
		"another one's key": {ca.file("ca"), ca.file("irisops"), ca.file("other-key")},
		"no key":            {ca.file("ca"), ca.file("irisops"), ""},
	} {
		if conf, err := LoadTLS(files[0], files[1], files[2]); err == nil || conf != nil {
			t.Errorf("%s: taken, %v", name, err)
		}
	}
}
