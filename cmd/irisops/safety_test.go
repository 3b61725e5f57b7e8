package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/audit"
	"irisops/bot/command"
	"irisops/bot/console"
	"irisops/bot/inbox"
	"irisops/cmd/irisops/config"
)

// What is planted, and must be found nowhere. The cookie is the lab's: it stands
// in the Makefile there, and on the erl line that its Makefile writes.
var secrets = map[string]string{
	"the cookie":             lab.Cookie,
	"the bot token":          "xoxb-planted-bot-token",
	"the app token":          "xapp-planted-app-token",
	"the signing secret":     "planted-signing-secret",
	"the board token":        "planted-board-token",
	"the body of a message":  "planted secret letter",
	"the body in other eyes": "cGxhbnRlZCBzZWNyZXQ", // in base64, as JSON writes bytes
}

// everything that is said, in every form in which a room could show it.
type everything struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *everything) Publish(_ context.Context, p bot.Post) error {
	asJSON, err := json.Marshal(p)
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(&e.text, "%s\n%+v\n", asJSON, p)
	return err
}

func (e *everything) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(b)
}

func (e *everything) said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// hall is the binary's own wiring on a real lab, with everything planted.
type hall struct {
	*testing.T
	lab      *lab.Lab
	cfg      config.Config
	app      *app
	said     everything
	terminal bytes.Buffer
	log      everything
	link     *erlang.Link
	specs    []*command.Spec
	count    atomic.Int64
}

func newHall(t *testing.T) *hall {
	h := &hall{T: t, lab: labtest.ForTest(t, lab.Options{Edges: 2})}
	// From here on, so that only what irisops starts could have them.
	for name, secret := range map[string]string{"SLACK_BOT_TOKEN": "the bot token", "SLACK_APP_TOKEN": "the app token", "SLACK_SIGNING_SECRET": "the signing secret"} {
		t.Setenv(name, secrets[secret])
	}
	text, err := os.ReadFile(h.lab.ConfigFile())
	h.must(err)
	token := filepath.Join(t.TempDir(), "board-token")
	h.must(os.WriteFile(token, []byte(secrets["the board token"]+"\n"), 0o600))
	file := filepath.Join(t.TempDir(), "irisops.yaml")
	h.must(os.WriteFile(file, append(text, "board: {token_file: "+token+"}\nbackup: {min_free: 1MB, keep: 2}\n"...), 0o600))
	h.cfg, err = config.Load(file)
	h.must(err)
	terminal := console.NewTerminal(&h.terminal, false, console.Style{Width: 120, Unicode: true}, time.UTC, []string{"irisops"})
	h.app, err = newApp(h.cfg, overrides{demo: true, rooms: []bot.Room{&h.said, terminal}}, slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	h.must(err)
	h.must(h.app.Start(t.Context()))
	t.Cleanup(func() {
		if h.app != nil {
			h.must(h.app.Stop(context.Background()))
		}
	})
	h.link, err = erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: h.lab.EPMDPort()})
	h.must(err)
	t.Cleanup(func() { h.link.Close() })
	table, err := bot.TableOf(cluster.New(cluster.Spec{}, nil, nil, nil, cluster.Options{}).Actions())
	h.must(err)
	h.specs = table.Specs()
	return h
}

func (h *hall) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *hall) say(who, words string) int {
	return h.app.bot.Handle(h.Context(), inbox.Delivery{ID: fmt.Sprint("said-", h.count.Add(1)), Via: "terminal", Caller: "demo:" + who, Text: words}).Wait()
}

// settle answers what waits: what the words allow runs, everything else is
// denied. It returns how many requests there were.
func (h *hall) settle(run bool) int {
	h.Helper()
	waiting, err := h.app.db.Runs(runbook.Waiting)
	h.must(err)
	for _, r := range waiting {
		if !run {
			h.say("second", "deny "+r.ID())
			continue
		}
		if h.say("operator", "confirm "+r.ID()) != bot.ExitDone {
			h.say("second", "approve "+r.ID())
		}
	}
	return len(waiting)
}

func (h *hall) node(short string) lab.Node {
	n, err := h.lab.Node(short)
	h.must(err)
	return n
}

