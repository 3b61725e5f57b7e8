package slack_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/command"
	"irisops/bot/schedule"
	"irisops/bot/slack/slacktest"
)

// The transcripts in testdata/conversations are conversations in Slack, to the
// letter but for times and ids. A script has
//
//	operator: /iris status            said with the slash command
//	operator: @iris note it is back   said to the bot, in the thread of the newest incident
//	second presses Approve            the newest button of that name, and yes to its question
//	operator fills priority=P1 title=slow   the newest form, and sends it off
//	! down edge1                      the fake cluster changes; also: up
//	# anything                        a remark
//
// Whoever adds a command adds a file with a success and a refusal of it; -update
// writes what is missing, with the command's example as the success and a
// stranger's attempt as the refusal.

var people = map[string]string{"operator": operator, "second": second, "owner": owner, "guest": guest, "stranger": stranger}

func TestConversations(t *testing.T) {
	t.Parallel()
	if updating() {
		writeMissing(t, wholeTable(t))
	}
	files, err := filepath.Glob("testdata/conversations/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, want := part(archive, "script"), part(archive, "transcript")
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			got := converse(t, script)
			if updating() {
				archive.Files = []txtar.File{{Name: "script", Data: []byte(script)}, {Name: "transcript", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

// wholeTable has every command, of the conversation and of a real cluster.
func wholeTable(t testing.TB) *command.Table {
	t.Helper()
	table, err := bot.TableOf(catalogue())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func catalogue() []actions.Action {
	return cluster.New(cluster.Spec{}, nil, nil, nil, cluster.Options{}).Actions()
}

func part(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// steps are what was done and what came of it.
func steps(transcript string) (all [][2]string) {
	for _, block := range strings.Split("\n"+transcript, "\n>>> ")[1:] {
		did, came, _ := strings.Cut(block, "\n")
		all = append(all, [2]string{did, came})
	}
	return all
}

// understood is the command that a step says.
func understood(table *command.Table, step string) (words string, ok bool) {
	_, line, ok := strings.Cut(step, ": ")
	if !ok {
		return "", false
	}
	for _, prefix := range []string{"/iris ", "@iris "} {
		if text, said := strings.CutPrefix(line, prefix); said {
			parsed, err := table.Parse(text, everybody{})
			if err == nil {
				return parsed.Spec.Words, true
			}
		}
	}
	return "", false
}

type everybody struct{}

func (everybody) Person(name string) (string, bool) { return name, true }
func (everybody) People() []string                  { return nil }

func writeMissing(t *testing.T, table *command.Table) {
	t.Helper()
	if err := os.MkdirAll("testdata/conversations", 0o755); err != nil {
		t.Fatal(err)
	}
	have := ""
	files, _ := filepath.Glob("testdata/conversations/*.txtar")
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		have += string(body)
	}
	for _, s := range table.Specs() {
		if regexp.MustCompile(`(?m)^\w+: [/@]iris ` + regexp.QuoteMeta(s.Words) + `\b`).MatchString(have) {
			continue
		}
		script := fmt.Sprintf("operator: /iris declare P1 slow\nstranger: @iris %s\noperator: @iris %s\n", s.Example, s.Example)
		name := filepath.Join("testdata/conversations", "word-"+strings.ReplaceAll(s.Words, " ", "-")+".txtar")
		if err := os.WriteFile(name, txtar.Format(&txtar.Archive{Files: []txtar.File{{Name: "script", Data: []byte(script)}}}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// converse plays a script and writes down what people see.
func converse(t *testing.T, script string) string {
	s := slacktest.New(t, ops, onCall)
	c := newWorld()
	clusters := c.served()
	clusters[0].Actions = rounded(c.actions(), catalogue())
	l := live(t, setting{api: s.API(), clusters: clusters, onCall: onCall, contacts: directly(), policy: everyRole(), schedules: []bot.Scheduled{weekly(t, "backup"), weekly(t, "drill")}})
	names := strings.NewReplacer("<@"+operator+">", "@operator", "<@"+second+">", "@second", "<@"+owner+">", "@owner", "<@"+guest+">", "@guest")
	var out strings.Builder
	seen := s.Look()
	var form *slacktest.Form
	for _, step := range strings.Split(script, "\n") {
		step = strings.TrimSpace(step)
		if step == "" || strings.HasPrefix(step, "#") {
			continue
		}
		out.WriteString(">>> " + step + "\n")
		form = act(t, s, c, step, form)
		rest(t, s, l)
		now := s.Look()
		for _, line := range now.Since(seen, steady) {
			out.WriteString(names.Replace(line) + "\n")
		}
		seen = now
	}
	return steady(out.String())
}

// act does one step; form is the one that was filled in last.
func act(t *testing.T, s *slacktest.Slack, c *world, step string, form *slacktest.Form) *slacktest.Form {
	t.Helper()
	if words, ok := strings.CutPrefix(step, "! "); ok {
		f := strings.Fields(words)
		c.set(f[1], f[0])
		return form
	}
	if who, line, ok := strings.Cut(step, ": "); ok {
		if text, mention := strings.CutPrefix(line, "@iris "); mention {
			s.Mention(people[who], ops, s.NewestThread(ops), text)
			return form
		}
		s.Say(people[who], ops, line)
		return form
	}
	who, rest, _ := strings.Cut(step, " ")
	verb, rest, _ := strings.Cut(rest, " ")
	switch verb {
	case "presses":
		s.PressNewest(people[who], rest)
	case "fills":
		fields := map[string]string{}
		for _, f := range regexp.MustCompile(`(\S+?)=("[^"]*"|\S+)`).FindAllStringSubmatch(rest, -1) {
			fields[f[1]] = strings.Trim(f[2], `"`)
		}
		if form == nil || s.Closed(form) {
			form = s.ExpectForm(people[who])
		}
		s.Submit(form, fields)
	default:
		t.Fatalf("a script says %q", step)
	}
	return form
}

// quietEnough is how long nothing has to happen until nothing will: what is said
// later is waited for by what is kept.
const quietEnough = 250 * time.Millisecond

// rest waits until everything that was said is answered and shown.
func rest(t *testing.T, s *slacktest.Slack, l *life) {
	t.Helper()
	s.Await("rest", func() bool {
		s.SettleFor(quietEnough)
		left, err := l.db.Unanswered()
		if err != nil {
			t.Error(err)
		}
		posts, err := l.db.PendingPosts()
		if err != nil {
			t.Error(err)
		}
		return len(left) == 0 && len(posts) == 0
	})
}

// weekly is something that the calendar has.
func weekly(t *testing.T, name string) bot.Scheduled {
	t.Helper()
	when, err := schedule.Parse("0 8 * * 1", 0, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return bot.Scheduled{Entry: schedule.Entry{Name: name, What: "a look at clients", When: when, Words: "verify"}}
}

// unsteady are the parts of a transcript that are others every time.
var unsteady = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`<!date\^[^>]*>`), "<ago>"},
	{regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`), "00:00"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "2000-01-01"},
	{regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{1,2} [A-Z][a-z]{2}\b`), "Sat 1 Jan"},
	{regexp.MustCompile(`\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b`), "1 Jan"},
	{regexp.MustCompile(`\b\d+(\.\d+)? (ms|s|min|minutes|minute|h|hours|days)\b`), "N $2"},
	{regexp.MustCompile(`N (ms|s)\b`), "N s"},
	{regexp.MustCompile(`\bAGE {2,}`), "AGE  "}, // a column as wide as its milliseconds
	{regexp.MustCompile(`\b[0-9a-f]{12,}\b`), "HASH"},
	{regexp.MustCompile(`audit-\S+-\d+\.jsonl`), "audit-1.jsonl"},
	{regexp.MustCompile(`\b\d+ (bytes|KiB)\b`), "N bytes"},
	{regexp.MustCompile(`slack/C0\S+`), "DELIVERY"},
}

func steady(text string) string {
	for _, u := range unsteady {
		text = u.re.ReplaceAllString(text, u.to)
	}
	return text
}

// rounded is the fake cluster's actions, and those of the real one that it lacks:
// with their names and parameters, and answers that say what was asked.
func rounded(have, all []actions.Action) []actions.Action {
	for _, a := range all {
		if slices.ContainsFunc(have, func(h actions.Action) bool { return h.Name == a.Name }) {
			continue
		}
		if a.Plan != nil {
			a.Plan = func(_ context.Context, r actions.Request) (actions.Plan, error) {
				return actions.Plan{Title: asked(a.Name, r.Args), Class: actions.Do, Why: "it changes one thing", Targets: []string{"main/" + a.Name},
					Steps: []actions.Step{{Name: a.Name, Describe: "as asked", Perform: func(context.Context) (string, error) { return "done", nil }}}}, nil
			}
		} else {
			a.Look = func(_ context.Context, r actions.Request) (actions.Result, error) {
				return actions.Result{Level: actions.OK, Headline: asked(a.Name, r.Args)}, nil
			}
		}
		have = append(have, a)
	}
	return have
}

// asked is what was asked for, in order.
func asked(name string, args actions.Args) string {
	for _, k := range slices.Sorted(maps.Keys(args)) {
		name += fmt.Sprintf(" %s=%s", k, args[k])
	}
	return name
}

func everyRole() *access.Policy {
	p := policy()
	p.People[0].Roles = append(p.People[0].Roles, access.Owner)
	return &p
}

// updating says whether the golden files are to be written as things are now.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }
