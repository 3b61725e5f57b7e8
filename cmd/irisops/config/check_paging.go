package config

import (
	"maps"
	"net"
	netmail "net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/pager/mail"
	"irisops/bot/pager/webhook"
)

// What a person's contact can be, beside the name of a webhook.
const (
	bySlack     = "slack"
	byMail      = "mail"
	byPagerDuty = "pagerduty"
)

var securities = []string{string(mail.STARTTLS), string(mail.TLS), string(mail.None)}

func (k *checker) checkPaging() {
	k.checkMail()
	k.checkPagerDuty()
	k.checkWebhooks()
	k.checkContacts()
	k.checkHeartbeat()
	k.checkAlerts()
}

func (k *checker) checkMail() {
	m := k.c.Mail
	if m == nil {
		return
	}
	if k.required("mail.server", "mail has no server: where mails are handed in. For example server: smtp.example.org:587") {
		if _, err := mail.New(mail.Options{Server: m.Server}); err != nil {
			k.fault("mail.server", "server: %s is not host:port. For example smtp.example.org:587", quote(m.Server))
		}
	}
	if !k.given("mail.security") {
		m.Security = string(mail.STARTTLS)
	}
	if k.usable("mail.security") && !slices.Contains(securities, m.Security) {
		k.fault("mail.security", "security: %s is not known. %s", quote(m.Security), didYouMean(m.Security, securities))
	}
	if m.Security == string(mail.None) && !loopback(m.Server) {
		k.fault("mail.security", "security: none would send pages and links that acknowledge them in the clear to another machine. Write starttls or tls.")
	}
	k.checkAddress("mail.from", m.From, k.required("mail.from", "mail has no from: the address that pages come from. For example from: irisops@example.org"))
	k.checkAddress("mail.team", m.Team, true)
	m.Password = k.secret("mail.password_from", m.PasswordFrom)
	if k.given("mail.user") != k.given("mail.password_from") {
		k.fault(k.theGiven("mail.user", "mail.password_from"), "mail needs both user and password_from, or neither.")
	}
}

func (k *checker) checkAddress(path, address string, wanted bool) {
	if !wanted || !k.usable(path) {
		return
	}
	if a, err := netmail.ParseAddress(address); err != nil || a.Address != address {
		k.fault(path, "%s: %s is not a mail address. For example irisops@example.org", last(path), quote(address))
	}
}

// routingKey is what PagerDuty gives an Events API v2 integration.
var routingKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

func (k *checker) routingKey(path string, from From) Secret {
	s := k.secret(path, from)
	if k.usable(path) && !routingKey.MatchString(s.Reveal()) {
		k.fault(path, "%s: what stands there is no routing key of PagerDuty: an integration of the kind Events API v2 shows one, 32 letters and digits.", last(path))
		return Secret{}
	}
	return s
}

func (k *checker) checkPagerDuty() {
	p := k.c.PagerDuty
	if p == nil {
		return
	}
	k.checkURL("pagerduty.url", p.URL)
	p.DefaultKey = k.routingKey("pagerduty.key_from", p.DefaultKeyFrom)
	p.WebhookSecret = k.secret("pagerduty.webhook_from", p.WebhookFrom)
}

// checkURL wants https, or this machine.
func (k *checker) checkURL(path, address string) {
	if !k.usable(path) {
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		k.fault(path, "%s is not a web address. For example https://gateway.example.org/page", last(path))
	case u.User != nil:
		k.fault(path, "%s has a user or a password in it. Take it out, and use authorization_from.", last(path))
	case u.Scheme == "http" && !loopback(net.JoinHostPort(u.Hostname(), "1")):
		k.fault(path, "%s would go in the clear to another machine. Write https.", last(path))
	}
}

