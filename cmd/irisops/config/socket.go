package config

import "reflect"

// SocketPath reads only where irisops listens, for irisops ctl: whoever may
// speak to the bot need not be able to read the cookie and the keys.
func SocketPath(path string) (string, error) {
	f := newFindings(path)
	data, err := readFile(path, maxFile)
	if err != nil {
		f.faults = Faults{{File: path, Text: err.Error()}}
		return "", f.err()
	}
	var c Config
	if root := parse(data, f); root != nil {
		f.lines[""] = 1
		decoder{f}.decode(root, "", reflect.ValueOf(&c).Elem())
	}
	if c.Socket.Path != "" {
		return c.Socket.Path, nil
	}
	if err := f.err(); err != nil {
		return "", err
	}
	k := &checker{findings: f, c: &c}
	k.checkData()
	k.checkSocket()
	return c.Socket.Path, f.err()
}
