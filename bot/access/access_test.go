package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/approval"
)

var team = Policy{
	People: []Person{
		{ID: "operator", Slack: "U01", Unix: "ops1", UID: "1001", Roles: []Role{Operator, Approver}},
		{ID: "second", Slack: "U03", Unix: "1002", Roles: []Role{Operator, Approver}},
		{ID: "owner", Slack: "U02", Roles: []Role{Approver, Owner}},
		{ID: "guest", Slack: "U04", Unix: "guest", Roles: []Role{Viewer}},
		{ID: "newcomer", Slack: "U05"},
		{ID: "daemon", Unix: "irisops", UID: "998", Roles: []Role{Owner, Operator, Approver}},
		{ID: "rooty", Unix: "toor", UID: "0", Roles: []Role{Owner, Operator, Approver}},
	},
	Groups: map[Role]string{Responder: "S0TEAM", Approver: "S0LEADS"},
	Self:   []string{"998", "irisops"},
}

var account = Person{ID: "unix:deploy", Unix: "deploy", Roles: []Role{Viewer}}

func TestIdentify(t *testing.T) {
	tests := []struct {
		caller string
		groups []string
		want   string // id, then roles
	}{
		{"unix:ops1", nil, "operator [operator approver]"},
		{"unix:1001", nil, "operator [operator approver]"},
		{"unix:1002", nil, "second [operator approver]"},
		{"unix:deploy", nil, "unix:deploy [viewer]"},
		{"unix:1003", nil, "unix:1003 [viewer]"},
		{"unix:operator", nil, "unix:operator [viewer]"}, // an id is not an account
		{"unix:root", nil, "unix:root [viewer]"},
		{"unix:0", nil, "unix:0 [viewer]"},
		{"unix:toor", nil, "unix:toor [viewer]"}, // another name of root
		{"unix:irisops", nil, "unix:irisops [viewer]"},
		{"unix:998", nil, "unix:998 [viewer]"},
		{"slack:U01", nil, "operator [operator approver]"},
		{"slack:U01", []string{"S0TEAM"}, "operator [operator approver]"}, // an entry's own roles stand
		{"slack:U04", []string{"S0LEADS"}, "guest [viewer]"},
		{"slack:U05", []string{"S0TEAM"}, "newcomer []"},
		{"slack:U09", []string{"S0OTHER", "S0TEAM"}, "slack:U09 [responder]"},
		{"slack:U09", []string{"S0TEAM", "S0LEADS"}, "slack:U09 [responder approver]"},
		{"slack:U09", []string{"S0OTHER"}, "nobody"},
		{"slack:U09", []string{""}, "nobody"},
		{"slack:U09", nil, "nobody"},
		{"slack:u01", nil, "nobody"},
		{"slack:", nil, "nobody"},
		{"unix:", nil, "nobody"},
		{"", nil, "nobody"},
		{"operator", nil, "nobody"},
		{"mail:U01", nil, "nobody"},
		{"demo:operator", nil, "nobody"}, // not in the demo
	}
	for _, tt := range tests {
		person, ok := team.Identify(tt.caller, tt.groups...)
		got := "nobody"
		if ok {
			got = fmt.Sprint(person.ID, " ", person.Roles)
		}
		if got != tt.want {
			t.Errorf("Identify(%q, %q) = %s, want %s", tt.caller, tt.groups, got, tt.want)
		}
	}
}

func TestIdentifyDemo(t *testing.T) {
	demo := Policy{People: DemoPeople(), Demo: true}
	for _, id := range []string{"operator", "second", "owner", "guest"} {
		if p, ok := demo.Identify("demo:" + id); !ok || p.ID != id || len(p.Roles) == 0 {
			t.Errorf("demo:%s = %+v, %v", id, p, ok)
		}
	}
	for _, caller := range []string{"demo:", "demo:root", "demo:unix:root", "demo:slack:U09"} {
		if p, ok := demo.Identify(caller); ok {
			t.Errorf("%s is %+v, want nobody", caller, p)
		}
	}
}