// address is a url that stands in the config or where it says.
func (k *checker) address(path, plainly string, from From, what string) Secret {
	switch {
	case k.given(path+".url") && k.given(path+".url_from"):
		k.fault(path+".url_from", "%s has both url and url_from. Keep one of them.", what)
		return Secret{}
	case k.given(path + ".url_from"):
		s := k.secret(path+".url_from", from)
		if k.usable(path + ".url_from") {
			k.checkURL(path+".url_from", s.Reveal())
		}
		return s
	case k.given(path + ".url"):
		k.checkURL(path+".url", plainly)
		return NewSecret(plainly)
	}
	k.fault(path, "%s has neither url nor url_from: where it sends to. For example url: https://gateway.example.org/page", what)
	return Secret{}
}

func (k *checker) checkWebhooks() {
	for _, name := range slices.Sorted(maps.Keys(k.c.Webhooks)) {
		path, w := join("webhooks", name), k.c.Webhooks[name]
		if k.bad[path] {
			continue
		}
		if !idShape.MatchString(name) || slices.Contains([]string{bySlack, byMail, byPagerDuty}, name) {
			k.fault(path, "webhooks: the name %s cannot be used. %s And slack, mail and pagerduty mean something already.", quote(name), idRule)
		}
		w.Address = k.address(path, w.URL, w.URLFrom, "webhook "+plain(name))
		w.Signature = k.secret(path+".signature_from", w.SignatureFrom)
		w.Authorization = k.secret(path+".authorization_from", w.AuthorizationFrom)
		if k.usable(path + ".body") {
			if _, err := webhook.Template(w.Body); err != nil {
				k.fault(path+".body", "body: %s. Its fields are {{json .Title}}, {{json .Text}}, {{.Type}}, {{json .ID}}, {{.Incident}}, {{.Priority}}, {{.Person}}, {{json .AckURL}}.", plain(err.Error()))
			}
		}
		k.c.Webhooks[name] = w
	}
}

// checkContacts looks whether each way to reach a person leads somewhere.
func (k *checker) checkContacts() {
	for i := range k.c.People {
		p, path := &k.c.People[i], at("people", i)
		if k.bad[path] {
			continue
		}
		who := k.who(path, p.ID)
		p.PagerDutyKey = k.routingKey(path+".pagerduty_key_from", p.PagerDutyKeyFrom)
		if k.given(path+".pagerduty_key_from") && k.c.PagerDuty == nil {
			k.c.PagerDuty = &PagerDuty{}
		}
		for j, c := range p.Contact {
			one := at(path+".contact", j)
			switch {
			case !k.usable(one):
			case slices.Contains(p.Contact[:j], c):
				k.fault(one, "%s: the contact %s stands there twice. Take one out.", who, plain(c))
			case c == bySlack:
			case c == byMail && k.c.Mail == nil:
				k.fault(one, "%s: pages cannot be mailed, because the config has no mail: server. Add one, or take this out.", who)
			case c == byMail && p.Mail == "":
				k.fault(one, "%s is to be paged by mail and has no mail address. Add mail: to the entry.", capital(who))
			case c == byMail:
			case c == byPagerDuty && p.PagerDutyKeyFrom == "" && (k.c.PagerDuty == nil || k.c.PagerDuty.DefaultKeyFrom == ""):
				k.fault(one, "%s is to be paged by PagerDuty and has no key there. Add pagerduty_key_from: /etc/irisops/a-file, or pagerduty: {key_from: ...} for everybody.", capital(who))
			case c == byPagerDuty:
			case k.c.Webhooks[c].isZero() && !k.given(join("webhooks", c)):
				k.fault(one, "%s: there is no contact %s. %s", who, quote(c), didYouMean(c, append([]string{bySlack, byMail, byPagerDuty}, slices.Sorted(maps.Keys(k.c.Webhooks))...)))
			}
		}
	}
}

func (w Webhook) isZero() bool { return w.URL == "" && w.URLFrom == "" }

func (k *checker) checkHeartbeat() {
	h := k.c.Heartbeat
	if h == nil {
		return
	}
	h.Address = k.address("heartbeat", h.URL, h.URLFrom, "heartbeat")
	if !k.given("heartbeat.every") {
		h.Every = time.Minute
	}
	if k.usable("heartbeat.every") && h.Every < 10*time.Second {
		k.fault("heartbeat.every", "every: %s is too often. Write 10s or more.", spoken(h.Every))
	}
}

