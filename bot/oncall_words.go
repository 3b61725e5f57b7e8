package bot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/access"
	"irisops/bot/command"
	"irisops/bot/message"
	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// onCallWords are about who is on call, and when.
var onCallWords = []word{
	{command.Spec{Words: "oncall", Class: actions.See, Group: onCallGroup, Summary: "who is on call now, until when, and how they are paged", Example: "oncall"}, onCallNow},
	{command.Spec{Words: "oncall next", Class: actions.See, Group: onCallGroup, Summary: "who takes over next, and when", Example: "oncall next"}, onCallNext},
	{command.Spec{Words: "oncall schedule", Class: actions.See, Group: onCallGroup, Summary: "who is on call in the days to come, with gaps and double bookings",
		Example: "oncall schedule --days 14", Params: []actions.Param{{Name: "days", Kind: actions.Count, Flag: true, Doc: "how many days; 14 if left out", Example: "30"}}}, onCallSchedule},
	{command.Spec{Words: "oncall override", Class: actions.Tell, Group: onCallGroup, Summary: "put somebody else on call for a while",
		Example: "oncall override @second 18:00-08:00",
		Long: "The hours are the next ones by the team's clock, or those that began within the last hour: said at noon, 18:00-08:00 is tonight. Or give both ends as dates: 2026-07-01T18:00:00Z/2026-07-02T08:00:00Z. " +
			"The last override made counts. `oncall cancel` takes one back.",
		Params: []actions.Param{
			{Name: "person", Kind: actions.Person, Doc: "who is on call then", Example: "@second"},
			{Name: "hours", Kind: actions.Text, Doc: "from when until when", Example: "18:00-08:00"},
			{Name: "role", Kind: actions.Word, Flag: true, Doc: "which role; the one that is called first if left out", Example: "sre"}}}, onCallOverride},
	{command.Spec{Words: "oncall cancel", Class: actions.Tell, Group: onCallGroup, Summary: "take an override back", Example: "oncall cancel OVR-3",
		Params: []actions.Param{{Name: "override", Kind: actions.Word, Doc: "an override", Example: "OVR-3"}}}, onCallCancel},
}

const onCallGroup = "On call"

func onCallNow(c *call) error {
	r := c.roster()
	var rows [][]string
	for _, role := range r.Names() {
		person, ok := r.Now(role, c.now)
		until, by := "for good", ""
		if next, changes := r.Next(role, c.now); changes {
			until = "until " + c.when(next.From)
		}
		if ok {
			by = strings.Join(channelNames(r.Channels(person)), ", then ")
		} else {
			person = "nobody: everybody on call would be paged"
		}
		if now := r.Schedule(role, c.now, c.now.Add(time.Second)); now[0].Override != "" {
			person += " (" + now[0].Override + ")"
		}
		rows = append(rows, []string{role, person, until, by})
	}
	if len(rows) == 0 {
		c.reply(message.Message{Level: message.Warn, Title: "Nobody is on call: the config has no one under oncall.",
			Blocks: []message.Block{{Text: "Pages are shown to whoever reads the conversation. Add oncall: {primary: NAME} to the config."}}})
		return nil
	}
	c.reply(message.Message{Title: "On call now:", Blocks: []message.Block{{Table: &message.Table{Header: []string{"ROLE", "WHO", "UNTIL", "PAGED BY"}, Rows: rows}}}})
	return nil
}

func channelNames(channels []string) []string {
	var names []string
	for _, c := range channels {
		names = append(names, pager.Spoken(c))
	}
	return names
}

func onCallNext(c *call) error {
	r := c.roster()
	var rows [][]string
	for _, role := range r.Names() {
		next, changes := r.Next(role, c.now)
		switch {
		case !changes:
			person, _ := r.Now(role, c.now)
			rows = append(rows, []string{role, "stays " + firstOf(person, "empty"), ""})
		default:
			rows = append(rows, []string{role, firstOf(next.Person, "nobody"), "from " + c.when(next.From)})
		}
	}
	c.reply(message.Message{Title: "Next on call:", Blocks: []message.Block{{Table: &message.Table{Header: []string{"ROLE", "WHO", "WHEN"}, Rows: rows}}}})
	return nil
}

