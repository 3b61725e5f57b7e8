package bot

import (
	"fmt"

	"irisops/bot/inbox"
	"irisops/bot/message"
)

// longestWords is how long the words of a button may be.
const longestWords = 1500

// askAgain asks whether words that came late are still wanted. Pressing the
// button is saying them anew, now.
func (b *Bot) askAgain(d inbox.Delivery, why string) message.Message {
	m := message.Message{Level: message.Warn, Title: fmt.Sprintf("Is `%s` still wanted? %s, so it was not carried out.", d.Text, why),
		Blocks: []message.Block{{Text: "Look with `status` how things stand by now. Then press the button, or say it again."}}}
	if len(d.Text) > longestWords {
		return m
	}
	m.Buttons = []message.Button{{Label: "Do It Now", Words: d.Text}, {Label: "Status", Words: "status"}}
	if d.Incident != "" {
		again := withIncident(message.Message{Buttons: m.Buttons[:1]}, d.Incident)
		m.Buttons = append(again.Buttons, m.Buttons[1])
	} else if d.Cluster != "" {
		again := b.withCluster(message.Message{Buttons: m.Buttons[:1]}, Cluster{Name: d.Cluster})
		m.Buttons = append(again.Buttons, m.Buttons[1])
	}
	return m
}