// ignored is what an alert can become beside an incident: nothing.
const ignored = "ignore"

func defaultPriorities() map[string]string {
	return map[string]string{"critical": "P1", "page": "P1", "error": "P2", "warning": "P2", "info": "P3", "none": ignored}
}

func (k *checker) checkAlerts() {
	a := k.c.Alerts
	if a == nil {
		return
	}
	a.Bearer = k.secret("alerts.bearer_from", a.BearerFrom)
	a.Signature = k.secret("alerts.signature_from", a.SignatureFrom)
	if !k.given("alerts.bearer_from") && !k.given("alerts.signature_from") {
		k.fault("alerts", "alerts has neither bearer_from nor signature_from: without a secret anybody could open incidents. For example bearer_from: /etc/irisops/alerts")
	}
	if k.c.Listen == noListener {
		k.fault("alerts", "alerts come by web requests, and listen: none answers none. Give it an address.")
	}
	if !k.given("alerts.label") {
		a.Label = "severity"
	}
	if !k.given("alerts.priorities") {
		a.Priorities = defaultPriorities()
	}
	if !k.given("alerts.otherwise") {
		a.Otherwise = string(incident.P2)
	}
	known := append([]string{ignored}, "P0", "P1", "P2", "P3")
	for _, value := range slices.Sorted(maps.Keys(a.Priorities)) {
		if path := join("alerts.priorities", value); k.usable(path) && !slices.Contains(known, a.Priorities[value]) {
			k.fault(path, "priorities: %s is no priority. Write one of: P0, P1, P2, P3, ignore.", quote(a.Priorities[value]))
		}
	}
	if k.usable("alerts.otherwise") && !slices.Contains(known, a.Otherwise) {
		k.fault("alerts.otherwise", "otherwise: %s is no priority. Write one of: P0, P1, P2, P3, ignore.", quote(a.Otherwise))
	}
}