// maxDays bounds how far ahead a schedule is shown.
const maxDays = 92

func onCallSchedule(c *call) error {
	days := 14
	if d := c.args["days"]; d != "" {
		days, _ = strconv.Atoi(d)
		days = min(days, maxDays)
	}
	r, until := c.roster(), c.now.AddDate(0, 0, days)
	var rows [][]string
	for _, role := range r.Names() {
		for _, t := range r.Schedule(role, c.now, until) {
			rows = append(rows, []string{role, c.when(t.From), c.when(t.Until), firstOf(t.Person, "NOBODY"), t.Override})
		}
	}
	m := message.Message{Title: fmt.Sprintf("On call for the next %d days:", days),
		Blocks: []message.Block{{Table: &message.Table{Header: []string{"ROLE", "FROM", "UNTIL", "WHO", "OVERRIDE"}, Rows: rows}}}}
	if faults := c.rosterFaults(r, c.now, until); len(faults) > 0 {
		m.Level = message.Warn
		m.Title = fmt.Sprintf("On call for the next %d days, with %s:", days, plural(len(faults), "fault"))
		m.Blocks = append(m.Blocks, message.Block{Text: strings.Join(faults, "\n")})
	}
	c.reply(m)
	return nil
}

// rosterFaults are gaps and double bookings as sentences.
func (b *Bot) rosterFaults(r oncall.Roster, from, until time.Time) []string {
	var faults []string
	for _, g := range r.Gaps(from, until) {
		faults = append(faults, fmt.Sprintf("Nobody is on call as %s from %s until %s: everybody would be paged.", g.Role, b.when(g.From), b.when(g.Until)))
	}
	for _, d := range r.Doubles(from, until) {
		if d.And != "" {
			faults = append(faults, fmt.Sprintf("Both %s and %s have the shift of %s from %s until %s; %s counts.", d.Person, d.And, d.Role, b.when(d.From), b.when(d.Until), d.Person))
			continue
		}
		faults = append(faults, fmt.Sprintf("%s is on call both as %s and as %s from %s until %s: an escalation would reach the same person twice.", d.Person, d.Role, d.Other, b.when(d.From), b.when(d.Until)))
	}
	return faults
}

// rosterAhead is how far the daily report looks for gaps and double bookings.
const rosterAhead = 14 * 24 * time.Hour

// addRosterFaults warns of nights that nobody, or one person twice, is on call.
func (c *call) addRosterFaults(m *message.Message) {
	faults := c.rosterFaults(c.roster(), c.now, c.now.Add(rosterAhead))
	if len(faults) == 0 {
		return
	}
	if m.Level == message.OK {
		m.Level, m.Title = message.Warn, fmt.Sprintf("Health report: %s in who is on call.", plural(len(faults), "fault"))
	}
	shown := faults[:min(len(faults), 5)]
	m.Blocks = append(m.Blocks, message.Block{Text: "On call, in the next two weeks:\n" + strings.Join(shown, "\n") + "\n`oncall schedule` shows all."})
}

// when is a time as people plan by it, in their zone.
func (b *Bot) when(t time.Time) string { return t.In(b.Zone).Format("Mon 2 Jan 15:04") }

func onCallOverride(c *call) error {
	r := c.roster()
	role := firstOf(c.args["role"], c.firstRole(r))
	if !slices.Contains(r.Names(), role) {
		return &actions.Error{Code: "no-role", Text: fmt.Sprintf("There is no on-call role %q.", role), Hint: "Say one of: " + strings.Join(r.Names(), ", ") + "."}
	}
	person, _ := c.Access.Person(c.args["person"])
	if !person.Has(access.Responder) {
		return &actions.Error{Code: "cannot-respond", Text: fmt.Sprintf("%s may not even acknowledge, and so cannot be on call.", person.ID), Hint: "Give them the role responder in the config."}
	}
	from, until, err := hours(c.args["hours"], c.now, c.Zone)
	if err != nil {
		return err
	}
	o, err := c.Store.PutOverride(c.ctx, oncall.Override{Role: role, Person: person.ID, From: from, Until: until, By: c.who.ID, At: c.now}, c.d.ID)
	if err != nil {
		return err
	}
	if err := c.readOverrides(); err != nil {
		return err
	}
	instead, _ := r.Now(role, from)
	c.post(Post{Key: "override/" + o.ID(), Message: message.Message{Level: message.OK,
		Title:   fmt.Sprintf("%s: %s is on call as %s from %s until %s (%s).", o.ID(), o.Person, role, c.when(from), c.when(until), c.Zone),
		Blocks:  []message.Block{{Text: fmt.Sprintf("Instead of %s. Made by %s. Take it back: `oncall cancel %s`.", firstOf(instead, "nobody"), c.who.ID, o.ID())}},
		Buttons: []message.Button{{Label: "Take It Back", Words: "oncall cancel " + o.ID()}}}})
	return nil
}

