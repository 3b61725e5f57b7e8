package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions/cluster"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/schedule"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const cookie = "planted-cookie-8d1f"

// boardToken is what the file that the example names for the board holds.
const boardToken = "planted-board-token-77c0"

// pagingSecrets are what the files that the example names for paging hold.
var pagingSecrets = map[string]string{
	"pagerduty-operator": "0123456789abcdef0123456789abcdef", "pagerduty": "abcdef0123456789abcdef0123456789", "pagerduty-webhook": "planted-hook-secret",
	"smtp-password": "planted-smtp-password", "phone-url": "https://gateway.example.org/planted-path", "phone-key": "planted-phone-key",
	"phone-authorization": "GenieKey planted", "heartbeat-url": "https://hc-ping.com/planted-uuid", "alerts-bearer": "planted-bearer", "alerts-key": "planted-alerts-key",
}

// theMachine has the accounts and the group of the example, root, and itself.
var theMachine = machine{
	self: "998",
	account: func(name string) (*user.User, error) {
		known := map[string]string{"ops1": "1001", "ops2": "1002", "1003": "1003", "alias": "1001", "root": "0", "irisops": "998"}
		if uid := known[name]; uid != "" {
			return &user.User{Uid: uid, Username: name}, nil
		}
		return nil, user.UnknownUserError(name)
	},
	group: func(name string) (*user.Group, error) {
		if name == "irisops" {
			return &user.Group{Name: name}, nil
		}
		return nil, user.UnknownGroupError(name)
	},
}

// files is a folder with the files that the example names.
type files struct{ dir string }