var dayNames = map[string]time.Weekday{"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday}

func weekday(text string) (time.Weekday, bool) {
	if len(text) < 3 {
		return 0, false
	}
	d, ok := dayNames[strings.ToLower(text[:3])]
	return d, ok && strings.HasPrefix(strings.ToLower(d.String()), strings.ToLower(text))
}

// checkRotations reads the shifts, and looks for gaps and double bookings in the
// weeks to come.
func (k *checker) checkRotations() {
	sound := true
	for _, role := range slices.Sorted(maps.Keys(k.c.Rotations)) {
		path := join("rotations", role)
		if !idShape.MatchString(role) {
			k.fault(path, "rotations: the role %s cannot be used. %s", quote(role), idRule)
		}
		for i := range k.c.Rotations[role] {
			k.checkShift(at(path, i), &k.c.Rotations[role][i])
		}
		sound = sound && k.usable(path)
	}
	if len(k.faults) > 0 || len(k.c.Rotations) == 0 || !sound {
		return
	}
	r, now := k.c.OnCall(), time.Now().UTC()
	until := now.Add(rosterAhead)
	say := func(t time.Time) string { return t.In(k.c.Zone()).Format("Mon 2 Jan 15:04") }
	for i, g := range r.Gaps(now, until) {
		if i == 3 {
			k.warn("rotations", "There are more gaps in the rotations: `oncall schedule` shows all.")
			break
		}
		k.warn(join("rotations", g.Role), "Nobody is on call as %s from %s until %s: everybody would be paged. Add a shift, or a person under oncall.", g.Role, say(g.From), say(g.Until))
	}
	for i, d := range slices.DeleteFunc(r.Doubles(now, until), func(d oncall.Double) bool { return d.And == "" && !k.together(d.Role, d.Other) }) {
		if i == 3 {
			k.warn("rotations", "There are more double bookings in the rotations: `oncall schedule` shows all.")
			break
		}
		if d.And != "" {
			k.warn(join("rotations", d.Role), "Both %s and %s have the shift of %s from %s until %s; %s counts, whose rule stands first.", d.Person, d.And, d.Role, say(d.From), say(d.Until), d.Person)
			continue
		}
		k.warn("rotations", "%s is on call both as %s and as %s from %s until %s: an escalation would reach the same person twice.", d.Person, d.Role, d.Other, say(d.From), say(d.Until))
	}
}

// together says whether a policy pages both roles.
func (k *checker) together(role, other string) bool {
	for _, p := range k.c.Policies {
		var paged []string
		for _, s := range p.Steps {
			paged = append(paged, s.Page...)
		}
		if slices.Contains(paged, role) && slices.Contains(paged, other) {
			return true
		}
	}
	return false
}

// rosterAhead is how far check-config looks.
const rosterAhead = 8 * 7 * 24 * time.Hour

func (k *checker) checkShift(path string, s *Shift) {
	if k.bad[path] {
		return
	}
	if !k.required(path+".people", "This shift has no people. For example people: [operator, second]") {
		return
	}
	for i, id := range s.People {
		one := at(path+".people", i)
		if k.usable(one) && !slices.ContainsFunc(k.c.People, func(p Person) bool { return p.ID == id }) && !k.bad["people"] {
			k.fault(one, "rotations: %s is not under people. %s", quote(id), didYouMean(id, k.personIDs()))
		}
	}
	o := &s.shift
	o.People = s.People
	if len(s.People) == 0 {
		k.fault(path+".people", "This shift has no people. For example people: [operator, second]")
	}
	switch {
	case !k.given(path+".every") && len(s.People) > 1:
		k.fault(path, "This shift has several people and no every: when the next one takes over. Write every: week, or every: day.")
	case k.usable(path + ".every"):
		o.Every = oncall.Period(s.Every)
		if o.Every != oncall.Daily && o.Every != oncall.Weekly {
			k.fault(path+".every", "every: %s is not known. Write day or week.", quote(s.Every))
			return
		}
		k.checkHandOver(path, s)
	}
	for i, d := range s.Days {
		day, ok := weekday(d)
		if !ok {
			k.fault(at(path+".days", i), "days: %s is no day. Write mon, tue, wed, thu, fri, sat or sun.", quote(d))
		}
		o.Days = append(o.Days, day)
	}
	if k.usable(path + ".hours") {
		one, other, _ := strings.Cut(s.Hours, "-")
		from, err1 := oncall.ParseClock(one)
		until, err2 := oncall.ParseClock(other)
		if err1 != nil || err2 != nil {
			k.fault(path+".hours", "hours: %s are no hours. For example 18:00-08:00", quote(s.Hours))
		}
		o.Hours = oncall.Hours{From: from, Until: until}
	}
}

func (k *checker) checkHandOver(path string, s *Shift) {
	if !k.required(path+".hand_over", "This shift has no hand_over: when the next one takes over. For example hand_over: monday 09:00, or 09:00 where it is every day") ||
		!k.required(path+".start", "This shift has no start: the day from which the people are counted. For example start: 2026-01-05") {
		return
	}
	clock, day := s.HandOver, ""
	if s.shift.Every == oncall.Weekly {
		day, clock, _ = strings.Cut(s.HandOver, " ")
	}
	var ok bool
	if s.shift.Weekday, ok = weekday(day); !ok && s.shift.Every == oncall.Weekly {
		k.fault(path+".hand_over", "hand_over: %s is no day and time of day. For example monday 09:00", quote(s.HandOver))
		return
	}
	c, err := oncall.ParseClock(strings.TrimSpace(clock))
	if err != nil {
		k.fault(path+".hand_over", "hand_over: %v.", err)
		return
	}
	start, err := time.Parse("2006-01-02", s.Start)
	if err != nil {
		k.fault(path+".start", "start: %s is no day. For example 2026-01-05", quote(s.Start))
		return
	}
	s.shift.HandOver, s.shift.Start = c, oncall.Date{Year: start.Year(), Month: start.Month(), Day: start.Day()}
}

// onCallRole says whether the file has somebody for that role.
func (k *checker) onCallRole(role string) bool {
	return k.given(join("oncall", role)) || k.given(join("rotations", role))
}
