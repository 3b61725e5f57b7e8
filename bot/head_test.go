package bot

import (
	"testing"
	"time"

	"irisops/bot/incident"
)

// The head of a thread leads to the incident's page on the board, where people
// can reach one.
func TestHeadLeadsToTheBoard(t *testing.T) {
	inc, _ := incident.New(7, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator"}, time.Now())
	for board, want := range map[string]string{"https://irisops.example.org": "https://irisops.example.org/incidents/7", "": ""} {
		b := &Bot{Options: Options{Board: board, Zone: time.UTC}}
		got := ""
		for _, f := range b.Head(inc).Blocks[0].Fields {
			if f.Name == "Board" {
				got = f.Value
			}
		}
		if got != want {
			t.Errorf("with the board at %q the head links to %q", board, got)
		}
	}
}