// mail has messages wait for the user, in Mnesia.
func (h *hall) mail(user string, n int) {
	for i := range n {
		_, err := h.link.Call(h.Context(), h.node("core").Name, "mnesia", "dirty_write", term.Tuple{term.Atom("offline_msg"),
			term.Tuple{[]byte(user), 5}, time.Now().UnixMilli() + int64(i), []byte(fmt.Sprint(secrets["the body of a message"], i))})
		h.must(err)
	}
}

// children watches the programs that run: whose arguments or environment hold a
// secret. Only erl lines may hold the cookie.
func children(ctx context.Context, found *sync.Map) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	self := strconv.Itoa(os.Getpid())
	seen := map[string]bool{}
	for {
		procs, _ := filepath.Glob("/proc/[0-9]*")
		for _, p := range procs {
			pid := filepath.Base(p)
			cmdline, err := os.ReadFile(p + "/cmdline")
			if err != nil || pid == self || seen[pid+string(cmdline)] {
				continue
			}
			environ, err := os.ReadFile(p + "/environ")
			if err != nil {
				continue
			}
			seen[pid+string(cmdline)] = true
			for what, secret := range secrets {
				if bytes.Contains(cmdline, []byte(secret)) && !bytes.Contains(cmdline, []byte("-setcookie")) {
					found.Store(fmt.Sprintf("%s in the arguments of %q", what, cmdline), true)
				}
				if what != "the cookie" && bytes.Contains(environ, []byte(secret)) || bytes.Contains(environ, []byte("COOKIE="+secret)) {
					found.Store(fmt.Sprintf("%s in the environment of %q", what, cmdline), true)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// What the words of the table are run with, beside their own examples, so that
// they succeed where they can.
var wordsThatWork = []string{
	"messages show alice --deep", "messages export alice", "messages clear alice", "messages exports", "messages restore %export", "messages redeliver bob",
	"backup now", "backup list", "backup verify %backup", "backup restore-plan %backup", "restart edge1", "audit export", "audit verify", "logs core -n 100", "diagnose full",
}

// carriedOut are the actions that run in the test; the others are denied, after
// their plans were shown.
var carriedOut = []string{"messages export", "messages clear", "messages restore", "messages redeliver", "backup now", "restart edge1", "mesh", "maintenance off"}

func TestNoSecretLeavesItsPlaceAndHostileWordsChangeNothing(t *testing.T) {
	h := newHall(t)
	leaks := &sync.Map{}
	watching, stop := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() { children(watching, leaks) })
	t.Cleanup(func() { stop(); watch.Wait() })

	h.mail("alice", 12)
	bob, err := edge.Dial(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(h.node("edge2").Port)))
	h.must(err)
	defer bob.Close()
	h.must(bob.Login(t.Context(), "bob", ""))
	go func() { // takes what comes, or it would go back among the waiting messages
		for {
			d, err := bob.Receive(watching)
			if err != nil || bob.Ack(watching, d) != nil {
				return
			}
		}
	}()
	h.mail("bob", 3)

	t.Run("every command", func(t *testing.T) {
		h.say("operator", "declare P1 the cookie is "+lab.Cookie+" and the token "+secrets["the bot token"])
		var lines []string
		for _, s := range h.specs {
			lines = append(lines, s.Example)
		}
		done := map[string]int{}
		for _, line := range append(lines, wordsThatWork...) {
			line = strings.NewReplacer("%export", h.newest("exports", "M-", ".export"), "%backup", h.newestBackup()).Replace(line)
			h.say("guest", line)
			h.say("nobody", line)
			h.say("operator", line+" --nonsense")
			h.say("operator", line+" --dry-run")
			code := h.say("operator", line)
			done[fmt.Sprint("code ", code)]++
			run := slices.ContainsFunc(carriedOut, func(w string) bool { return strings.HasPrefix(line, w) })
			done["requests"] += h.settle(run)
			h.say("operator", "resume-actions")
		}
		t.Logf("%d commands, said %d times: %v", len(lines), h.count.Load(), done)
		ran, err := h.app.db.Runs(runbook.Done)
		h.must(err)
		titles := ""
		for _, r := range ran {
			titles += r.Title + "\n"
		}
		for _, want := range []string{"Clear 12 records of alice", "Restore 12 records of alice", "Redeliver 3 records of bob", "Back up core", "Restart edge1"} {
			if !strings.Contains(titles, want) {
				t.Errorf("%q did not run, so that nothing is known of it; done are\n%s", want, titles)
			}
		}
		if failed, err := h.app.db.Runs(runbook.Failed); err != nil || len(failed) > 0 {
			t.Errorf("failed: %+v, %v", failed, err)
		}
	})

	t.Run("the web", func(t *testing.T) {
		for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/incidents", "/audit", "/no-such-page"} {
			for _, password := range []string{"", secrets["the board token"], "wrong"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.app.web.URL()+path, nil)
				h.must(err)
				req.SetBasicAuth("x", password)
				resp, err := http.DefaultClient.Do(req)
				h.must(err)
				fmt.Fprintln(&h.said, path, resp.Header)
				_, err = io.Copy(&h.said, resp.Body)
				h.must(err)
				resp.Body.Close()
			}
		}
	})

	t.Run("hostile words", func(t *testing.T) { hostile(t, h) })

	h.must(h.app.Stop(context.Background()))
	h.app = nil
	stop()
	watch.Wait()
	leaks.Range(func(where, _ any) bool { t.Error(where); return true })
	h.nowhere("what was said", h.said.said())
	h.nowhere("the terminal", h.terminal.String())
	h.nowhere("the log", h.log.said())
	h.must(filepath.WalkDir(h.cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		h.must(err)
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v %v", path, info.Mode(), err)
		}
		text := string(content)
		if strings.HasSuffix(path, ".export") { // is there for the bodies
			text = strings.ReplaceAll(text, secrets["the body of a message"], "")
		}
		h.nowhere(path, text)
		return nil
	}))
}

