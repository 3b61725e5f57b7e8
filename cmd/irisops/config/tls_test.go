package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// certificate is one that signed itself, and its private key, in PEM.
var certificate = sync.OnceValues(func() (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	c, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	in := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return in("CERTIFICATE", c), in("PRIVATE KEY", secret)
})

func TestFaultsOfTLS(t *testing.T) {
	for _, c := range []struct {
		name, tls string
		want      []string
	}{
		{"only what nodes are recognised by", "{ca_file: /etc/irisops/iris-ca.pem}", nil},
		{"nothing", "{}", []string{"9: tls has no ca_file: the certificates, in PEM, by which Cluster main's nodes are recognised."}},
		{"half a pair", "{ca_file: /etc/irisops/iris-ca.pem, cert_file: /etc/irisops/irisops.pem}", []string{
			"9: tls: cert_file and key_file go together: give both, or none if the nodes ask for no certificate."}},
		{"relative", "{ca_file: ca.pem}", []string{`9: ca_file: "ca.pem" is not an absolute path. Begin it with a slash.`}},
		{"not there", "{ca_file: /etc/irisops/none}", []string{"9: tls: open none: no such file or directory."}},
		{"no certificate", "{ca_file: /etc/irisops/known_hosts}", []string{"9: tls: known_hosts holds no certificate in PEM."}},
		{"a key that others can read", "{ca_file: /etc/irisops/iris-ca.pem, cert_file: /etc/irisops/irisops.pem, key_file: /etc/irisops/known_hosts}", []string{
			"9: key_file: known_hosts can be read or written by others than its owner (mode 0644). Take that away: chmod go= known_hosts"}},
		{"no key", "{ca_file: /etc/irisops/iris-ca.pem, cert_file: /etc/irisops/irisops.pem, key_file: /etc/irisops/id_ed25519}", []string{
			"9: tls: irisops.pem with id_ed25519: tls: failed to find any PEM data in key input."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFiles(t)
			_, err := f.load(t, strings.Replace(Shortest, "    cookie_file: /etc/irisops/cookie\n", "    cookie_file: /etc/irisops/cookie\n    tls: "+c.tls+"\n", 1))
			var want []string
			for _, w := range c.want {
				want = append(want, "irisops.yaml:"+w)
			}
			if diff := cmp.Diff(want, f.said(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
