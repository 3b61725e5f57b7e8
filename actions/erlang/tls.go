package erlang

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"irisops/actions"
)

// Nodes started with -proto_dist inet_tls speak the same protocol inside TLS, but
// for one thing: messages of the handshake, too, have four bytes of length.
// https://www.erlang.org/doc/apps/ssl/ssl_distribution.html
//
// Ergo dials them, if the route says so. Its handshake is told that there is no
// TLS, and guard gives each message the length that the other side expects: one
// place knows both, instead of every message of ergo's.

// tlsFor is the configuration of a connection to a host: the host in the node's
// name has to stand in its certificate.
func (l *Link) tlsFor(host string) *tls.Config {
	if l.opts.TLS == nil {
		return nil
	}
	c := l.opts.TLS.Clone()
	c.ServerName = host
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}

// LoadTLS reads what nodes are recognised by, and what they recognise us by:
// files in PEM. Without cert and key, which go together, nodes that demand a
// certificate turn us away. Its errors name the file, and what is wrong with it.
func LoadTLS(ca, cert, key string) (*tls.Config, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", ca)
	}
	if cert == "" && key == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", cert, key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// readLength reads how long the next message of the handshake is.
func (g *guard) readLength() (int, error) {
	head := make([]byte, 4)
	if !g.tls {
		head = head[:2]
	}
	if _, err := io.ReadFull(g.nc, head); err != nil {
		return 0, err
	}
	if g.tls {
		return int(min(binary.BigEndian.Uint32(head), maxHandshake+1)), nil
	}
	return int(binary.BigEndian.Uint16(head)), nil
}

// writeMessage sends a message of the handshake, which begins with two bytes of
// length, and says how many of its bytes were taken.
func (g *guard) writeMessage(p []byte) (int, error) {
	if !g.tls {
		return g.nc.Write(p)
	}
	n, err := g.nc.Write(append([]byte{0, 0}, p...))
	return max(n-2, 0), err
}

// spoilt says whether after this failure to write the connection is of no use any
// more: a part of a message is gone, or TLS, whose state a failed write ruins.
func (c *conn) spoilt(n int, err error) bool {
	_, isTLS := c.nc.(*tls.Conn)
	return err != nil && (n > 0 || isTLS)
}

// tlsFailed tells a failure about TLS from others; else it is nil. The node may
// be quite well.
func tlsFailed(name string, err error) error {
	var (
		remote  *net.OpError
		record  tls.RecordHeaderError
		invalid *tls.CertificateVerificationError
	)
	e := &actions.Error{Code: actions.CodeTLS, Err: err}
	switch {
	case errors.As(err, &invalid):
		e.Text = fmt.Sprintf("The certificate of %s is not accepted: %v.", name, invalid.Err)
		e.Hint = "Compare ca_file in the config with the certificate that the node was started with; the host in the node's name has to stand in it."
	case errors.As(err, &record):
		e.Text = fmt.Sprintf("%s does not speak TLS, which the config asks of it.", name)
		e.Hint = "Start it with -proto_dist inet_tls, or take tls out of the config."
	case errors.As(err, &remote) && remote.Op == "remote error":
		e.Text = fmt.Sprintf("%s turned irisops's certificate down: %v.", name, remote.Err)
		e.Hint = "Compare cert_file in the config with what the node accepts (its -ssl_dist_optfile)."
	default:
		return nil
	}
	return e
}

// tryTLS tries TLS on a connection of its own, to learn what is wrong with it.
func (l *Link) tryTLS(ctx context.Context, nc net.Conn, name, host string) error {
	conf := l.tlsFor(host)
	if conf == nil {
		return nil
	}
	err := tls.Client(nc, conf).HandshakeContext(ctx)
	if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
		return &actions.Error{
			Code: actions.CodeHung,
			Text: name + " took the connection but did not begin TLS in time.",
			Hint: "It may hang; or it was started without -proto_dist inet_tls, and tls has to be taken out of the config.",
			Err:  err,
		}
	}
	return tlsFailed(name, err)
}
