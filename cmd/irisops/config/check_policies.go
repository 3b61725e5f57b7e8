package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"irisops/bot/incident"
)

func (k *checker) checkPolicies() {
	standard := defaultPolicies()
	if k.c.Policies == nil {
		k.c.Policies = map[incident.Priority]Policy{}
	}
	for _, p := range slices.Sorted(maps.Keys(k.c.Policies)) {
		if _, ok := standard[p]; !ok {
			k.fault(join("policies", string(p)), "policies: there is no priority %s. They are P0, P1, P2 and P3.", quote(string(p)))
			delete(k.c.Policies, p)
		}
	}
	for _, p := range incident.Priorities {
		path := join("policies", string(p))
		policy, given := k.c.Policies[p]
		if !given {
			k.c.Policies[p] = standard[p]
			k.warnDefault(p, standard[p])
			continue
		}
		if !k.given(path + ".respond") {
			policy.Respond = standard[p].Respond
		}
		if !k.given(path + ".remind") {
			policy.Remind = standard[p].Remind
		} else if k.usable(path+".remind") && policy.Remind > 0 && policy.Remind < minRemind {
			k.fault(path+".remind", "remind: %s is less than any update takes to type. Write %s or more, or 0m for no reminders.", spoken(policy.Remind), spoken(minRemind))
		}
		k.c.Policies[p] = policy
		k.checkSteps(path, p, policy)
	}
}

// warnDefault says what a policy that stands only in the program would do badly.
func (k *checker) warnDefault(p incident.Priority, policy Policy) {
	if k.given("policies") && !k.bad["policies"] && p == incident.P0 {
		k.warn("policies", "There is no policy for P0. The runbook's stands: primary at once, sre after 15 minutes, owner after 30.")
	}
	var missing []string
	for _, s := range policy.Steps {
		for _, role := range s.Page {
			if !k.onCallRole(role) {
				missing = append(missing, role)
			}
		}
	}
	if len(missing) > 0 {
		k.warn("oncall", "%s pages %s, and nobody is on call as that: everyone on call will be paged instead. Add it under oncall.", p, strings.Join(missing, " and "))
	}
}

func (k *checker) checkSteps(path string, p incident.Priority, policy Policy) {
	if len(policy.Steps) == 0 && p == incident.P0 && !k.bad[path+".steps"] {
		k.warn(path, "P0 has no steps, so an outage pages nobody by itself.")
	}
	for i, s := range policy.Steps {
		at := fmt.Sprintf("%s.steps[%d]", path, i)
		if k.bad[at] {
			continue
		}
		before := fmt.Sprintf("%s.steps[%d].after", path, i-1)
		if k.required(at+".after", "This step of %s has no after: how long after the declaration it pages. For example after: 15m", p) &&
			i > 0 && k.usable(before) && !s.After.Overdue && !policy.Steps[i-1].After.Overdue && s.After.For < policy.Steps[i-1].After.For {
			k.fault(at+".after", "The step of %s at %s stands behind the one at %s. Order them by time.", p, s.After, policy.Steps[i-1].After)
		}
		k.checkTargets(at, p, s)
		k.checkRepeat(at+".repeat", s.Repeat)
		if k.usable(at+".after") && k.usable(at+".page") && slices.ContainsFunc(policy.Steps[:i], func(b Step) bool { return b.After == s.After && slices.Equal(b.Page, s.Page) && b.Unless == s.Unless }) {
			k.fault(at, "The step of %s at %s that pages %s stands there twice. Take one out.", p, s.After, plain(strings.Join(s.Page, " and ")))
		}
	}
}

func (k *checker) checkTargets(at string, p incident.Priority, s Step) {
	if !k.required(at+".page", "This step of %s has no page: the on-call role that it calls. For example page: sre", p) {
		return
	}
	if len(s.Page) == 0 {
		k.fault(at+".page", "This step of %s pages nobody. For example page: sre", p)
	}
	for i, role := range s.Page {
		one := fmt.Sprintf("%s.page[%d]", at, i)
		switch {
		case !k.usable(one):
		case !k.onCallRole(role):
			k.fault(one, "The step of %s at %s pages %s, and nobody is on call as that. %s", p, s.After, quote(role), k.onCallWay(role))
		case slices.Contains(s.Page[:i], role):
			k.fault(one, "The step of %s at %s pages %s twice. Take one out.", p, s.After, plain(role))
		}
	}
}

func (k *checker) checkRepeat(path string, r Repeat) {
	if !k.given(path) || k.bad[path] {
		return
	}
	if k.required(path+".every", "repeat has no every: how long between two pages. For example repeat: {every: 10m, times: 3}") && r.Every < minEvery {
		k.fault(path+".every", "every: %s is too often: people have to be able to answer. Write %s or more.", spoken(r.Every), spoken(minEvery))
	}
	if k.required(path+".times", "repeat has no times: how often it pages again. For example repeat: {every: 10m, times: 3}") && (r.Times < 1 || r.Times > maxRepeats) {
		k.fault(path+".times", "times: %d is out of range: write a number from 1 to %d.", r.Times, maxRepeats)
	}
}

func (k *checker) onCallWay(role string) string {
	roles := append(slices.Sorted(maps.Keys(k.c.OnCallRoles)), slices.Sorted(maps.Keys(k.c.Rotations))...)
	if c := nearest(role, roles); c != "" {
		return "Did you mean " + plain(c) + "?"
	}
	if idShape.MatchString(role) {
		return "Add it under oncall, for example oncall: {" + role + ": operator}"
	}
	return "Name one that stands under oncall."
}
