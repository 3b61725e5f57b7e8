package config

import "irisops/actions/erlang"

// checkTLS reads the files by which nodes and irisops recognise each other.
func (k *checker) checkTLS(path string, c *Cluster) {
	if !k.given(path) || !k.usable(path) || c.TLS == nil {
		return
	}
	t := c.TLS
	whole := k.required(path+".ca_file", "tls has no ca_file: the certificates, in PEM, by which %s's nodes are recognised.", clusterName(c)) &&
		k.checkPath(path+".ca_file", t.CAFile)
	switch cert, key := k.given(path+".cert_file"), k.given(path+".key_file"); {
	case cert != key:
		k.fault(path, "tls: cert_file and key_file go together: give both, or none if the nodes ask for no certificate.")
		return
	case cert:
		whole = k.checkPath(path+".cert_file", t.CertFile) && whole
		whole = k.checkPath(path+".key_file", t.KeyFile) && k.checkPrivate(path+".key_file", t.KeyFile, 0o077) && whole
	}
	if !whole {
		return
	}
	if _, err := erlang.LoadTLS(t.CAFile, t.CertFile, t.KeyFile); err != nil {
		k.fault(path, "tls: %v.", err)
	}
}