// Every class and every command with a rule of its own, against everyone there
// can be. The columns are the roles alone, then who has no role, a group's
// member, an account, and nobody.
func TestMayTable(t *testing.T) {
	callers := []Person{
		{ID: "v", Roles: []Role{Viewer}}, {ID: "r", Roles: []Role{Responder}}, {ID: "o", Roles: []Role{Operator}},
		{ID: "a", Roles: []Role{Approver}}, {ID: "w", Roles: []Role{Owner}},
		{ID: "n"}, {ID: "slack:U09", Roles: []Role{Operator, Approver, Owner}}, account, {},
	}
	table := strings.TrimSpace(`
command          class  viewer responder operator approver owner none member account nobody
status           see    yes    yes       yes      yes      yes   -    yes    yes     -
verify           see    yes    yes       yes      yes      yes   -    yes    yes     -
declare          tell   -      yes       yes      yes      yes   -    yes    -       -
recovered        tell   -      yes       yes      yes      yes   -    yes    -       -
restart          do     -      -         yes      -        -     -    yes    -       -
stop             harm   -      -         yes      -        -     -    yes    -       -
strange          class0 -      -         -        -        -     -    -      -       -
strange          class9 -      -         -        -        -     -    -      -       -
help             see    yes    yes       yes      yes      yes   yes  yes    yes     -
whoami           see    yes    yes       yes      yes      yes   yes  yes    yes     -
access@explain   see    yes    yes       yes      yes      yes   yes  yes    yes     -
halt             tell   yes    yes       yes      yes      yes   -    yes    -       -
resume-actions   tell   yes    yes       yes      yes      yes   -    yes    -       -
stop-paging      tell   -      yes       yes      yes      yes   -    yes    -       -
confirm          tell   -      -         yes      -        -     -    yes    -       -
approve          tell   -      -         -        yes      -     -    -      -       -
deny             tell   -      -         yes      yes      -     -    yes    -       -
break-glass      tell   -      -         yes      -        yes   -    -      yes     -
schedule@pause   tell   -      -         -        -        yes   -    yes    -       -
schedule@resume  tell   -      -         -        -        yes   -    yes    -       -
drill@postpone   tell   -      -         -        yes      -     -    -      -       -
schedule@run     tell   -      -         -        -        yes   -    yes    -       -
messages@show@--contents see -  -        -        yes      yes   -    -      -       -
`)
	classes := map[string]actions.Class{"see": actions.See, "tell": actions.Tell, "do": actions.Do, "harm": actions.Harm, "class0": 0, "class9": 9}
	covered := map[string]bool{}
	for _, line := range strings.Split(table, "\n")[1:] {
		cells := strings.Fields(line)
		words := strings.ReplaceAll(cells[0], "@", " ")
		covered[words] = true
		for i, who := range callers {
			d := Policy{}.May(who, words, classes[cells[1]])
			if want := cells[2+i] == "yes"; d.Allowed != want {
				t.Errorf("%s (%s) by %s = %v, want %v: %s", words, cells[1], describe(who), d.Allowed, want, d.Why)
			}
			if d.Why == "" || !strings.HasSuffix(d.Why, ".") {
				t.Errorf("%s by %s: not a sentence: %q", words, describe(who), d.Why)
			}
		}
	}
	for words := range byName {
		if !covered[words] {
			t.Errorf("%s has a rule and no row in this table", words)
		}
	}
}

// A schedule may say its own words and nothing else, and nobody can pass for one
// that the config does not have.
func TestSchedulesMay(t *testing.T) {
	p := Policy{People: []Person{{ID: "backup", Roles: []Role{Owner}}}, Schedules: map[string]string{"backup": "backup now", "tidy": ""}}
	who, ok := p.Identify("schedule:backup")
	if !ok || who.Listed() || who.Account() || who.Schedule() != "backup" || len(who.Roles) != 0 {
		t.Fatalf("%+v, %v", who, ok)
	}
	for _, caller := range []string{"schedule:", "schedule:drill", "schedule:backup now", "demo:schedule:backup", "slack:schedule:backup"} {
		if p, ok := p.Identify(caller); ok {
			t.Errorf("%s is %+v", caller, p)
		}
	}
	for words, class := range map[string]actions.Class{"status": actions.See, "help": actions.See, "halt": actions.Tell, "approve": actions.Tell, "confirm": actions.Tell, "stop": actions.Do, "": actions.See} {
		if d := p.May(who, words, class); d.Allowed {
			t.Errorf("it may %q: %s", words, d.Why)
		}
	}
	if d := p.May(who, "backup now", actions.Do); !d.Allowed {
		t.Error(d.Why)
	}
	if d := p.May(who, "backup now", 0); d.Allowed {
		t.Error("a command without a class")
	}
	if v := p.Voter(who); v.Approver || v.Person != "schedule:backup" {
		t.Errorf("%+v", v)
	}
}

