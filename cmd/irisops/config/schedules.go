package config

import (
	"path/filepath"
	"strings"

	"irisops/bot/schedule"
)

// Schedules are what irisops does by the calendar, and when it does not.
type Schedules struct {
	Blackout   []schedule.Days `yaml:"blackout"`
	DeployLock string          `yaml:"deploy_lock"` // a file; "": none

	Backup    Schedule `yaml:"backup"`
	Tidy      Schedule `yaml:"tidy"`
	Health    Schedule `yaml:"health"`
	AuditHead Schedule `yaml:"audit_head"`
	HandOver  Schedule `yaml:"hand_over"`
	Drill     Schedule `yaml:"drill"`
	TestPage  Schedule `yaml:"test_page"`
}

// Schedule is when an entry is due.
type Schedule struct {
	Cron string `yaml:"cron"` // five fields, @daily, @every 30m, or off
	Week int    `yaml:"week"` // 0: every
}

const scheduleOff = "off"

// Off says whether the entry never runs.
func (s Schedule) Off() bool { return s.Cron == scheduleOff }

// of is the entry of that name, and its key.
func (s *Schedules) of(name string) (*Schedule, string) {
	key := strings.ReplaceAll(name, "-", "_")
	return map[string]*Schedule{
		schedule.Backup: &s.Backup, schedule.Tidy: &s.Tidy, schedule.Health: &s.Health, schedule.AuditHead: &s.AuditHead,
		schedule.HandOver: &s.HandOver, schedule.Drill: &s.Drill, schedule.TestPage: &s.TestPage,
	}[name], key
}

// Of is when the entry of that name is due.
func (s Schedules) Of(name string) Schedule {
	entry, _ := s.of(name)
	return *entry
}

// checkSchedules fills in when the entries are due that the file does not set.
// A week alone does not: which day would it be of?
func (k *checker) checkSchedules() {
	for _, u := range schedule.Usuals() {
		s, key := k.c.Schedules.of(u.Name)
		at := join("schedules", key)
		if !k.given(at) {
			*s = Schedule{u.Cron, u.Week}
		}
		if !k.usable(at) || k.bad[at+".cron"] || k.bad[at+".week"] {
			continue
		}
		if !k.given(at + ".cron") {
			k.fault(at, "%s has no cron: when it is due, like cron: \"%s\", or cron: off", key, u.Cron)
			continue
		}
		if s.Off() {
			continue
		}
		if k.c.zone == nil {
			continue // its own fault
		}
		if _, err := schedule.Parse(s.Cron, s.Week, k.c.zone); err != nil {
			k.fault(at+".cron", "cron: %v.", err)
		}
	}
	if lock := "schedules.deploy_lock"; k.usable(lock) && k.checkPath(lock, k.c.Schedules.DeployLock) && filepath.Dir(k.c.Schedules.DeployLock) == "/" {
		k.fault(lock, "deploy_lock: name a file that the deployment makes in a folder of its own, like /run/deploy/lock.")
	}
}
