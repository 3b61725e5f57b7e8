package store

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// migration brings the schema from one version to the next, in a transaction of
// its own together with the new version. Once released, one is never edited.
type migration struct {
	what string
	do   func(*tx) error
}

// migrations in order: the first makes version 1.
var migrations = []migration{
	{"the first schema", createFirst},
	{"what is said in Slack", createSlack},
	{"the last healthy diagnoses", createHealthy},
	{"what is practised", createPractice},
	{"what backups were made", createBackups},
	{"who is on call", createOnCall},
	{"the audit", createTrail},
	{"what watch did, or would have done", createWatched},
}

// layout is every bucket of the newest schema.
var layout = []bucket{
	bMeta,
	bOpen, bResolved, bTimeline, bDue, bDedup,
	bPending, bSettled, bOutbox, bSending,
	bRuns, bRunStates, bLocks,
	bDeliveries, bUnanswered, bAnswered,
	bSlackPosts, bSlackPending, bSlackShown,
	bHealthy,
	bSchedules, bDrills,
	bBackups,
	bOverrides, bAlerts,
	bTrail,
	bWatched,
}

var keySchema = []byte("schema")

func createFirst(t *tx) error {
	tops := map[string]*bbolt.Bucket{}
	for _, b := range []bucket{
		bMeta,
		bOpen, bResolved, bTimeline, bDue, bDedup,
		bPending, bSettled, bOutbox, bSending,
		bRuns, bRunStates, bLocks,
		bDeliveries, bUnanswered, bAnswered,
	} {
		if tops[b.top] == nil {
			top, err := t.bolt.CreateBucket([]byte(b.top))
			if err != nil {
				return err
			}
			tops[b.top] = top
		}
		if b.name == "" {
			continue
		}
		if _, err := tops[b.top].CreateBucket([]byte(b.name)); err != nil {
			return err
		}
	}
	return nil
}

// migrate applies the migrations that the database lacks. It is at version from.
func migrate(db *bbolt.DB, from uint64, list []migration, failpoint func(string)) error {
	for n := from; n < uint64(len(list)); n++ {
		err := db.Update(func(bt *bbolt.Tx) error {
			t := newTx(bt)
			if err := list[n].do(t); err != nil {
				return err
			}
			if err := t.put(bMeta, keySchema, numberKey(n+1)); err != nil {
				return err
			}
			failpoint("migrate/before")
			return nil
		})
		if err != nil {
			return fmt.Errorf("schema %d (%s): %w", n+1, list[n].what, err)
		}
		failpoint("migrate/after")
	}
	return nil
}