func TestSentences(t *testing.T) {
	who := func(caller string, groups ...string) Person {
		p, _ := team.Identify(caller, groups...)
		return p
	}
	tests := []struct {
		person Person
		words  string
		class  actions.Class
		want   string
	}{
		{who("slack:U04"), "note", actions.Tell,
			"`note` needs responder; you are guest with viewer. Who may: operator, second, owner, daemon, rooty, the Slack group S0TEAM, the Slack group S0LEADS."},
		{who("slack:U01"), "note", actions.Tell, "`note` needs responder; you are operator with operator, approver."},
		{who("slack:U05"), "status", actions.See,
			"`status` needs viewer; you are newcomer with no role. Who may: operator, second, owner, guest, daemon, rooty, the Slack group S0TEAM, the Slack group S0LEADS."},
		{who("unix:root"), "restart", actions.Do,
			"`restart` needs operator; you are the Unix account root, which is no person here. Root may look and break glass, nothing else: use your own account. Who may: operator, second, daemon, rooty."},
		{who("unix:deploy"), "halt", actions.Tell,
			"`halt` needs any role; you are the Unix account deploy, which is no person here. Such an account may look and break glass, nothing else: use your own, or have `unix: deploy` added to your entry under people. Who may: operator, second, owner, guest, daemon, rooty, the Slack group S0TEAM, the Slack group S0LEADS."},
		{who("unix:irisops"), "confirm", actions.Tell,
			"`confirm` needs operator; you are the Unix account irisops, which is no person here. The account irisops itself runs as may look and break glass, nothing else: use your own. Who may: operator, second, daemon, rooty."},
		{who("slack:U09", "S0LEADS"), "approve", actions.Tell,
			"`approve` needs approver; you are slack:U09 with approver. A second person has to be an entry under people: have `slack: U09` added to yours. Who may: operator, second, owner, daemon, rooty."},
		{Person{}, "help", actions.See,
			"`help` is for everyone known here; you are nobody irisops knows. Who may: operator, second, owner, guest, newcomer, daemon, rooty, the Slack group S0TEAM, the Slack group S0LEADS."},
		{who("slack:U01"), "strange", 0, "No rule says who may use `strange`, so nobody may."},
	}
	for _, tt := range tests {
		d := team.May(tt.person, tt.words, tt.class)
		if diff := cmp.Diff(tt.want, d.Why); diff != "" {
			t.Errorf("%s by %s (-want +got):\n%s", tt.words, describe(tt.person), diff)
		}
	}
	lonely := Policy{People: []Person{{ID: "guest", Roles: []Role{Viewer}}}}
	if d := lonely.May(lonely.People[0], "restart", actions.Do); !strings.Contains(d.Why, "Nobody in the config may") || d.Who != nil {
		t.Errorf("nobody may: %+v", d)
	}
}