func (h *hall) nowhere(where, text string) {
	h.Helper()
	if len(text) == 0 {
		h.Errorf("%s is empty, so that nothing can be said of it", where)
	}
	for what, secret := range secrets {
		if i := strings.Index(text, secret); i >= 0 {
			h.Errorf("%s stands in %s: ...%s", what, where, strings.ReplaceAll(text[max(0, i-200):min(len(text), i+40)], "\x00", ""))
		}
	}
}

func (h *hall) newest(folder, prefix, suffix string) string {
	entries, err := os.ReadDir(filepath.Join(h.cfg.Data, folder))
	if err != nil {
		return prefix + "none"
	}
	name := prefix + "none"
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			name = strings.TrimSuffix(e.Name(), suffix)
		}
	}
	return name
}

func (h *hall) newestBackup() string {
	all, err := h.app.db.Backups("lab")
	if err != nil || len(all) == 0 {
		return "B-none"
	}
	return all[len(all)-1].ID
}

// hostile words are anything that could mean something to a shell, to Erlang, to
// a file system or to Slack.
func hostileWords() []string {
	return []string{
		`'; touch /tmp/irisops-was-here; '`, `"$(touch /tmp/irisops-was-here)"`, "`touch /tmp/irisops-was-here`", "a && b || c | d > e < f", `\x00\`, "a\nb", "a\r\nstop all", "\x00\x01\x1b[2J",
		`foo').os:cmd("touch /tmp/irisops-was-here").`, `#{atom_of_mine => fun() -> hostile_atom_77 end}`, `'hostile_atom_78'`, `{'EXIT',{hostile_atom_79,[]}}`, "<<\"bin\">>.", "hostile_atom_80",
		"../../../../etc/passwd", "/etc/shadow", "-rf", "--", "--cluster", "%n%s%x", "edge1;core", "edge1,core", "core\u202egnp", "ｅｄｇｅ１", "żółw", "\xff\xfe", "<!channel> <@U01>", "null", "-1", "99999999999999999999",
		strings.Repeat("A", 64<<10), strings.Repeat("hostile_atom_81 ", 4<<10), strings.Repeat("(", 2000),
	}
}

