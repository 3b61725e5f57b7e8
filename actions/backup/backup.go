// Package backup says what a backup of a cluster's Mnesia is, which one is the
// newest that can be relied on, and which ones are too many. It is pure.
package backup

import (
	"regexp"
	"slices"
	"time"
)

// Backup is one backup, and what became of it.
type Backup struct {
	ID      string // "B-20260301T031500-core"
	Cluster string
	Node    string // short name of the core that made it, on whose host it lies
	Path    string // absolute, on that host
	By      string
	At      time.Time
	Bytes   int64
	Sum     string           // MD5 of the file, in hex: it tells damage, not malice
	Records map[string]int64 // by table

	Verified time.Time // when it was last found whole and readable; zero: never
	Damage   string    // what the last look found wrong; "" is nothing
	Removed  time.Time // when it was deleted, to make room; zero: not
}

// NewID names the backup that a node makes at that time. Its parts are letters
// and digits, and what may stand in a node's short name.
func NewID(node string, at time.Time) string {
	return "B-" + at.UTC().Format("20060102T150405") + "-" + node
}

// IDs are the ids of backups, whatever node they are of.
var IDs = regexp.MustCompile(`^B-[0-9]{8}T[0-9]{6}-[A-Za-z0-9_.-]{1,64}$`)

// Good says whether the backup is there, as far as irisops knows, and was found
// whole at the last look.
func (b Backup) Good() bool { return b.Removed.IsZero() && !b.Verified.IsZero() && b.Damage == "" }

// Newest is the newest backup of the cluster that is good.
func Newest(all []Backup, cluster string) (Backup, bool) {
	var newest Backup
	found := false
	for _, b := range all {
		if b.Cluster == cluster && b.Good() && (!found || b.At.After(newest.At)) {
			newest, found = b, true
		}
	}
	return newest, found
}

// Surplus are the backups of a cluster beyond the newest ones that are kept, the
// oldest first. Only good ones count as kept, so that a row of failures never
// pushes out what can be relied on; and the newest good one is never surplus.
func Surplus(all []Backup, cluster string, keep int) []Backup {
	mine := slices.DeleteFunc(slices.Clone(all), func(b Backup) bool { return b.Cluster != cluster || !b.Removed.IsZero() })
	slices.SortStableFunc(mine, func(a, b Backup) int { return b.At.Compare(a.At) })
	good := 0
	var surplus []Backup
	for _, b := range mine {
		if good >= max(keep, 1) {
			surplus = append(surplus, b)
		}
		if b.Good() {
			good++
		}
	}
	slices.Reverse(surplus)
	return surplus
}