// firstRole is the role that is called first when everything is down.
func (b *Bot) firstRole(r oncall.Roster) string {
	names := r.Names()
	for _, s := range b.Policies["P0"].Steps {
		if slices.Contains(names, s.Role) {
			return s.Role
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return ""
}

// longestOverride bounds what is meant to be an exception.
const longestOverride = 31 * 24 * time.Hour

// hours reads "18:00-08:00", the next ones by the team's clock, or two dates of
// RFC 3339 with a slash between them.
func hours(text string, now time.Time, zone *time.Location) (from, until time.Time, err error) {
	wrong := func(why string) error {
		return &actions.Error{Code: "bad-hours", Text: why, Hint: "For example 18:00-08:00, by the clock in " + zone.String() + ", or 2026-07-01T18:00:00Z/2026-07-02T08:00:00Z."}
	}
	text = strings.ReplaceAll(strings.TrimSpace(text), "–", "-")
	if one, other, ok := strings.Cut(text, "/"); ok {
		from, err1 := time.Parse(time.RFC3339, strings.TrimSpace(one))
		until, err2 := time.Parse(time.RFC3339, strings.TrimSpace(other))
		switch {
		case err1 != nil || err2 != nil:
			return from, until, wrong(fmt.Sprintf("%q are no two dates.", text))
		case !until.After(from) || !until.After(now):
			return from, until, wrong("That ends before it begins, or is over.")
		case until.Sub(from) > longestOverride:
			return from, until, wrong("That is longer than 31 days. Change the config instead.")
		}
		return from.UTC(), until.UTC(), nil
	}
	one, other, ok := strings.Cut(text, "-")
	begin, err1 := oncall.ParseClock(strings.TrimSpace(one))
	end, err2 := oncall.ParseClock(strings.TrimSpace(other))
	if !ok || err1 != nil || err2 != nil || begin == end {
		return from, until, wrong(fmt.Sprintf("%q are no hours.", text))
	}
	from, until = oncall.NextHours(begin, end, now, zone)
	return from, until, nil
}

func onCallCancel(c *call) error {
	list, err := c.Store.Overrides(c.now)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(o oncall.Override) bool {
		return strings.EqualFold(o.ID(), c.args["override"]) && o.Cancelled == ""
	})
	if i < 0 {
		var ids []string
		for _, o := range list {
			if o.Cancelled == "" {
				ids = append(ids, o.ID())
			}
		}
		return &actions.Error{Code: "not-found", Text: fmt.Sprintf("No override %q is to come or under way.", c.args["override"]),
			Hint: "There are: " + firstOf(strings.Join(ids, ", "), "none") + ". `oncall schedule` shows them."}
	}
	o := list[i]
	o.Cancelled = c.who.ID
	if _, err := c.Store.PutOverride(c.ctx, o, c.d.ID); err != nil {
		return err
	}
	if err := c.readOverrides(); err != nil {
		return err
	}
	person, _ := c.roster().Now(o.Role, c.now)
	c.post(Post{Key: "override/" + o.ID(), Message: message.Message{Level: message.OK,
		Title: fmt.Sprintf("%s was taken back by %s: now %s is on call as %s.", o.ID(), c.who.ID, firstOf(person, "nobody"), o.Role)}})
	return nil
}
