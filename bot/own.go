package bot

import (
	"fmt"

	"irisops/actions"
	"irisops/bot/incident"
)

// ownFlag is the flag among the args that makes the answer one for the caller's
// own eyes; "" if none does.
func ownFlag(a actions.Action, args actions.Args) string {
	for _, p := range a.Params {
		if p.Own && args[p.Name] != "" {
			return p.Name
		}
	}
	return ""
}

// ownLook looks at what only a privileged caller may see. It stands in the
// incident's timeline who asked for it, before it is looked up; the answer goes
// over the caller's own connection and is kept nowhere. Chats are no place for
// it, whoever asks: they keep what is said, and others read along.
func (c *call) ownLook(cluster Cluster, inc *incident.Incident, a actions.Action, flag string) error {
	words := a.Name + " --" + flag
	if d := c.Access.May(c.who, words, actions.See); !d.Allowed {
		return &actions.Error{Code: "not-allowed", Text: d.Why}
	}
	if _, own := c.ownRoom(c.d.ID); !own || c.aside != nil {
		e := &actions.Error{Code: "own-eyes", Text: fmt.Sprintf("What `%s` shows never appears where others can read it, or where it is kept. Nothing was looked up.", words),
			Hint: fmt.Sprintf("On the machine of irisops, from your own account there (unix: in the config): %s %s", c.Ctl, c.d.Text)}
		if c.Ctl == "" {
			e.Hint = "The demo's people have no account of their own on this machine, so that nobody sees it here. Beside a cluster of yours `irisops ctl` shows it to an approver or owner, inside an open incident."
			return e
		}
		if inc == nil || inc.Over() {
			e.Hint = `It takes an open incident, in whose timeline it stands who looked. Declare one: declare P2 "messages do not arrive". Then: ` + e.Hint
		}
		return e
	}
	if inc == nil || inc.Over() {
		return &actions.Error{Code: "no-incident", Text: fmt.Sprintf("`%s` is for open incidents only, so that it stands in a timeline who saw it. Nothing was looked up.", words),
			Hint: `Declare one first: declare P2 "messages do not arrive".`}
	}
	record := incident.Noted{By: c.who.ID, Kind: incident.KindNote, Text: fmt.Sprintf("looked at what nobody else sees: %s", c.d.Text)}
	if _, err := c.amend(c.ctx, inc.Number, nowUTC(), []incident.Event{record}, c.mark); err != nil {
		return fmt.Errorf("nothing was looked up, because it could not be recorded who asked: %w", err)
	}
	result, err := a.Look(c.ctx, c.request(inc))
	if err != nil {
		return err
	}
	c.post(Post{Key: "reply/" + c.d.ID, Private: true, Own: true, Message: c.withCluster(withIncident(ResultMessage(result), inc.ID()), cluster)})
	return nil
}
