package schedule

import "time"

// Names of the entries that irisops has of its own.
const (
	Drill     = "drill"
	Backup    = "backup"
	Health    = "health"
	TestPage  = "test-page"
	HandOver  = "hand-over"
	AuditHead = "audit-head"
	Tidy      = "tidy"
)

// Usual is an entry that irisops has unless the config says otherwise.
type Usual struct {
	Entry
	Cron string
	Week int
	// EachCluster: there is one for every cluster.
	EachCluster bool
}

// Usuals are all of them, by the time of day. Tidy has no words: it is a chore of
// irisops itself.
func Usuals() []Usual {
	return []Usual{
		{Cron: "30 3 * * *", EachCluster: true, Entry: Entry{Name: Backup, What: "backup of Mnesia, verified, old ones removed", Words: "backup now", Late: 6 * time.Hour,
			Hold: Hold{Incident: true, DeployLock: true}}},
		{Cron: "17 4 * * *", Entry: Entry{Name: Tidy, What: "forget old answered deliveries", Late: 24 * time.Hour}},
		{Cron: "0 9 * * *", Entry: Entry{Name: Health, What: "daily health report", Words: "report health", Late: 2 * time.Hour}},
		{Cron: "5 9 * * *", Entry: Entry{Name: AuditHead, What: "head of the audit, for the channel to remember", Words: "audit head", Late: 12 * time.Hour}},
		{Cron: "0 9 * * MON", Entry: Entry{Name: HandOver, What: "who is on call from now on", Words: "report oncall", Late: 4 * time.Hour}},
		{Cron: "0 10 * * TUE", Week: 1, EachCluster: true, Entry: Entry{Name: Drill, What: "failover drill", Words: "drill run", Late: 10 * time.Minute,
			Hold: Hold{Incident: true, DeployLock: true, Blackout: true, Maintenance: true}}},
		{Cron: "0 11 * * MON", Entry: Entry{Name: TestPage, What: "test page to who is on call", Words: "page test", Late: time.Hour,
			Hold: Hold{Incident: true, Blackout: true}}},
	}
}
