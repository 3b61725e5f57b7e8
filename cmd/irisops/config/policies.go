package config

import (
	"fmt"
	"strings"
	"time"

	"irisops/bot/escalation"
	"irisops/bot/incident"
)

// Policy is what happens to an incident of one priority.
type Policy struct {
	Respond Respond       `yaml:"respond"`
	Remind  time.Duration `yaml:"remind"` // after so long without an update; 0: never
	Steps   []Step        `yaml:"steps"`
}

// Step pages on-call roles so long after declaration, unless recovered.
type Step struct {
	After  After   `yaml:"after"`
	Page   Targets `yaml:"page"`
	Unless Unless  `yaml:"unless"`
	Repeat Repeat  `yaml:"repeat"`
}

// After is when a step pages: so long after declaration, or when the response
// time is over, which is written "respond".
type After struct {
	For     time.Duration
	Overdue bool // then For is 0
}

const whenOverdue = "respond"

// UnmarshalText reads a duration, or "respond".
func (a *After) UnmarshalText(text []byte) error {
	if string(text) == whenOverdue {
		*a = After{Overdue: true}
		return nil
	}
	d, err := parseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w, or %s: when the response time is over", err, whenOverdue)
	}
	*a = After{For: d}
	return nil
}

func (a After) String() string {
	if a.Overdue {
		return whenOverdue
	}
	return spoken(a.For)
}

// Targets are on-call roles: one, or a list.
type Targets []string

// Unless is what comes first and keeps a step from paging.
type Unless incident.Unless

// UnmarshalText reads "recovered" or "acknowledged".
func (u *Unless) UnmarshalText(text []byte) error {
	words := []string{incident.UnlessRecovered.String(), incident.UnlessAcknowledged.String()}
	switch string(text) {
	case words[0]:
		*u = Unless(incident.UnlessRecovered)
	case words[1]:
		*u = Unless(incident.UnlessAcknowledged)
	default:
		return fmt.Errorf("%s is not known. %s", quote(string(text)), strings.TrimRight(didYouMean(string(text), words), ".?"))
	}
	return nil
}

// Repeat pages again.
type Repeat struct {
	Every time.Duration `yaml:"every"`
	Times int           `yaml:"times"` // beside the first
}

const (
	maxRepeats   = 100
	minEvery     = 10 * time.Second
	minRemind    = time.Minute
	defaultQuiet = 20 * time.Minute
)

// defaultPolicies are the incident runbook's response times, and its escalation:
// an outage that is not recovered after 15 and 30 minutes, and a major
// degradation that nobody takes in time.
func defaultPolicies() map[incident.Priority]Policy {
	return map[incident.Priority]Policy{
		incident.P0: {Remind: defaultQuiet, Steps: []Step{
			{Page: Targets{"primary"}}, {After: After{For: 15 * time.Minute}, Page: Targets{"sre"}}, {After: After{For: 30 * time.Minute}, Page: Targets{"owner"}}}},
		incident.P1: {Respond: Respond{Within: 15 * time.Minute}, Remind: defaultQuiet, Steps: []Step{
			{After: After{Overdue: true}, Page: Targets{"primary"}, Unless: Unless(incident.UnlessAcknowledged)}}},
		incident.P2: {Respond: Respond{Within: time.Hour}, Steps: []Step{}},
		incident.P3: {Respond: Respond{NextBusinessDay: true}, Steps: []Step{}},
	}
}

// Escalation is what happens to an incident of each priority.
func (c Config) Escalation() map[incident.Priority]escalation.Policy {
	policies := map[incident.Priority]escalation.Policy{}
	for priority, p := range c.Policies {
		policy := escalation.Policy{Respond: p.Respond.Within, NextBusinessDay: p.Respond.NextBusinessDay, Remind: p.Remind}
		if policy.NextBusinessDay {
			policy.Business = c.business()
		}
		for _, s := range p.Steps {
			for _, role := range s.Page {
				policy.Steps = append(policy.Steps, escalation.PolicyStep{After: s.After.For, Overdue: s.After.Overdue, Role: role,
					Unless: incident.Unless(s.Unless), Repeat: escalation.Repeat{Every: s.Repeat.Every, Times: s.Repeat.Times}})
			}
		}
		policies[priority] = policy
	}
	return policies
}
