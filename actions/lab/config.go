package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/user"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"
)

// configTemplate is irisops.yaml. Strings are written as JSON, which YAML reads.
var configTemplate = template.Must(template.New("irisops.yaml").Funcs(template.FuncMap{
	"quote": func(s string) (string, error) {
		text, err := json.Marshal(s)
		return string(text), err
	},
	"base": filepath.Base,
	// Whoever has a lab may practise on it, except on its only core.
	"drilled": func(n Node) bool { return n.Role == Edge || n.Short != string(Core) },
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

# Who is paged when an incident is not recovered, or not answered, in time. When
# that is says the runbook, because no policies: stand here.
oncall: {primary: operator, sre: second, owner: owner}

# From where on the checks warn. This machine does other things than run the lab,
# so how busy it is says nothing about IRIS; and the lab needs little of its disk.
checks:
  host_load_warn: off
  host_load_critical: off
  host_memory_warn: 99%
  host_memory_critical: off
  host_swap_warn: off
  host_swap_critical: off
  run_queue_warn: off
  run_queue_critical: off
  schedulers_warn: off
  schedulers_critical: off
  ping_warn: 2s
  login_warn: 2s
  login_critical: 5s
  disk_free_warn: {{.DiskWarn}}MiB
  disk_free_critical: {{.DiskCritical}}MiB

# A drill is announced that long before it strikes: here hardly, elsewhere 15m.
drill: {notice: 10s}

# The lab. Its epmd is its own, not the machine's on 4369. The Makefile in dir
# knows this lab's suffix and ports, so starting a node needs no make_vars. What has
# "drill: true" may be the victim of a drill.
clusters:
  - name: lab
    cookie_file: {{quote .Cookie}}
    epmd_port: {{.EPMDPort}}
    nodes:
{{- range .Nodes}}
      - {short: {{.Short}}, name: {{quote .Name}}, role: {{.Role}}, host: local, dir: {{quote $.Dir}}, target: {{.Target}}{{if .Port}}, port: {{.Port}}{{end}}, log: {{base .Log}}{{if drilled .}}, drill: true{{end}}}
{{- end}}
`))

func socketPath(dir string) string { return filepath.Join(dir, "irisops.sock") }

// Free disk below which the lab's checks speak up, where the disk has that much.
const (
	diskWarn     = 512 // MiB
	diskCritical = 64
)

// roomy is how much free disk is worth a warning and how much is critical, in
// MiB, on the disk of that folder: less where it is small from the beginning.
func roomy(dir string) (warn, critical uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("looking at the disk of %s: %w", dir, err)
	}
	free := st.Bavail * uint64(st.Bsize) >> 20
	return max(2, min(diskWarn, free/2)), max(1, min(diskCritical, free/8)), nil
}

func (l *Lab) config() ([]byte, error) {
	warn, critical, err := roomy(l.state.Dir)
	if err != nil {
		return nil, err
	}
	data := map[string]any{
		"DiskWarn": warn, "DiskCritical": critical,
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
