package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"irisops/bot/oncall"

	"github.com/google/go-cmp/cmp"
)

// core is the line of the core in Shortest, and what stands before and after.
const core = "{short: core, name: iris_core@h1, role: core, dir: /srv/iris}"
const edge = "{short: edge1, name: iris_edge1@h1, role: edge, dir: /srv/iris, port: 8085}"

// Each case changes one thing in the shortest config, and gets exactly these
// faults. With an empty new text the old one is taken out.
func TestFaults(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // an empty old appends new
		want     []string
	}{
		{"data missing", "data: /var/lib/irisops\n", "",
			[]string{"1: data is missing: the folder where irisops keeps what must survive. For example data: /var/lib/irisops"}},
		{"data is root", "/var/lib/irisops", "/", []string{"1: data: the root folder is no place for it. For example /var/lib/irisops"}},
		{"data with a space", "/var/lib/irisops", "/var/lib/iris ops", []string{`1: data: "/var/lib/iris ops" cannot be used. ` + safeRule + " At most 255 of them."}},
		{"data without value", "data: /var/lib/irisops", "data:", []string{"1: data has no value. Give it one, or remove the key."}},
		{"data too long for a socket", "/var/lib/irisops", "/" + strings.Repeat("a", 100),
			[]string{"1: data: the path is too long for the socket in it (114 bytes, at most 107). Give socket: {path: ...} a shorter one."}},
		{"key twice", "", "data: /elsewhere", []string{`12: "data" stands here twice, first on line 1. Keep one of them.`}},
		{"top key unknown", "", "dat: 1\nnonsense: 2", []string{
			`12: There is no key "dat" at the top of the file. Did you mean data?`,
			`13: There is no key "nonsense" at the top of the file. Known there: data, listen, external_url, board, socket, time_zone, slack, people, groups, oncall, rotations, mail, pagerduty, webhooks, heartbeat, alerts, policies, business, clusters, hosts, checks, schedules, backup, watch, drill.`}},
		{"a misspelt key is not missing as well", "data:", "dta:", []string{`1: There is no key "dta" at the top of the file. Did you mean data?`}},
		{"listen without a host is all hosts", "", "listen: :8642", nil},
		{"a token that is none", "", "board: {token_file: /etc/irisops/id_ed25519}", []string{
			"12: token_file: id_ed25519 has to hold a token in one line: 16 to 200 letters, digits and signs of plain ASCII without spaces. For example: openssl rand -hex 24 > id_ed25519"}},
		{"proxy as a word", "", "board: {proxy: nginx}", []string{`12: proxy: "nginx" is not true or false.`}},
		{"no token file", "", "board: {token_file: /etc/irisops/none}", []string{"12: token_file: none: there is no such file."}},
		{"a relative token file", "", "board: {token_file: token}", []string{`12: token_file: "token" is not an absolute path. Begin it with a slash.`}},
		{"listen on any free port", "", "listen: 127.0.0.1:0", nil},
		{"listen nowhere", "", "listen: none", nil},
		{"listen without a port", "", "listen: 127.0.0.1", []string{`12: listen: "127.0.0.1" is not host:port. For example 127.0.0.1:8642, or none`}},
		{"smoke", edge, edge + "\n    smoke: {run: [python3, tests/smoke.py]}", nil},
		{"smoke with a shell", edge, edge + "\n    smoke: {run: [/bin/sh, -c, 'rm x']}", []string{
			"12: run: /bin/sh runs other programs, and irisops starts no shell. Name the program itself.",
			`12: run: "rm x" cannot be used: only letters, digits and _ @ . / : = + , - are allowed there.`}},
		{"smoke of nothing", edge, edge + "\n    smoke: {node: core9, within: 1ms}", []string{
			`12: node: "core9" is no node of Cluster main. Say the short name of one.`,
			"12: within: 1ms is not between 1s and 1h.",
			"12: smoke has no run: the program and its arguments, like run: [python3, tests/smoke.py]"}},
		{"external_url with a password", "", "external_url: https://u:p@example.org", []string{"12: external_url has a user or a password in it, and it stands in every link. Take it out."}},
		{"external_url of a file", "", "external_url: file:///etc", []string{`12: external_url: "file:///etc" is not the beginning of a web address. For example https://irisops.example.org`}},
		{"socket path relative", "", "socket: {path: run/x}", []string{`12: path: "run/x" is not an absolute path. Begin it with a slash.`}},
		{"socket path too long", "", "socket: {path: /" + strings.Repeat("a", 107) + "}", []string{"12: path: 108 bytes are too long for a socket: at most 107."}},
		{"socket as a word", "", "socket: /run/x", []string{"12: socket has to be keys with values, like {key: value}; it is one value."}},
		{"socket group", "", `socket: {group: "a b"}`, []string{`12: group: "a b" is not the name of a Unix group.`}},
		{"zone of the machine", "", "time_zone: Local", []string{`12: time_zone: there is no zone "Local". Write it as continent and city, like Europe/Paris, or UTC.`}},
		{"zone upwards", "", "time_zone: ../etc/passwd", []string{`12: time_zone: there is no zone "../etc/passwd". Write it as continent and city, like Europe/Paris, or UTC.`}},
		{"slack without channel", "", "slack: {mode: http}", []string{"12: slack has no channel: the id of the channel where the conversation is. For example channel: C0OPS"}},
		{"slack oncall channel", "", "slack: {channel: C0OPS, oncall_channel: U01}", []string{`12: oncall_channel: "U01" is not a channel's id. It begins with C or G and stands at the end of the channel's link, not its #name.`}},
		{"slack team", "", "slack: {channel: C0OPS, team: example}", []string{`12: team: "example" is not a workspace's id. It begins with T and stands in the address of Slack in a browser: app.slack.com/client/T...`}},
		{"slack channels", "", "slack: {channel: C0OPS, channels: {C0OPS: main, C0EU: mian, '#eu': main}}", []string{
			`12: #eu: "#eu" is not a channel's id. It begins with C or G and stands at the end of the channel's link, not its #name.`,
			`12: channels: C0EU talks of the cluster "mian", which does not stand under clusters. Did you mean main?`}},
		{"slack reactions", "", "slack: {channel: C0OPS, reactions: {eyes: ack, memo: notes, ':x:': ack}}", []string{
			`12: reactions: ":x:" is not the name of an emoji. Write it without colons, like eyes or memo.`,
			`12: reactions: memo does "notes", which no reaction can do. Did you mean note?`}},
		{"a token as a key", "", "slack: {channel: C0OPS, token: planted}", []string{`12: "token" looks like a secret, and secrets never stand in this file. ` + wayOfSecrets}},
		{"a token as a value", "", "slack: {channel: xoxb-planted}", []string{"12: The value of channel looks like a secret, and secrets never stand in this file. " + wayOfSecrets}},
		{"a cookie", "", "cookie: planted", []string{`12: "cookie" looks like a secret, and secrets never stand in this file. ` + wayOfSecrets}},

		{"people empty", Shortest[strings.Index(Shortest, "people:"):strings.Index(Shortest, "clusters")], "people: []\n",
			[]string{"2: people is empty: without people nobody may do anything. For example [{id: operator, unix: ops1, roles: [operator]}]"}},
		{"people as keys", "people:\n  - {id: operator, unix: ops1, roles: [operator, approver]}\n  - {id: second, unix: ops2, roles: [operator, approver]}", "people: {operator: ops1}",
			[]string{`2: people has to be a list, like [a, b] or lines that begin with "- "; it is keys with values.`}},
		{"a person as a word", "{id: second, unix: ops2, roles: [operator, approver]}", "second", []string{
			"4: An entry of people has to be keys with values, like {key: value}; it is one value.",
			`5: oncall: owner is held by "second", who is not under people. Write one of: operator.`,
			`5: oncall: sre is held by "second", who is not under people. Write one of: operator.`}},
		{"mail to another machine in the clear", "", "mail: {server: smtp.example.org:25, security: none, from: a@b.example}", []string{
			"12: security: none would send pages and links that acknowledge them in the clear to another machine. Write starttls or tls."}},
		{"mail without a password", "", "mail: {server: smtp.example.org:25, from: a@b.example, user: a}", []string{"12: mail needs both user and password_from, or neither."}},
		{"a password where its place belongs", "", "mail: {server: smtp.example.org:25, from: a@b.example, user: a, password_from: planted}", []string{
			"12: password_from has to be the absolute path of a file that holds it, or env:NAME. What stands here is neither; it is not shown, in case it is the secret itself."}},
		{"a variable that is not set", "", "mail: {server: smtp.example.org:25, from: a@b.example, user: a, password_from: env:IRISOPS_NOT_SET}", []string{
			"12: password_from: the environment variable IRISOPS_NOT_SET is not set."}},
		{"no routing key", "", "pagerduty: {key_from: /etc/irisops/smtp-password}", []string{
			"12: key_from: what stands there is no routing key of PagerDuty: an integration of the kind Events API v2 shows one, 32 letters and digits."}},
		{"a webhook in the clear", "", "webhooks: {phone: {url: http://gateway.example.org/x}}", []string{"12: url would go in the clear to another machine. Write https."}},
		{"a webhook to nowhere", "", "webhooks: {phone: {updates: true}}", []string{"12: webhook phone has neither url nor url_from: where it sends to. For example url: https://gateway.example.org/page"}},
		{"a body with a wrong field", "", "webhooks: {phone: {url: https://gateway.example.org/x, body: '{{.Nonsense}}'}}", []string{
			"12: body: the body is no template that can be used: template: body:1:2: executing \"body\" at <.Nonsense>: can't evaluate field Nons.... Its fields are {{json .Title}}, {{json .Text}}, {{.Type}}, {{json .ID}}, {{.Incident}}, {{.Priority}}, {{.Person}}, {{json .AckURL}}."}},
		{"a contact that is none", "id: second", "id: second, contact: [slack, fax]", []string{`4: person second: there is no contact "fax". Write one of: slack, mail, pagerduty.`}},
		{"mail without a server", "id: second", "id: second, contact: [mail]", []string{"4: person second: pages cannot be mailed, because the config has no mail: server. Add one, or take this out."}},
		{"alerts from anybody", "", "alerts: {otherwise: P1}", []string{"12: alerts has neither bearer_from nor signature_from: without a secret anybody could open incidents. For example bearer_from: /etc/irisops/alerts"}},
		{"alerts to nowhere", "", "listen: none\nalerts: {bearer_from: /etc/irisops/alerts-bearer}", []string{"13: alerts come by web requests, and listen: none answers none. Give it an address."}},
		{"a priority that is none", "", "alerts: {bearer_from: /etc/irisops/alerts-bearer, priorities: {critical: P9}}", []string{`12: priorities: "P9" is no priority. Write one of: P0, P1, P2, P3, ignore.`}},
		{"a heartbeat too often", "", "heartbeat: {url: https://hc-ping.com/x, every: 1s}", []string{"12: every: 1s is too often. Write 10s or more."}},
		{"a rotation without a hand-over", "", "rotations: {sre: [{people: [operator, second], every: week, start: 2026-01-05}]}", []string{
			"12: This shift has no hand_over: when the next one takes over. For example hand_over: monday 09:00, or 09:00 where it is every day"}},
		{"a rotation of strangers", "", "rotations: {sre: [{people: [nobody-here]}]}", []string{`12: rotations: "nobody-here" is not under people. Write one of: operator, second.`}},
		{"a rotation at no time", "", "rotations: {sre: [{people: [operator, second], every: week, hand_over: funday 09:00, start: 2026-01-05}]}", []string{`12: hand_over: "funday 09:00" is no day and time of day. For example monday 09:00`}},
		{"nothing in groups and hosts", "", "groups: {}\nhosts: {}", nil},
		{"id missing", "id: second, ", "mail: second, ", []string{
			"4: This person has no id: a short name like operator, which stands in every record.",
			`4: this person: "second" is not a mail address. For example operator@example.org`,
			`5: oncall: owner is held by "second", who is not under people. Write one of: operator.`,
			`5: oncall: sre is held by "second", who is not under people. Write one of: operator.`}},
		{"step pages a misspelt role", "", "policies: {P0: {steps: [{after: 0m, page: primray}]}}", []string{`12: The step of P0 at 0s pages "primray", and nobody is on call as that. Did you mean primary?`}},
		{"a step as a word", "", "policies: {P0: {steps: [sre]}}", []string{"12: An entry of steps has to be keys with values, like {key: value}; it is one value."}},
		{"a value of many lines", "", "time_zone: |\n  UTC\n  UTC", []string{`12: time_zone: there is no zone "UTC\nUTC\n". Write it as continent and city, like Europe/Paris, or UTC.`}},
		{"a long value", "", "time_zone: " + strings.Repeat("x", 1000), []string{`12: time_zone: there is no zone "` + strings.Repeat("x", 120) + `...". Write it as continent and city, like Europe/Paris, or UTC.`}},
		{"a long key with a line end", "", `"` + strings.Repeat("x", 1000) + `\n": {}`, []string{`12: There is no key "` + strings.Repeat("x", 120) + `..." at the top of the file. Known there: data, listen, external_url, board, socket, time_zone, slack, people, groups, oncall, rotations, mail, pagerduty, webhooks, heartbeat, alerts, policies, business, clusters, hosts, checks, schedules, backup, watch, drill.`}},
		{"schedules", "", "schedules: {backup: {cron: \"@every 1h\"}, drill: {cron: off}, health: {cron: \"0 8 * * MON-FRI\"}}", nil},
		{"schedules that never come", "", "schedules:\n  backup: {cron: 0 0 30 2 *}\n  drill: {week: 1}\n  health: {cron: \"@daily\", week: 6}\n  tidy: {cron: soon}", []string{
			`13: cron: "0 0 30 2 *" never comes.`,
			`14: drill has no cron: when it is due, like cron: "0 10 * * TUE", or cron: off`,
			`15: cron: week is 1 to 5: the first to the fifth of its kind in the month.`,
			`16: cron: "soon" is no time of cron: expected exactly 5 fields, found 1: [soon]. For example "30 3 * * *" (03:30 every day) or "0 10 * * TUE" (Tuesdays at 10:00).`}},
		{"a blackout", "", "schedules: {blackout: [24.12.2026], deploy_lock: /lock}", []string{
			`12: An entry of blackout: "24.12.2026" is no day: write 2026-12-24, or 2026-12-20..2027-01-03.`,
			`12: deploy_lock: name a file that the deployment makes in a folder of its own, like /run/deploy/lock.`}},
		{"watch", "", "watch: {mode: declare, every: 10s, connections: 1000}", nil},
		{"watch amiss", "", "watch:\n  mode: declaer\n  every: 100ms\n  connections: 0", []string{
			`13: mode: there is no "declaer". Did you mean declare?`,
			`14: every: 100ms cannot be: a cluster is looked at every 1s to 5m.`,
			`15: connections has to be more than 0.`}},
		{"watch with a short memory", "", "watch: {window: 1m}", []string{`12: window: in 1m there are not four looks, at one every 30s.`}},
		{"drill", "", "drill: {mode: observe, notice: 0s, limit: 1m, allow_last_core: true}", nil},
		{"drill amiss", "", "drill:\n  mode: people\n  notice: 2d\n  limit: 1s\n  allow_last_core: perhaps", []string{
			`13: mode: there is no "people". Write one of: auto, observe.`,
			`14: notice: 48h is too long: at most 24h.`,
			`15: limit: 1s cannot be: a recovery may take 10s to 1h.`,
			`16: allow_last_core: "perhaps" is not true or false.`}},
		{"a schedule misspelt", "", "schedules: {bakup: {cron: off}}", []string{`12: There is no key "bakup" under schedules. Did you mean backup?`}},
		{"host without ssh", "", "hosts: {h2: {known_hosts: /etc/irisops/none, identity: /etc/irisops/id_ed25519}}", []string{
			"12: Host h2 has no ssh: the account and the machine, like ops@h2.example.org",
			"12: known_hosts: none: there is no such file."}},
		{"id reserved", "id: second", "id: irisops", []string{`4: id: "irisops" is a word that already means something here. Choose another.`,
			`5: oncall: owner is held by "second", who is not under people. Write one of: operator, irisops.`,
			`5: oncall: sre is held by "second", who is not under people. Write one of: operator, irisops.`}},
		{"account of two", "unix: ops2", "unix: ops1", []string{"4: The account ops1 stands there twice, first on line 3. No two may share it."}},
		{"account under two names", "unix: ops2", "unix: alias", []string{"4: The account number 1001 stands there twice, first on line 3. No two may share it."}},
		{"account by number", "unix: ops2", "unix: 1003", nil},
		{"account with a space", "unix: ops2", `unix: "ops 2"`, []string{`4: person second: "ops 2" is not a Unix account. Write its name, like ops1, or its number.`}},
		{"role twice", "unix: ops2, roles: [operator, approver]", "unix: ops2, roles: [operator, operator, approver]", []string{"4: person second: the role operator stands there twice. Take one out."}},
		{"role as a word", "unix: ops2, roles: [operator, approver]", "unix: ops2, roles: operator", []string{`4: roles has to be a list, like [a, b] or lines that begin with "- "; it is one value.`}},
		{"roles as lists", "unix: ops2, roles: [operator, approver]", "unix: ops2, roles: [[operator]]", []string{"4: An entry of roles has to be one value; it is a list."}},
		{"mail with a name", "unix: ops2", "unix: ops2, mail: Ops <ops2@example.org>", []string{`4: person second: "Ops <ops2@example.org>" is not a mail address. For example operator@example.org`}},
		{"group", "", "groups: {viewer: '@all'}", []string{`12: groups: "@all" is not a Slack user group's id. It begins with S and stands in the link to the group, not its @name.`}},
		{"on-call role's name", "sre: second", "SRE: second", []string{`5: oncall: the role "SRE" cannot be used. ` + idRule}},
		{"on call is nobody", "sre: second", "sre: secnod", []string{`5: oncall: sre is held by "secnod", who is not under people. Did you mean second?`}},

		{"steps out of order", "", "policies: {P0: {steps: [{after: 15m, page: sre}, {after: 0m, page: primary}]}}", []string{"12: The step of P0 at 0s stands behind the one at 15m. Order them by time."}},
		{"two steps at once", "", "policies: {P0: {steps: [{after: 0m, page: sre}, {after: 0m, page: primary}]}}", nil},
		{"step twice", "", "policies: {P0: {steps: [{after: 1m, page: sre}, {after: 60s, page: sre}]}}", []string{"12: The step of P0 at 1m that pages sre stands there twice. Take one out."}},
		{"step without after and page", "", "policies: {P0: {steps: [{}]}}", []string{
			"12: This step of P0 has no after: how long after the declaration it pages. For example after: 15m",
			"12: This step of P0 has no page: the on-call role that it calls. For example page: sre"}},
		{"step pages nobody", "", "policies: {P0: {steps: [{after: 0m, page: dba}]}}", []string{
			`12: The step of P0 at 0s pages "dba", and nobody is on call as that. Add it under oncall, for example oncall: {dba: operator}`}},
		{"step pages nonsense", "", "policies: {P0: {steps: [{after: 0m, page: DBA team}]}}", []string{
			`12: The step of P0 at 0s pages "DBA team", and nobody is on call as that. Name one that stands under oncall.`}},
		{"negative after", "", "policies: {P0: {steps: [{after: -1m, page: sre}]}}", []string{`12: after: "-1m" is out of range: write a duration from 0s to 31d, or respond: when the response time is over.`}},
		{"after is a word", "", "policies: {P1: {steps: [{after: respons, page: sre}]}}", []string{`12: after: "respons" is not a duration: write 90s, 15m, 1h30m or 2d, or respond: when the response time is over.`}},
		{"steps with everything", "", "policies: {P1: {respond: 5m, remind: 10m, steps: [{after: respond, page: [sre, owner], unless: acknowledged, repeat: {every: 10m, times: 3}}, {after: 1h, page: sre, unless: recovered}]}}", nil},
		{"unless is a word", "", "policies: {P1: {steps: [{after: 1m, page: sre, unless: acked}]}}", []string{`12: unless: "acked" is not known. Write one of: recovered, acknowledged.`}},
		{"pages one twice", "", "policies: {P1: {steps: [{after: 1m, page: [sre, sre]}]}}", []string{"12: The step of P1 at 1m pages sre twice. Take one out."}},
		{"pages an empty list", "", "policies: {P1: {steps: [{after: 1m, page: []}]}}", []string{"12: This step of P1 pages nobody. For example page: sre"}},
		{"repeats too often", "", "policies: {P1: {steps: [{after: 1m, page: sre, repeat: {every: 1s, times: 101}}]}}", []string{
			"12: every: 1s is too often: people have to be able to answer. Write 10s or more.", "12: times: 101 is out of range: write a number from 1 to 100."}},
		{"repeats without figures", "", "policies: {P1: {steps: [{after: 1m, page: sre, repeat: {}}]}}", []string{
			"12: repeat has no every: how long between two pages. For example repeat: {every: 10m, times: 3}",
			"12: repeat has no times: how often it pages again. For example repeat: {every: 10m, times: 3}"}},
		{"reminds too often", "", "policies: {P1: {remind: 5s}}", []string{"12: remind: 5s is less than any update takes to type. Write 1m or more, or 0m for no reminders."}},
		{"reminds never", "", "policies: {P1: {remind: 0m}}", nil},
		{"business days", "", "business: {days: [sun, Monday], until: 24:00, country: gb, holidays: [2026-12-31, 02-29]}", nil},
		{"no business day", "", "business: {days: []}", []string{"12: days: without any business day nothing would ever be answered. For example [mon, tue, wed, thu, fri]"}},
		{"business nonsense", "", "business: {days: [mo], until: 25:00, country: xx, holidays: [2026-02-29]}", []string{
			`12: An entry of days: "mo" is no day. Did you mean mon.`, `12: until: "25:00" is no time of day: write it like 17:00.`,
			`12: An entry of holidays: "2026-02-29" is no date: write 2026-12-24, or 12-24 for every year.`,
			`12: country: the public holidays of "xx" are not known; list them under holidays. Known: ` + strings.Join(oncall.Countries(), ", ") + "."}},
		{"a day without hours", "", "business: {until: 00:00}", []string{"12: until: a day that ends when it begins has no hours. Write it like 17:00."}},
		{"merge keys", "", "policies: {P0: {<<: {steps: []}}}", []string{"12: Only plain keys are read here, no merge keys (<<) and no complex ones. Write the keys out."}},
		{"anchors", "", "time_zone: &z UTC\nlisten: *z", []string{
			"12: Anchors (&) and aliases (*) are not read here. Write the value out.",
			"13: Anchors (&) and aliases (*) are not read here. Write the value out."}},
		{"tags", "", "time_zone: !!str UTC", []string{"12: Tags (!) are not read here. Write the plain value; quote it if it has to be text."}},

		{"clusters missing", Shortest[strings.Index(Shortest, "clusters:"):], "", []string{"1: clusters is missing: which nodes there are. See docs/irisops.example.yaml."}},
		{"clusters empty", Shortest[strings.Index(Shortest, "clusters:"):], "clusters: []", []string{"6: clusters is empty: which nodes there are. See docs/irisops.example.yaml."}},
		{"cluster without anything", Shortest[strings.Index(Shortest, "clusters:"):], "clusters: [{}]", []string{
			"6: This cluster has no name. For example name: main",
			"6: This cluster has no cookie_file: the file that holds its Erlang cookie. For example cookie_file: /etc/irisops/cookie",
			"6: This cluster has no nodes. See docs/irisops.example.yaml."}},
		{"cluster's name", "name: main", "name: Main", []string{`7: name: "Main" cannot be used. ` + idRule}},
		{"epmd port", "name: main", "name: main\n    epmd_port: 0", []string{"8: epmd_port: 0 is not a port. Ports go from 1 to 65535."}},
		{"epmd port in words", "name: main", "name: main\n    epmd_port: four", []string{`8: epmd_port: "four" is not a whole number.`}},
		{"node without anything", core, "{}", []string{
			"10: This node has no short name: what people type, like short: edge1",
			"10: This node has no name: its Erlang name, like iris_edge1@h1",
			"10: This node has no role: core or edge",
			"10: This node has no dir: the folder with IRIS's Makefile, like dir: /srv/iris"}},
		{"a node as a word", core, "core", []string{"10: An entry of nodes has to be keys with values, like {key: value}; it is one value."}},
		{"no core", "- " + core, "", []string{"9: Cluster main has no node with role: core, and edges can do nothing without."}},
		{"short is all", "short: edge1", "short: all", []string{`11: short: "all" means something else in a command. Call the node edge1 or core1, for example.`}},
		{"short of two", edge, strings.Replace(edge, "short: edge1", "short: core", 1), []string{"11: The short name core stands there twice, first on line 10. No two may share it."}},
		{"an edge called core", Shortest[strings.Index(Shortest, "short: core"):], "short: core1, name: iris_core@h1, role: core, dir: /srv/iris}\n      - " + strings.Replace(edge, "short: edge1", "short: core", 1),
			[]string{"11: short: core is a role too, so only the one core of a cluster may be called that. Call it edge1."}},
		{"short is another's name", "short: edge1", "short: iris_core", []string{"11: short: iris_core is also the name of node core, so a command could mean either. Choose another."}},
		{"name of the bot", "iris_edge1@h1", "irisops1@h1", []string{`11: name: "irisops1@h1" begins with irisops, as the bot's own nodes do. Name IRIS's node.`}},
		{"name with an atom's quote", "iris_edge1@h1", `"iris'edge@h1"`, []string{`11: name: "iris'edge@h1" is not an Erlang node's name. It is name@host, like iris_edge1@h1.`}},
		{"name of two", "iris_edge1@h1", "iris_core@h1", []string{"11: The node iris_core@h1 (epmd port 4369) stands there twice, first on line 10. No two may share it."}},
		{"names of both kinds", "iris_edge1@h1", "iris_edge1@h1.example.org", []string{
			"9: Cluster main mixes node names with a domain (@h1.example.org) and without (@h1). Erlang connects only the one kind with its like."}},
		{"port of a core", core, strings.Replace(core, "}", ", port: 8084}", 1), []string{"10: Node core is a core, and clients connect to edges only. Take the port out."}},
		{"port 0", "port: 8085", "port: 0", []string{"11: port: 0 is not a port. Ports go from 1 to 65535."}},
		{"port of two", edge, edge + "\n      - " + strings.ReplaceAll(edge, "edge1", "edge2"), []string{"12: The port 8085 on host local stands there twice, first on line 11. No two may share it."}},
		{"log of two", edge, strings.Replace(edge, "}", ", log: core.log}", 1), []string{"11: The log iris/core.log on host local stands there twice, first on line 10. No two may share it."}},
		{"log upwards", edge, strings.Replace(edge, "}", ", log: a/../../b.log}", 1), []string{`11: node edge1: log: "a/../../b.log" has to be the name of a file inside dir, like edge1.log.`}},
		{"log absolute", edge, strings.Replace(edge, "}", ", log: /var/log/x}", 1), []string{`11: node edge1: log: "/var/log/x" has to be the name of a file inside dir, like edge1.log.`}},
		{"log with a shell", edge, strings.Replace(edge, "}", `, log: "$(id).log"}`, 1), []string{`11: node edge1: log: "$(id).log" cannot be used. ` + safeRule}},
		{"dir with a shell", core, strings.Replace(core, "/srv/iris", `"/srv/;id"`, 1), []string{`10: dir: "/srv/;id" cannot be used. ` + safeRule + " At most 255 of them."}},
		{"target is an option", core, strings.Replace(core, "}", ", target: --eval=x}", 1), []string{`10: node core: "--eval=x" is not a make target. It begins with a letter, digit or _; then . @ + / : , - may stand too.`}},
		{"target is an assignment", core, strings.Replace(core, "}", ", target: SHELL=x}", 1), []string{`10: node core: "SHELL=x" is not a make target. It begins with a letter, digit or _; then . @ + / : , - may stand too.`}},
		{"make variable's name", core, strings.Replace(core, "}", ", make_vars: {A-B: x}}", 1), []string{`10: node core: "A-B" is not the name of a make variable. Use letters, digits and _.`}},
		{"make variable's value", core, strings.Replace(core, "}", ", make_vars: {A: $(id), B: 1, C: true}}", 1), []string{`10: node core: the value "$(id)" of A cannot be used. ` + safeRule}},
		{"host unknown", core, strings.Replace(core, "}", ", host: h9}", 1), []string{`10: node core: host "h9" is neither local nor under hosts. Write one of: local.`}},

		{"cookie instead of its file", "cookie_file: /etc/irisops/cookie", "cookie_file: planted",
			[]string{"8: cookie_file has to be an absolute path to a file that holds the cookie. What stands here is none; it is not shown, in case it is the cookie itself."}},
		{"cookie file missing", "cookie_file: /etc/irisops/cookie", "cookie_file: /etc/irisops/no", []string{"8: cookie_file: no: there is no such file."}},
		{"cookie file is a folder", "cookie_file: /etc/irisops/cookie", "cookie_file: /srv/iris", []string{"8: cookie_file: iris: this is a folder; name the file in it."}},
		{"host", "", "hosts: {h2: {ssh: -oProxyCommand=x@h2, known_hosts: /etc/irisops/known_hosts, identity: /etc/irisops/id_ed25519}}", []string{`12: ssh: "-oProxyCommand=x@h2" is not user@host or user@host:port.`}},
		{"host's name", "", "hosts: {local: {ssh: a@h2, known_hosts: /etc/irisops/known_hosts, identity: /etc/irisops/id_ed25519}}", []string{`12: hosts: the name "local" cannot be used. ` + idRule + " local is this machine."}},
		{"host without files", "", "hosts: {h2: {ssh: a@h2:22}}", []string{
			"12: Host h2 has no known_hosts: the file that says by which key the machine is recognised. Make it with ssh-keyscan, and compare the key on the machine itself."}},
		{"a key that is not there", "", "hosts: {h2: {ssh: a@h2, known_hosts: /etc/irisops/known_hosts, identity: /etc/irisops/no}}", []string{"12: identity: no: there is no such file."}},
		{"what SSH does not pass on", edge, strings.Replace(strings.Replace(edge, "/srv/iris", "/srv/iris+1", 1), "}", ", host: h2, target: 'a,b', log: 'x,y.log', make_vars: {A: 'x,y'}}", 1) + "\nhosts: {h2: {ssh: a@h2, known_hosts: /etc/irisops/known_hosts}}", []string{
			"11: node edge1: dir: + and , cannot be passed on by SSH, and it lives on host h2. Choose a name without.",
			"11: node edge1: target: + and , cannot be passed on by SSH, and it lives on host h2. Choose a name without.",
			"11: node edge1: log: + and , cannot be passed on by SSH, and it lives on host h2. Choose a name without.",
			"11: node edge1: A: + and , cannot be passed on by SSH, and it lives on host h2. Choose a name without."}},
		{"host's key for all", "", "hosts: {h2: {ssh: a@h2, known_hosts: /etc/irisops/known_hosts, identity: /etc/irisops/known_hosts}}",
			[]string{"12: identity: known_hosts can be read or written by others than its owner (mode 0644). Take that away: chmod go= known_hosts"}},

		{"disk thresholds crossed", "", "checks: {disk_free_critical: 20GiB}", []string{"12: The warning at 10GiB would come after the critical one at 20GiB. disk_free_warn has to be the larger."}},
		{"login thresholds crossed", "", "checks: {login_warn: 3s}", []string{"12: The warning at 3s would come after the critical one at 2s. login_warn has to be the smaller."}},
		{"a percentage without its sign", "", "checks: {memory_warn: 60}", []string{`12: memory_warn: "60" is not a part of a whole: write 60%, or off.`}},
		{"a number with a sign", "", "checks: {mailbox_warn: 60%}", []string{`12: mailbox_warn: "60%" is not a number: write 1000 or 0.5, or off.`}},
		{"no warning but critical", "", "checks: {host_load_warn: off}", []string{"12: The warning at never would come after the critical one at 10. host_load_warn has to be the smaller."}},
		{"a walk without end", "", "checks: {most_keys: 2000000}", []string{"12: most_keys: more than 1000000 are a burden to a loaded node."}},
		{"half a pair", "", "checks: {clock_wran: 1s}", []string{`12: There is no key "clock_wran" under checks. Did you mean clock_warn?`}},
		{"a relative folder for backups", "", "backup: {dir: backups}", []string{`12: dir: "backups" is not an absolute path. Begin it with a slash.`}},
		{"backups in the root folder", "", "backup: {dir: /}", []string{"12: dir: the root folder is no place for backups. For example /var/backups/iris"}},
		{"too many backups kept", "", "backup: {keep: 1001}", []string{"12: keep: 1001 cannot be kept. From 1 to 1000."}},
		{"another key under backup", "", "backup: {min_fre: 1GiB}", []string{`12: There is no key "min_fre" under backup. Did you mean min_free?`}},
		{"threshold of nothing", "", "checks: {ping_warn: 0s}", []string{"12: ping_warn has to be more than 0."}},

		{"a list", Shortest, "- a\n- b\n", []string{"1: The file has to be keys with values, like {key: value}; it is a list."}},
		{"a word", Shortest, "hello", []string{"1: The file has to be keys with values, like {key: value}; it is one value."}},
		{"empty", Shortest, "# nothing\n", []string{" The file is empty. Begin with the example: docs/irisops.example.yaml."}},
		{"two documents", "", "---\ndata: /x", []string{"13: A second document begins here (---), and only one is read. Make it one."}},
		{"no YAML", "oncall: {", "oncall: {{", []string{"5: This is not YAML from here on: could not find flow map content. Look here and on the line above for a missing colon, quote, bracket or space."}},
		{"a tab", "  - {id: second", "\t- {id: second", []string{"4: This is not YAML from here on: found a tab that cannot start any token. Look here and on the line above for a missing colon, quote, bracket or space."}},
		{"not UTF-8", "ops2", "ops\xff2", []string{"4: This line is not text in UTF-8. Save the file as UTF-8."}},
		{"an escape", "ops2", "ops\x1b[31m", []string{"4: This line is not text in UTF-8. Save the file as UTF-8."}},
		{"too deep", "", "x: " + strings.Repeat("[", 100_000), []string{"12: Lists and keys are nested more than 16 deep here. No config needs that: look for a bracket that is not closed."}},
		{"too deep, in lists", "", "x: \n" + strings.Repeat("- ", 50_000), []string{"13: Lists and keys are nested more than 16 deep here. No config needs that: look for a bracket that is not closed."}},
		{"too long", "", strings.Repeat("# long\n", 20_000), []string{" This has more than 131072 bytes, so it cannot be the right file."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFiles(t)
			text := Shortest + tt.new + "\n"
			if tt.old != "" {
				if text = strings.Replace(Shortest, tt.old, tt.new, 1); !strings.Contains(Shortest, tt.old) {
					t.Fatalf("the shortest config has no %q", tt.old)
				}
			}
			_, err := f.load(t, text)
			var want []string
			for _, w := range tt.want {
				want = append(want, "irisops.yaml:"+w)
			}
			if diff := cmp.Diff(want, f.said(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err != nil && strings.Contains(err.Error(), "planted") {
				t.Error("the faults show the planted secret")
			}
		})
	}
}

func TestTwoClusters(t *testing.T) {
	f := newFiles(t)
	second := strings.Replace(Shortest[strings.Index(Shortest, "  - name: main"):], "name: main", "name: spare", 1)
	_, err := f.load(t, Shortest+second)
	if diff := cmp.Diff([]string{
		"irisops.yaml:15: The node iris_core@h1 (epmd port 4369) stands there twice, first on line 10. No two may share it.",
		"irisops.yaml:15: The log iris/core.log on host local stands there twice, first on line 10. No two may share it.",
		"irisops.yaml:16: The node iris_edge1@h1 (epmd port 4369) stands there twice, first on line 11. No two may share it.",
		"irisops.yaml:16: The port 8085 on host local stands there twice, first on line 11. No two may share it.",
		"irisops.yaml:16: The log iris/edge1.log on host local stands there twice, first on line 11. No two may share it.",
	}, f.said(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The same names with an epmd and a folder of their own are another cluster.
	second = strings.NewReplacer("cookie\n", "cookie\n    epmd_port: 4370\n", "/srv/iris", "/srv/iris/spare", "8085", "9085").Replace(second)
	if _, err := f.load(t, Shortest+second); err != nil {
		t.Error(err)
	}
}

func TestTwoCores(t *testing.T) {
	f := newFiles(t)
	_, err := f.load(t, strings.Replace(Shortest, core, core+"\n      - "+strings.NewReplacer("short: core", "short: core2", "iris_core", "iris_core2").Replace(core), 1))
	if diff := cmp.Diff([]string{"irisops.yaml:10: short: core is a role too, so only the one core of a cluster may be called that. Call it core1."}, f.said(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCookieFile(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string // "" is good
	}{
		{"good", "planted\n", 0o600, ""},
		{"no line end", "planted", 0o400, ""},
		{"from Windows", "planted\r\n", 0o600, ""},
		{"the group may read", "planted\n", 0o640, ""},
		{"all may read", "planted\n", 0o644, "cookie_file: cookie can be read or written by others (mode 0644). Take that away: chmod o= cookie"},
		{"all may write", "planted\n", 0o602, "cookie_file: cookie can be read or written by others (mode 0602). Take that away: chmod o= cookie"},
		{"empty", "", 0o600, "cookie_file: cookie is empty. It holds the cookie in one line."},
		{"only a line end", "\n", 0o600, "cookie_file: cookie is empty. It holds the cookie in one line."},
		{"two lines", "planted\nplanted\n", 0o600, "cookie_file: cookie has more than one line. It holds the cookie in one line, and nothing else."},
		{"a space", "planted planted", 0o600, "cookie_file: what cookie holds is not a cookie. A cookie has no spaces, and at most 255 letters, digits and signs of plain ASCII."},
		{"not ASCII", "plantéd", 0o600, "cookie_file: what cookie holds is not a cookie. A cookie has no spaces, and at most 255 letters, digits and signs of plain ASCII."},
		{"256 characters", strings.Repeat("x", 256), 0o600, "cookie_file: what cookie holds is not a cookie. A cookie has no spaces, and at most 255 letters, digits and signs of plain ASCII."},
		{"a book", strings.Repeat("planted", 100), 0o600, "cookie_file: cookie: this has more than 257 bytes, so it cannot be the right file."},
	}
	for _, tt := range tests {
		f := newFiles(t)
		f.write(t, "cookie", tt.text, tt.mode)
		c, err := f.load(t, Shortest)
		var want []string
		if tt.want != "" {
			want = []string{"irisops.yaml:8: " + tt.want}
		} else if got := c.Clusters[0].Cookie.Reveal(); got != "planted" {
			t.Errorf("%s: the cookie is %q", tt.name, got)
		}
		if diff := cmp.Diff(want, f.said(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if err != nil && strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the faults show the cookie", tt.name)
		}
	}
	f := newFiles(t)
	pipe := f.dir + "/pipe"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := f.load(t, strings.Replace(Shortest, "/etc/irisops/cookie", pipe, 1)) // and does not wait
	if diff := cmp.Diff([]string{"irisops.yaml:8: cookie_file: pipe: this is not a regular file."}, f.said(err)); diff != "" {
		t.Errorf("a pipe (-want +got):\n%s", diff)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name     string
		old, new string
		want     []string
	}{
		{"nobody is operator", "operator, approver", "approver", []string{"2: Nobody has the role operator, so nobody can start, stop or repair anything."}},
		{"operators by group", "operator, approver", "approver",
			[]string{"12: A member of this group is not recognised as operator or second, and could approve their own request that way. Give every approver their slack user."}},
		{"operators by group and approvers in Slack", "unix: ops", "slack: U0, unix: ops", nil},
		{"one approver", "unix: ops2, roles: [operator, approver]", "unix: ops2, roles: [operator]",
			[]string{"2: Nobody but themselves could approve what operator asks for, so what needs a second person cannot run. Give another person the role approver."}},
		{"no approver", ", approver]", "]",
			[]string{"2: Nobody but themselves could approve what operator or second asks for, so what needs a second person cannot run. Give another person the role approver."}},
		{"no way to be known", "unix: ops2, ", "mail: a@b.example, ", []string{"4: Person second has neither slack nor unix, so nobody will ever be recognised as them."}},
		{"no role", "", "", nil},
		{"on call without a role", "unix: ops2, roles: [operator, approver]", "unix: ops2", []string{
			"2: Nobody but themselves could approve what operator asks for, so what needs a second person cannot run. Give another person the role approver.",
			"4: Person second has no role, and so may do nothing. Roles are: viewer, responder, operator, approver, owner.",
			"5: Person second is on call as owner and may not even acknowledge. Give them the role responder.",
			"5: Person second is on call as sre and may not even acknowledge. Give them the role responder."}},
		{"root", "unix: ops2", "unix: root", []string{"4: Person second: root is nobody's account. Whoever comes as root may look, nothing else."}},
		{"the bot's account", "unix: ops2", "unix: irisops", []string{"4: Person second: irisops is the account that this runs as. If the bot runs as it too, then whoever comes by it may look, nothing else."}},
		{"no such account", "unix: ops2", "unix: ops3", []string{"4: Person second: this machine has no account ops3, so nobody can come by it."}},
		{"group of approvers", "", "groups: {approver: S01}", []string{"12: A group's members do not count as a second person, so they cannot approve. Approvers are entries under people."}},
		{"nobody on call", "oncall: {primary: operator, sre: second, owner: second}\n", "",
			[]string{"1: P0 pages primary and sre and owner, and nobody is on call as that: everyone on call will be paged instead. Add it under oncall.",
				"1: P1 pages primary, and nobody is on call as that: everyone on call will be paged instead. Add it under oncall."}},
		{"no sre", "sre: second, ", "", []string{"5: P0 pages sre, and nobody is on call as that: everyone on call will be paged instead. Add it under oncall."}},
		{"no policy for P0", "", "policies: {P1: {respond: 10m}}", []string{"12: There is no policy for P0. The runbook's stands: primary at once, sre after 15 minutes, owner after 30."}},
		{"P0 without steps", "", "policies: {P0: {}}", []string{"12: P0 has no steps, so an outage pages nobody by itself."}},
		{"no edge", "- " + edge, "", []string{"9: Cluster main has no node with role: edge, so verify can prove nothing."}},
		{"folder missing", core, strings.Replace(core, "/srv/iris", "/nonexistent/iris", 1), []string{"10: Node core: there is no folder /nonexistent/iris on this machine."}},
		{"no Makefile", core, strings.Replace(core, "/srv/iris", "/etc/irisops/bare", 1), []string{"10: Node core: the folder bare has no Makefile, so the node cannot be started."}},
		{"a board that something hands on", "", "external_url: https://irisops.example.org", []string{"12: external_url: https://irisops.example.org is reached from other machines, so the board is not shown there: it would be open to all. Set board: {token_file: PATH}, or board: {proxy: true} if a proxy in front asks who looks."}},
		{"a board that only this machine reaches", "", "external_url: http://localhost:8642", nil},
		{"a proxy asks who looks", "", "external_url: https://irisops.example.org\nboard: {proxy: true}", nil},
		{"a board open to all", "", "listen: 0.0.0.0:8642", []string{"12: listen: 0.0.0.0:8642 is reached from other machines, so the board is not shown there: it would be open to all. Set board: {token_file: PATH}, or board: {proxy: true} if a proxy in front asks who looks."}},
		{"a board behind a proxy", "", "listen: 0.0.0.0:8642\nboard: {proxy: true}", nil},
		{"a board on this machine", "", "listen: '[::1]:8642'", nil},
		{"host without a key or an agent", "", "hosts: {h2: {ssh: a@h2, known_hosts: /etc/irisops/known_hosts}}", []string{"12: Host h2 has no identity, and no SSH agent runs here (SSH_AUTH_SOCK is not set), so irisops will have no key to log in with."}},
		{"group of the socket", "", "socket: {group: ops}", []string{"12: This machine has no group ops, so the socket will be for irisops's own account only. Make it: groupadd ops."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFiles(t)
			if err := os.Mkdir(f.dir+"/bare", 0o755); err != nil {
				t.Fatal(err)
			}
			text := Shortest + tt.new + "\n"
			if tt.old != "" {
				text = strings.ReplaceAll(Shortest, tt.old, tt.new)
			}
			if strings.HasPrefix(tt.name, "operators by group") {
				text = strings.Replace(text, "U0", "U01", 1)
				text += "groups: {operator: S01}\n"
			}
			c, err := f.load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, w := range tt.want {
				want = append(want, "irisops.yaml:"+w)
			}
			if w := c.Warnings(); len(w) > 0 {
				got = f.said(w)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, fmt.Sprintf("this account (number %d) may not read it", os.Geteuid())},
		{&fs.PathError{Op: "read", Path: "/x", Err: syscall.EIO}, "it cannot be read: input/output error"},
	} {
		if got := unreadable(tt.err).Error(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestFileItself(t *testing.T) {
	f := newFiles(t)
	tests := []struct{ path, want string }{
		{f.dir + "/none.yaml", "none.yaml: There is no such file."},
		{f.dir + "/iris", "iris: This is a folder; name the file in it."},
		{"/dev/null", "/dev/null: This is not a regular file."},
	}
	for _, tt := range tests {
		_, err := Load(tt.path)
		var faults Faults
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 0 {
			t.Errorf("%s: %#v", tt.path, err)
		}
		if diff := cmp.Diff([]string{tt.want}, f.said(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	c, err := load(f.write(t, "open.yaml", f.here(Shortest), 0o646), theMachine)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"open.yaml: Everyone on this machine may write this file, and so choose what irisops runs. Take that away: chmod o-w open.yaml"}, f.said(c.Warnings())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := load(f.write(t, "bom.yaml", "\ufeff"+strings.ReplaceAll(f.here(Shortest), "\n", "\r\n"), 0o600), theMachine); err != nil {
		t.Errorf("a file from Windows: %v", err)
	}
	if _, err := Load(f.write(t, "real.yaml", strings.Replace(f.here(Shortest), "ops2", "4294967", 1), 0o600)); err != nil {
		t.Errorf("on the real machine: %v", err)
	}
}
