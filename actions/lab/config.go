package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/user"
	"path/filepath"
	"text/template"
)

// configTemplate is irisops.yaml. Strings are written as JSON, which YAML reads.
var configTemplate = template.Must(template.New("irisops.yaml").Funcs(template.FuncMap{
	"quote": func(s string) (string, error) {
		text, err := json.Marshal(s)
		return string(text), err
	},
	"base": filepath.Base,
}).Parse(`# Written by irisops lab: a config that points at the lab in this folder.
# Start the bot with it:   irisops run --config {{.Config}}
# and talk to it:          irisops ctl --config {{.Config}} status

# The bot's database, exports and archived logs.
data: {{quote .Data}}

# Web requests: any free port, so that several labs do not meet.
listen: 127.0.0.1:0

# irisops ctl speaks to the bot here.
socket: {path: {{quote .Socket}}}

# "as NAME" in the demo speaks as one of these. A request that can lose data or
# service needs a second person: operator asks, second approves.
people:
  - {id: operator, {{with .User}}unix: {{quote .}}, {{end}}roles: [operator, approver]}
  - {id: second, roles: [operator, approver]}
  - {id: owner, roles: [approver, owner]}
  - {id: guest, roles: [viewer]}

# Who is paged when an incident is not recovered in time.
oncall: {primary: operator, sre: second, owner: owner}
policies:
  P0: {respond: 0m, steps: [{after: 0m, page: primary}, {after: 15m, page: sre}, {after: 30m, page: owner}]}
  P1: {respond: 15m, steps: []}
  P2: {respond: 1h, steps: []}
  P3: {respond: next business day, steps: []}

# The lab. Its epmd is its own, not the machine's on 4369. The Makefile in dir
# knows this lab's suffix and ports, so starting a node needs no make_vars.
clusters:
  - name: lab
    cookie_file: {{quote .Cookie}}
    epmd_port: {{.EPMDPort}}
    nodes:
{{- range .Nodes}}
      - {short: {{.Short}}, name: {{quote .Name}}, role: {{.Role}}, host: local, dir: {{quote $.Dir}}, target: {{.Target}}{{if .Port}}, port: {{.Port}}{{end}}, log: {{base .Log}}}
{{- end}}
`))

func socketPath(dir string) string { return filepath.Join(dir, "irisops.sock") }

func (l *Lab) config() ([]byte, error) {
	data := map[string]any{
		"Config":   l.ConfigFile(),
		"Data":     filepath.Join(l.state.Dir, "bot"),
		"Socket":   socketPath(l.state.Dir),
		"User":     unixUser(),
		"Cookie":   l.CookieFile(),
		"EPMDPort": l.state.EPMDPort,
		"Nodes":    l.Nodes(),
		"Dir":      l.state.Dir,
	}
	var out bytes.Buffer
	if err := configTemplate.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("writing the lab's config: %w", err)
	}
	return out.Bytes(), nil
}

// unixUser is the current user's name, or "" for root, who stands for nobody in
// particular and so is never mapped to a person.
func unixUser() string {
	u, err := user.Current()
	if err != nil || u.Uid == "0" {
		return ""
	}
	return u.Username
}