func newFiles(t testing.TB) files {
	t.Helper()
	f := files{t.TempDir()}
	f.write(t, "cookie", cookie+"\n", 0o600)
	f.write(t, "known_hosts", "h2.example.org ssh-ed25519 AAAA\n", 0o644)
	f.write(t, "id_ed25519", "key\n", 0o600)
	f.write(t, "board-token", boardToken+"\n", 0o600)
	cert, key := certificate()
	f.write(t, "iris-ca.pem", cert, 0o644)
	f.write(t, "irisops.pem", cert, 0o644)
	f.write(t, "irisops-key.pem", key, 0o600)
	for name, text := range pagingSecrets {
		f.write(t, name, text+"\n", 0o600)
	}
	if err := os.Mkdir(filepath.Join(f.dir, "iris"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.write(t, "iris/Makefile", "all:\n", 0o644)
	return f
}

func (f files) write(t testing.TB, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

// here makes the example's paths those of this folder.
func (f files) here(text string) string {
	return strings.NewReplacer("/etc/irisops/", f.dir+"/", "/srv/iris", f.dir+"/iris").Replace(text)
}

func (f files) load(t testing.TB, text string) (Config, error) {
	t.Helper()
	return load(f.write(t, "irisops.yaml", f.here(text), 0o644), theMachine)
}

// said is the lines of faults or warnings, without the folder.
func (f files) said(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(err.Error(), f.dir+"/", ""), "\n")
}

func example(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/irisops.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// standard are the thresholds of a file that gives none.
func standard(t testing.TB) Checks {
	t.Helper()
	c, err := newFiles(t).load(t, Shortest)
	if err != nil {
		t.Fatal(err)
	}
	return c.Checks
}

func TestExample(t *testing.T) {
	f := newFiles(t)
	c, err := f.load(t, example(t))
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the example has warnings:\n%v", w)
	}
	from := func(name string) From { return From(f.dir + "/" + name) }
	held := func(name string) Secret { return NewSecret(pagingSecrets[name]) }
	want := Config{
		Rotations: map[string][]Shift{"helpdesk": {
			{People: []string{"second", "operator"}, Every: "week", HandOver: "monday 08:00", Start: "2026-01-05", Days: []string{"mon", "tue", "wed", "thu", "fri"}, Hours: "08:00-20:00"}}},
		Mail: &Mail{Server: "smtp.example.org:587", Security: "starttls", From: "irisops@example.org", User: "irisops", Team: "iris-team@example.org",
			PasswordFrom: from("smtp-password"), Password: held("smtp-password")},
		PagerDuty: &PagerDuty{URL: "https://events.eu.pagerduty.com/v2/enqueue", DefaultKeyFrom: from("pagerduty"), DefaultKey: held("pagerduty"),
			WebhookFrom: from("pagerduty-webhook"), WebhookSecret: held("pagerduty-webhook")},
		Webhooks: map[string]Webhook{
			"phone": {URLFrom: from("phone-url"), Address: held("phone-url"), SignatureFrom: from("phone-key"), Signature: held("phone-key"),
				AuthorizationFrom: from("phone-authorization"), Authorization: held("phone-authorization"), Updates: true},
			"ntfy": {URL: "https://ntfy.example.org", Address: NewSecret("https://ntfy.example.org"),
				Body: `{"topic": "iris", "title": {{json .Title}}, "message": {{json .Text}}, "priority": 5, "click": {{json .AckURL}}}`}},
		Heartbeat: &Heartbeat{URLFrom: from("heartbeat-url"), Address: held("heartbeat-url"), Every: time.Minute},
		Alerts: &Alerts{BearerFrom: from("alerts-bearer"), Bearer: held("alerts-bearer"), SignatureFrom: from("alerts-key"), Signature: held("alerts-key"),
			Label: "severity", Priorities: defaultPriorities(), Otherwise: "P2"},
		Data: "/var/lib/irisops", Listen: "127.0.0.1:8642", ExternalURL: "https://irisops.example.org",
		Board:  Board{f.dir + "/board-token", false, NewSecret(boardToken)},
		Socket: Socket{"/run/irisops.sock", "irisops"}, TimeZone: "Europe/Paris",
		Slack: &Slack{Mode: "socket", Channel: "C0OPS", OnCallChannel: "C0ONCALL", Team: "T0TEAM", Channels: map[string]string{"C0OPS": "main"}, Reactions: map[string]string{"eyes": "ack", "memo": "note"}},
		People: []Person{
			{ID: "operator", Slack: "U01", Unix: "ops1", Mail: "ops1@example.org", Roles: []access.Role{"operator", "approver"}, UID: "1001",
				Contact: []string{"slack", "pagerduty", "phone", "mail"}, PagerDutyUser: "PXPGF42", PagerDutyKeyFrom: from("pagerduty-operator"), PagerDutyKey: held("pagerduty-operator")},
			{ID: "second", Slack: "U03", Unix: "ops2", Mail: "ops2@example.org", Roles: []access.Role{"operator", "approver"}, UID: "1002"},
			{ID: "owner", Slack: "U02", Unix: "", Mail: "owner@example.org", Roles: []access.Role{"approver", "owner"}, UID: ""},
		},
		Groups:      map[access.Role]string{"responder": "S0TEAM"},
		OnCallRoles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner", "helpdesk": "owner"},
		Policies:    defaultPolicies(), // the example shows the defaults
		Checks:      standard(t),
		Schedules:   exampleSchedules(),
		Watch:       defaultWatch,
		Drill:       defaultDrill,
		Business:    Business{defaultBusiness.Days, HourOfDay(17 * time.Hour), "fr", []DayOff{{0, time.December, 24}}},
		Backup:      Backup{Dir: "/var/backups/iris", Keep: 7, MinFree: 2 << 30},
		Hosts:       map[string]Host{"h2": {"ops@h2.example.org", f.dir + "/known_hosts", f.dir + "/id_ed25519"}},
		Clusters: []Cluster{{"main", f.dir + "/cookie", defaultEPMDPort, &TLS{f.dir + "/iris-ca.pem", f.dir + "/irisops.pem", f.dir + "/irisops-key.pem"}, []Node{
			{"core", "iris_core@h1", "core", "local", f.dir + "/iris", "start_core", map[string]string{"CONFIG": "config/prod"}, "core.log", 0, false},
			{"edge1", "iris_edge1@h1", "edge", "local", f.dir + "/iris", "start_edge1", nil, "edge1.log", 8085, true},
			{"edge2", "iris_edge2@h2", "edge", "h2", f.dir + "/iris", "start_edge2", nil, "edge2.log", 8086, true},
		}, &Smoke{"core", []string{"python3", "ops/smoke.py"}, 2 * time.Minute}, NewSecret(cookie)}},
	}
	want.Policies["P2"] = Policy{Respond: Respond{Within: time.Hour}, Steps: []Step{
		{After{Overdue: true}, Targets{"primary"}, Unless(incident.UnlessAcknowledged), Repeat{time.Hour, 2}}}}
	options := cmp.Options{cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() }), cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".zone" || p.Last().String() == ".warnings" || p.Last().String() == ".listens" || p.Last().String() == ".shift"
	}, cmp.Ignore())}
	if diff := cmp.Diff(want, c, options); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Zone().String() != "Europe/Paris" {
		t.Errorf("zone %s", c.Zone())
	}
}

