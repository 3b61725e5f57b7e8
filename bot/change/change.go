// Package change is what the store commits in one transaction: an incident with
// its new timeline entries and pages, a run, or both together. It is pure.
package change

import (
	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// Change is one transaction. Every aggregate in it carries the version that it
// was read at; if the store holds another, nothing of the change is committed.
type Change struct {
	Incident *incident.Incident
	Entries  []incident.Entry // of that incident
	Pages    []pager.Page     // new ones, or new states of known ones, by key
	Run      *runbook.Run
}
