package bot

import (
	"testing"
	"time"

	"irisops/bot/incident"
	"irisops/bot/message"
)

// The head of a thread leads to the incident's page on the board, where people
// can reach one. On the board itself it does not.
func TestHeadLeadsToTheBoard(t *testing.T) {
	inc, _ := incident.New(7, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator"}, time.Now())
	for board, want := range map[string]string{"https://irisops.example.org": "https://irisops.example.org/incidents/7", "": ""} {
		b := &Bot{Options: Options{Board: board, Zone: time.UTC}}
		link := func(m message.Message) (to string) {
			for _, f := range m.Blocks[0].Fields {
				if f.Name == "Board" {
					to = f.Value
				}
			}
			return to
		}
		if got := link(b.parent(inc, time.Now())); got != want {
			t.Errorf("with the board at %q the head links to %q", board, got)
		}
		if got := link(b.Head(inc)); got != "" {
			t.Errorf("the board links to itself: %q", got)
		}
	}
}