func hostile(t *testing.T, h *hall) {
	atoms := func() (all []int64) {
		for _, n := range h.lab.Nodes() {
			count, err := h.link.Call(t.Context(), n.Name, "erlang", "system_info", term.Atom("atom_count"))
			h.must(err)
			all = append(all, count.(int64))
		}
		return all
	}
	pids := func() (all []int) {
		status, err := h.lab.Status(t.Context())
		h.must(err)
		for _, n := range status.Nodes {
			all = append(all, n.PID)
		}
		return all
	}
	table := func() string {
		// alice is nowhere connected, so that nothing of hers moves by itself.
		records, err := h.link.Call(t.Context(), h.node("core").Name, "ets", "match_object", term.Atom("offline_msg"),
			term.Tuple{term.Atom("_"), term.Tuple{[]byte("alice"), term.Atom("_")}, term.Atom("_"), term.Atom("_")})
		h.must(err)
		b, err := term.Append(nil, records)
		h.must(err)
		return string(b)
	}
	wide := func() string {
		var forms []string
		for _, name := range []string{"exports", "audit"} {
			entries, _ := os.ReadDir(filepath.Join(h.cfg.Data, name))
			for _, e := range entries {
				forms = append(forms, e.Name())
			}
		}
		return strings.Join(forms, " ")
	}
	ran := func() int {
		all, err := h.app.db.Runs(runbook.Done, runbook.Failed, runbook.Running, runbook.Uncertain, runbook.Cancelled)
		h.must(err)
		return len(all)
	}
	h.say("operator", "maintenance off")
	h.settle(false)
	beforeRuns, beforePIDs, beforeTable, beforeFiles, beforeAtoms := ran(), pids(), table(), wide(), atoms()
	if len(beforeTable) < 500 {
		t.Fatal("nothing waits for alice")
	}
	said := h.count.Load()
	for _, s := range h.specs {
		if s.Words == "audit export" || s.Words == "schedule run" { // do as they are told, with no words of anybody's in it
			continue
		}
		text := slices.ContainsFunc(s.Params, func(p actions.Param) bool { return p.Kind == actions.Text })
		lines := make(chan string)
		var mouths sync.WaitGroup
		for range 4 { // they share the waits for the disk
			mouths.Go(func() {
				for line := range lines {
					h.say("operator", line)
				}
			})
		}
		for i, w := range hostileWords() {
			if len(s.Params) == 0 && i%6 != 0 { // it takes no words: all of them go the same way
				continue
			}
			lines <- s.Words + " " + w
			if huge := len(w) > 1000; huge {
				continue
			}
			if text {
				lines <- s.Words + " " + strconv.Quote(w)
			}
			if len(s.Params) > 1 {
				lines <- s.Example + " " + w
			}
		}
		close(lines)
		mouths.Wait()
		h.settle(false)
		h.say("operator", "resume-actions")
	}
	t.Logf("%d hostile lines", h.count.Load()-said)
	for _, w := range hostileWords() { // and in the place of a command
		h.say("operator", w)
	}
	h.settle(false)
	if after := ran(); after != beforeRuns {
		t.Errorf("%d requests were carried out, %d before", after, beforeRuns)
	}
	if after := pids(); !slices.Equal(after, beforePIDs) {
		t.Errorf("other processes: %v, before %v", after, beforePIDs)
	}
	if table() != beforeTable {
		t.Error("the messages that wait for alice are others")
	}
	if after := wide(); after != beforeFiles {
		t.Errorf("files: %s, before %s", after, beforeFiles)
	}
	if after := atoms(); !slices.Equal(after, beforeAtoms) {
		t.Errorf("atoms: %v, before %v", after, beforeAtoms)
	}
	if _, err := os.Stat("/tmp/irisops-was-here"); !os.IsNotExist(err) {
		t.Errorf("a shell was here: %v", err)
	}
	if code := h.say("operator", "audit verify"); code != bot.ExitDone {
		t.Error("the audit does not hold")
	}
	refused := 0
	h.must(h.app.db.Trail(1, func(e audit.Entry) error {
		if e.Kind == audit.Refused {
			refused++
		}
		return nil
	}))
	if refused == 0 {
		t.Error("no refusal stands in the audit")
	}
}