func TestExplain(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"may not", team.Explain(team.People[3], "restart", actions.Do), "You may not use `restart`.\n" +
			"`restart` needs operator; you are guest with viewer. Who may: operator, second, daemon, rooty.\n" +
			"The requester confirms what will run.\n" +
			"What is asked for is judged by its effect on what is alive. Where it could lose data or service, a second person approves it: operator or second or owner or daemon or rooty."},
		{"may", team.Explain(team.People[0], "stop-paging", actions.Tell), "You may use `stop-paging`.\n" +
			"`stop-paging` needs responder; you are operator with operator, approver.\n" +
			"Who may: operator, second, owner, daemon, rooty, the Slack group S0TEAM, the Slack group S0LEADS.\n" +
			"It is refused to no responder, at any time, and recorded."},
		{"nobody to approve", Policy{}.Explain(team.People[0], "stop", actions.Harm), "You may use `stop`.\n" +
			"`stop` needs operator; you are operator with operator, approver.\n" +
			"Nobody in the config may: someone under people has to be given the role.\n" +
			"A second person approves it.\n" +
			"What is asked for is judged by its effect on what is alive. Where it could lose data or service, a second person has to approve it, and there is none: nobody else under people has the role approver."},
		{"whoami", team.Whoami(team.People[0]), "You are operator with operator, approver.\n" +
			"Known as: Slack user U01, Unix account ops1.\n" +
			"You can look at everything (viewer).\n" +
			"You can declare, acknowledge, note, and call an incident recovered or resolved (responder).\n" +
			"You can act on the cluster, having seen what will run (operator).\n" +
			"You can approve what another person asks for and could lose data or service (approver).\n" +
			"`access explain COMMAND` says why for each command."},
		{"whoami, no role", team.Whoami(team.People[4]), "You are newcomer with no role.\n" +
			"Known as: Slack user U05.\n" +
			"You can do nothing here until your entry under people has a role.\n" +
			"`access explain COMMAND` says why for each command."},
		{"whoami, an account", team.Whoami(account), "You are the Unix account deploy, which is no person here.\n" +
			"You can look at everything (viewer).\n" +
			"You can break glass, and do nothing else.\n" +
			"`access explain COMMAND` says why for each command."},
		{"whoami, a member", team.Whoami(Person{ID: "slack:U09", Slack: "U09", Roles: []Role{Viewer}}), "You are slack:U09 with viewer.\n" +
			"Known as: Slack user U09.\n" +
			"You can look at everything (viewer).\n" +
			"You do not count as a second person: only an entry under people does.\n" +
			"`access explain COMMAND` says why for each command."},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestUnknown(t *testing.T) {
	demo := Policy{People: DemoPeople(), Demo: true}
	tests := []struct {
		policy Policy
		caller string
		want   string
	}{
		{team, "slack:U09", "You are the Slack user U09: no entry under people names you and you are in no group with a role, so there is nothing you may do here. Ask owner or daemon or rooty to add `slack: U09` to your entry under people."},
		{Policy{}, "slack:U09", "You are the Slack user U09: no entry under people names you and you are in no group with a role, so there is nothing you may do here. Ask whoever keeps the config to add `slack: U09` to your entry under people."},
		{demo, "demo:eve", `There is no "eve" here. Speak as one of: operator, second, owner, guest.`},
		{team, "demo:operator", "Only the terminal demo lets you choose who you are. Use `irisops ctl` from your own account."},
		{team, "", "It cannot be told who you are, so there is nothing you may do here. Ask owner or daemon or rooty to look at the log of irisops."},
	}
	for _, tt := range tests {
		err := tt.policy.Unknown(tt.caller)
		if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
			t.Errorf("Unknown(%q) (-want +got):\n%s", tt.caller, diff)
		}
		if actions.CodeOf(err) != "unknown-person" {
			t.Errorf("Unknown(%q) has the code %q", tt.caller, actions.CodeOf(err))
		}
	}
	hostile := team.Unknown("slack:`\x1b[31m\n\xff" + strings.Repeat("x", 10_000)).Error()
	if strings.ContainsAny(hostile, "\x1b\n\uFFFD") || len(hostile) > 600 || strings.Count(hostile, "`") != 2 {
		t.Errorf("text from outside is shown as it came: %q", hostile)
	}
}

func TestSecondPerson(t *testing.T) {
	var got []string
	for _, p := range team.Approvers("operator") {
		got = append(got, p.ID)
	}
	if diff := cmp.Diff([]string{"second", "owner", "daemon", "rooty"}, got); diff != "" {
		t.Errorf("approvers for operator (-want +got):\n%s", diff)
	}
	votes := map[string]struct {
		person Person
		want   approval.Voter
	}{
		"approver":      {team.People[0], approval.Voter{Person: "operator", Approver: true}},
		"not approver":  {team.People[3], approval.Voter{Person: "guest"}},
		"group member":  {Person{ID: "slack:U09", Roles: []Role{Approver}}, approval.Voter{Person: "slack:U09"}},
		"an account":    {account, approval.Voter{Person: "unix:deploy", Bot: true, Glass: true}},
		"nobody at all": {Person{}, approval.Voter{}},
	}
	for name, v := range votes {
		if got := team.Voter(v.person); got != v.want {
			t.Errorf("%s: %+v, want %+v", name, got, v.want)
		}
	}
	if _, ok := team.Person("slack:U09"); ok {
		t.Error("slack:U09 is no entry under people")
	}
}

func TestEveryRoleIsDescribed(t *testing.T) {
	for _, r := range Roles {
		if !r.Known() || !r.Includes(r) || !r.Includes(Viewer) || can[r] == "" {
			t.Errorf("role %s is incomplete", r)
		}
		for _, other := range includes[r] {
			for _, third := range includes[other] {
				if !r.Includes(third) {
					t.Errorf("%s includes %s, which includes %s, but %s does not", r, other, third, r)
				}
			}
		}
	}
	if Role("admin").Known() || Role("").Known() || len(includes) != len(Roles) {
		t.Error("there are other roles")
	}
}

func drawRoles(t *rapid.T, label string) []Role {
	return rapid.SliceOfDistinct(rapid.SampledFrom(Roles), func(r Role) Role { return r }).Draw(t, label)
}

func drawCommand(t *rapid.T) (string, actions.Class) {
	words := []string{"status", "restart", "declare", "unheard-of"}
	for w := range byName {
		words = append(words, w)
	}
	slices.Sort(words)
	return rapid.SampledFrom(words).Draw(t, "words"), actions.Class(rapid.IntRange(-1, 6).Draw(t, "class"))
}

// A role more never takes a permission away.
func TestMoreRolesNeverMayLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"someone", "slack:U09", "unix:deploy"}).Draw(t, "id")
		roles := drawRoles(t, "roles")
		words, class := drawCommand(t)
		fewer := Person{ID: id, Roles: roles}
		more := Person{ID: id, Roles: append(slices.Clone(roles), rapid.SampledFrom(Roles).Draw(t, "one more"))}
		if team.May(fewer, words, class).Allowed && !team.May(more, words, class).Allowed {
			t.Fatalf("%v may %s, and %v may not", fewer.Roles, words, more.Roles)
		}
	})
}

// Nobody may anything, whatever roles a bug may have left on them; and a caller
// whom no entry, group or account explains is nobody.
func TestNobodyMayNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words, class := drawCommand(t)
		if d := team.May(Person{Roles: drawRoles(t, "roles")}, words, class); d.Allowed {
			t.Fatalf("nobody may %s", words)
		}
		caller := rapid.OneOf(rapid.String(), rapid.StringMatching(`(slack|demo|http|):[a-zA-Z0-9:]*`)).
			Filter(func(s string) bool { return !strings.HasPrefix(s, "unix:") && !strings.HasPrefix(s, "slack:U0") }).Draw(t, "caller")
		if p, ok := team.Identify(caller); ok {
			t.Fatalf("%q is %+v", caller, p)
		}
		if team.Unknown(caller).Error() == "" {
			t.Fatalf("%q gets no answer", caller)
		}
	})
}

// An account looks and breaks glass, whatever it is called.
func TestAccountsOnlyLookAndBreakGlass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caller := rapid.StringMatching(`unix:[a-z0-9_:-]{1,20}`).Draw(t, "caller")
		words, class := drawCommand(t)
		person, ok := team.Identify(caller)
		if !ok {
			t.Fatalf("%s is nobody", caller)
		}
		if person.Listed() {
			return // drawn by chance: an entry under people
		}
		allowed := team.May(person, words, class).Allowed
		_, special := byName[words]
		if allowed && class != actions.See && !slices.Contains([]string{"help", "whoami", "access explain", "break-glass"}, words) {
			t.Fatalf("%s may %s (%s)", caller, words, class)
		}
		if !allowed && class == actions.See && !special {
			t.Fatalf("%s may not look with %s", caller, words)
		}
		if v := team.Voter(person); v.Approver || !v.Bot {
			t.Fatalf("%s counts as a second person", caller)
		}
	})
}

// Who a decision names and who is allowed are the same people.
func TestWhoIsWhoMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words, class := drawCommand(t)
		for _, p := range team.People {
			if d := team.May(p, words, class); d.Allowed != slices.Contains(d.Who, p.ID) {
				t.Fatalf("%s by %s: allowed %v, who %q", words, p.ID, d.Allowed, d.Who)
			}
		}
	})
}