func exampleSchedules() Schedules {
	s := usualSchedules()
	s.Blackout = []schedule.Days{{First: "2026-12-24", Last: "2026-12-24"}, {First: "2026-12-28", Last: "2027-01-03"}}
	s.DeployLock = "/run/deploy/lock"
	return s
}

func usualSchedules() Schedules {
	var s Schedules
	for _, u := range schedule.Usuals() {
		entry, _ := s.of(u.Name)
		*entry = Schedule{u.Cron, u.Week}
	}
	return s
}

// The example says which values are the defaults. A file without them is read
// as the same.
func TestDefaults(t *testing.T) {
	f := newFiles(t)
	c, err := f.load(t, Shortest)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("the shortest config has warnings:\n%v", w)
	}
	whole, err := f.load(t, example(t))
	if err != nil {
		t.Fatal(err)
	}
	whole.Policies["P2"] = Policy{Respond: Respond{Within: time.Hour}, Steps: []Step{}} // shows more than the default
	whole.Clusters[0].Nodes[1].Drill = false                                            // the same
	for what, pair := range map[string][2]any{
		"listen":    {whole.Listen, c.Listen},
		"socket":    {Socket{Path: "/var/lib/irisops/irisops.sock"}, c.Socket},
		"policies":  {whole.Policies, c.Policies},
		"checks":    {whole.Checks, c.Checks},
		"backup":    {Backup{Dir: "/var/backups/iris", Keep: c.Backup.Keep, MinFree: c.Backup.MinFree}, whole.Backup},
		"epmd port": {whole.Clusters[0].EPMDPort, c.Clusters[0].EPMDPort},
		"edge1":     {whole.Clusters[0].Nodes[1], c.Clusters[0].Nodes[1]},
		"zone":      {"UTC", c.Zone().String()},
		"slack":     {(*Slack)(nil), c.Slack},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	c, err = f.load(t, Shortest+"slack: {channel: C0OPS}\npolicies: {P0: {steps: [{after: 1m, page: sre}]}}\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&Slack{Mode: "socket", Channel: "C0OPS", OnCallChannel: "C0OPS"}, c.Slack); diff != "" {
		t.Errorf("slack (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Policy{Remind: 20 * time.Minute, Steps: []Step{{After: After{For: time.Minute}, Page: Targets{"sre"}}}}, c.Policies["P0"]); diff != "" {
		t.Errorf("P0 (-want +got):\n%s", diff)
	}
}

func TestDomain(t *testing.T) {
	c, err := newFiles(t).load(t, example(t))
	if err != nil {
		t.Fatal(err)
	}
	spec := c.Clusters[0].Spec()
	if diff := cmp.Diff(cluster.Node{
		Cluster: "main", Short: "core", Name: "iris_core@h1", Role: cluster.CoreRole, Host: "local", Dir: c.Clusters[0].Nodes[0].Dir,
		Target: "start_core", MakeVars: map[string]string{"CONFIG": "config/prod"}, Log: "core.log", EPMDPort: 4369,
	}, spec.Nodes[0]); diff != "" {
		t.Errorf("core (-want +got):\n%s", diff)
	}
	if edges := spec.ByRole(cluster.EdgeRole); spec.Name != "main" || len(edges) != 2 || edges[0].Addr() != "127.0.0.1:8085" || edges[1].Addr() != "h2:8086" {
		t.Errorf("spec %+v", spec)
	}
	policy := c.Access()
	for caller, want := range map[string]string{"slack:U02": "owner", "unix:ops1": "operator", "unix:1002": "second", "unix:root": "unix:root"} {
		if p, ok := policy.Identify(caller); !ok || p.ID != want {
			t.Errorf("%s is %+v, want %s", caller, p, want)
		}
	}
	self := fmt.Sprintf("unix:%d", os.Geteuid())
	if p, ok := policy.Identify(self); !ok || !p.Account() {
		t.Errorf("the bot's own account is %+v", p)
	}
	if p, ok := policy.Identify("slack:U77", "S0TEAM"); !ok || !p.Has(access.Responder) || p.Has(access.Operator) {
		t.Errorf("a member of the group is %+v", p)
	}
	if person, ok := c.OnCall().Now("sre", time.Now()); !ok || person != "second" {
		t.Errorf("sre is %s", person)
	}
	contacts := map[string][]string{
		"operator": {"direct", "conversation", "pagerduty", "webhook:phone", "mail"}, "second": {"direct", "conversation", "mail"},
		"owner": {"direct", "conversation", "mail"}, "": {"conversation", "mail"},
	}
	if diff := cmp.Diff(contacts, c.OnCall().Contacts); diff != "" {
		t.Errorf("contacts (-want +got):\n%s", diff)
	}
	if got := (Config{People: []Person{{ID: "x"}}}).OnCall().Channels("x"); !slices.Equal(got, []string{"conversation"}) {
		t.Errorf("who has no Slack account is paged by %q", got)
	}
	if diff := cmp.Diff(map[incident.Priority]escalation.Policy{
		"P0": {Remind: 20 * time.Minute, Steps: []escalation.PolicyStep{{After: 0, Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}, {After: 30 * time.Minute, Role: "owner"}}},
		"P1": {Respond: 15 * time.Minute, Remind: 20 * time.Minute, Steps: []escalation.PolicyStep{{Overdue: true, Role: "primary", Unless: incident.UnlessAcknowledged}}},
		"P2": {Respond: time.Hour, Steps: []escalation.PolicyStep{{Overdue: true, Role: "primary", Unless: incident.UnlessAcknowledged, Repeat: escalation.Repeat{Every: time.Hour, Times: 2}}}},
		"P3": {NextBusinessDay: true, Business: oncall.Business{Zone: c.Zone(), Until: 17 * time.Hour, Country: "fr", Holidays: []oncall.Holiday{{Month: 12, Day: 24}},
			Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}}},
	}, c.Escalation(), cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("escalation (-want +got):\n%s", diff)
	}
	if (Config{}).Zone() != time.UTC {
		t.Error("no zone is not UTC")
	}
}

// What a person reads at three in the morning.
func TestBrokenFile(t *testing.T) {
	_, err := load("testdata/broken.yaml", theMachine)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error %v", err)
	}
	got := err.Error() + "\n"
	if *update {
		if err := os.WriteFile("testdata/broken.golden", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/broken.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, planted := range []string{"iris_secret", "xoxb", "1234", "abc"} {
		if strings.Contains(got, planted) {
			t.Errorf("the faults show %q", planted)
		}
	}
}

// Every key that there is, is explained.
func TestExampleExplainsEveryKey(t *testing.T) {
	var comments, keys strings.Builder
	for line := range strings.Lines(example(t)) {
		if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			comments.WriteString(comment + "\n")
		} else {
			keys.WriteString(line)
		}
	}
	for structure, where := range place {
		for key := range keysOf(reflect.Zero(structure)) {
			if !strings.Contains(keys.String(), key+":") {
				t.Errorf("%s %s is not used in the example", key, where)
			}
			if where != "at the top of the file" && where != "in a step of a policy" && !strings.Contains(comments.String(), " "+key+" ") && !strings.Contains(comments.String(), " "+key+",") {
				t.Errorf("%s %s is not explained in the example", key, where)
			}
		}
	}
}
