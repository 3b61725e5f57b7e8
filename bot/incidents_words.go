package bot

import (
	"irisops/actions"
	"irisops/bot/command"
)

// incidentWords are the commands about an incident's own life, beyond the first
// few in words.
var incidentWords = []word{
	{command.Spec{Words: "note", Class: actions.Tell, Group: incids, Summary: "add a line to the timeline", Example: "note switch in rack 4 was rebooted",
		Long:   "In Slack, a message of the thread is kept, with its pictures where they stand, by an emoji under it, if the config says so (reactions: {memo: note}). A note that begins with action: becomes an action item of the post-mortem.",
		Params: []actions.Param{{Name: "text", Kind: actions.Text, Optional: true, Doc: "what to remember", Example: "switch in rack 4 was rebooted"}}}, note},
	{command.Spec{Words: "mitigated", Class: actions.Tell, Group: incids, Summary: "users are helped, the cause is not mended; the recovery clock runs on", Example: "mitigated moved all users to edge2",
		Params: []actions.Param{{Name: "text", Kind: actions.Text, Optional: true, Doc: "how", Example: "moved all users to edge2"}}}, mitigated},
	{command.Spec{Words: "severity", Class: actions.Tell, Group: incids, Summary: "make it more or less urgent: its clocks begin anew", Example: "severity P1",
		Long: "The steps that have not fired are dropped, and those of the new priority are armed from now on: raised to P0, the primary is paged at once. " +
			"Raising lifts a stop of the paging; lowering keeps it.",
		Params: []actions.Param{{Name: "priority", Kind: actions.Choice, Choices: []string{"P0", "P1", "P2", "P3"}, Doc: "how urgent", Example: "P1"}}}, severity},
	{command.Spec{Words: "handoff", Class: actions.Tell, Group: incids, Summary: "ask somebody to take it over; they are paged, and have it when they accept", Example: "handoff @second",
		Params: []actions.Param{{Name: "person", Kind: actions.Person, Doc: "who", Example: "@second"}}}, handoff},
	{command.Spec{Words: "accept", Class: actions.Tell, Group: incids, Summary: "take over an incident that you were asked to", Example: "accept"}, accept},
	{command.Spec{Words: "role", Class: actions.Tell, Group: incids, Summary: "say who commands or writes down", Example: "role commander @operator",
		Params: []actions.Param{
			{Name: "role", Kind: actions.Choice, Choices: []string{"commander", "scribe"}, Doc: "which", Example: "commander"},
			{Name: "person", Kind: actions.Person, Doc: "who", Example: "@operator"}}}, giveRole},
	{command.Spec{Words: "merge", Class: actions.Tell, Group: incids, Summary: "resolve it as a duplicate of another incident, which goes on", Example: "merge INC-1",
		Long:   "Said in the thread of the duplicate. Both keep their timelines. Never into a less urgent or, of two alike, a younger incident: that would lose the clocks.",
		Params: []actions.Param{{Name: "id", Kind: actions.ID, Doc: "the incident that goes on", Example: "INC-1"}}}, merge},
	{command.Spec{Words: "reopen", Class: actions.Tell, Group: incids, Summary: "it was called recovered or resolved, and is not: its clocks begin anew", Example: "reopen edge1 again",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "what is wrong again", Example: "edge1 again"}}}, reopen},
	{command.Spec{Words: "rearm", Class: actions.Tell, Group: incids, Summary: "arm its clocks anew by the policy as it is now; lifts stop-paging", Example: "rearm the policy has changed",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "why", Example: "the policy has changed"}}}, rearm},

	{command.Spec{Words: "timeline", Class: actions.See, Group: looks, Summary: "what happened in an incident, in order", Example: "timeline --incident INC-1"}, timeline},
	{command.Spec{Words: "escalation", Class: actions.See, Group: looks, Summary: "what will happen next, when, to whom, by which channel, and what would stop it", Example: "escalation"}, ahead},
	{command.Spec{Words: "why-paged", Class: actions.See, Group: looks, Summary: "who was paged and why, from the record", Example: "why-paged @owner",
		Params: []actions.Param{{Name: "person", Kind: actions.Person, Optional: true, Doc: "who; everybody if left out", Example: "@owner"}}}, whyPaged},
	{command.Spec{Words: "why-not-paged", Class: actions.See, Group: looks, Summary: "which pages there were not and why, from the record", Example: "why-not-paged",
		Params: []actions.Param{{Name: "person", Kind: actions.Person, Optional: true, Doc: "whose undelivered pages; everybody's if left out", Example: "@owner"}}}, whyNotPaged},
	{command.Spec{Words: "postmortem", Class: actions.See, Group: looks, Summary: "write down what is on record of an incident, as a file", Example: "postmortem --incident INC-1"}, writePostmortem},
	{command.Spec{Words: "incidents", Class: actions.See, Group: looks, Summary: "list incidents", Example: "incidents --last 30d",
		Params: []actions.Param{
			{Name: "open", Kind: actions.Bool, Flag: true, Doc: "those that are not resolved"},
			{Name: "last", Kind: actions.Duration, Flag: true, Doc: "those declared since then", Example: "30d"}}}, incidents},
	{command.Spec{Words: "incidents export", Class: actions.See, Group: looks, Summary: "one incident with everything about it, as a JSON file", Example: "incidents export INC-1",
		Params: []actions.Param{{Name: "id", Kind: actions.ID, Doc: "which", Example: "INC-1"}}}, export},
	{command.Spec{Words: "stats", Class: actions.See, Group: looks, Summary: "how long it took to acknowledge and to recover, by month and priority", Example: "stats --last 90d",
		Params: []actions.Param{{Name: "last", Kind: actions.Duration, Flag: true, Doc: "how far back; a year if left out", Example: "90d"}}}, statistics},
}
