package store

import (
	"context"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

var bHealthy = bucket{"diagnoses", "healthy"}

// createHealthy makes the bucket of the last healthy diagnoses.
func createHealthy(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bHealthy.top))
	if err != nil {
		return err
	}
	_, err = top.CreateBucket([]byte(bHealthy.name))
	return err
}

type healthyRecord struct {
	record
	Cluster  string          `json:"cluster"`
	Mode     string          `json:"mode"`
	At       time.Time       `json:"at,omitzero"`
	Verdict  string          `json:"verdict"`
	Findings []findingRecord `json:"findings,omitempty"`
	Cores    []coreRecord    `json:"cores,omitempty"`
}

type findingRecord struct {
	Check    string `json:"check"`
	Node     string `json:"node"`
	Result   string `json:"result"`
	Evidence string `json:"evidence"`
	Next     string `json:"next,omitempty"`
	Code     string `json:"code,omitempty"`
	Mark     string `json:"mark,omitempty"`
}

type coreRecord struct {
	Node    string           `json:"node"`
	State   string           `json:"state"`
	Members []string         `json:"members,omitempty"`
	Running []string         `json:"running,omitempty"`
	Folder  string           `json:"folder,omitempty"`
	Figures map[string]int64 `json:"figures,omitempty"`
	Tables  []tableRecord    `json:"tables,omitempty"`
}

type tableRecord struct {
	Name    string   `json:"name"`
	Storage string   `json:"storage"`
	Records int64    `json:"records"`
	Bytes   int64    `json:"bytes"`
	Copies  []string `json:"copies,omitempty"`
	Write   []string `json:"write,omitempty"`
}

func recordHealthy(h cluster.Healthy) healthyRecord {
	r := healthyRecord{record: record{recordVersion}, Cluster: h.Cluster, Mode: h.Mode, At: utc(h.At), Verdict: h.Verdict}
	for _, f := range h.Findings {
		r.Findings = append(r.Findings, findingRecord{f.Check, f.Node, string(f.Result), f.Evidence, f.Next, f.Code, f.Mark})
	}
	for _, c := range h.Cores {
		core := coreRecord{Node: c.Node, State: c.State, Members: c.Members, Running: c.Running, Folder: c.Folder, Figures: c.Figures}
		for _, t := range c.Tables {
			core.Tables = append(core.Tables, tableRecord(t))
		}
		r.Cores = append(r.Cores, core)
	}
	return r
}

func (r healthyRecord) healthy() cluster.Healthy {
	h := cluster.Healthy{Cluster: r.Cluster, Mode: r.Mode, At: r.At, Verdict: r.Verdict}
	for _, f := range r.Findings {
		h.Findings = append(h.Findings, cluster.Finding{Check: f.Check, Node: f.Node, Result: actions.Level(f.Result), Evidence: f.Evidence, Next: f.Next, Code: f.Code, Mark: f.Mark})
	}
	for _, c := range r.Cores {
		core := cluster.MnesiaState{Node: c.Node, State: c.State, Members: c.Members, Running: c.Running, Folder: c.Folder, Figures: c.Figures}
		for _, t := range c.Tables {
			core.Tables = append(core.Tables, cluster.MnesiaTable(t))
		}
		h.Cores = append(h.Cores, core)
	}
	return h
}

// healthyKey is unique because neither part is empty or has a space in it.
func healthyKey(name, mode string) []byte { return []byte(name + " " + mode) }

// KeepHealthy keeps the diagnosis as the last healthy one of its cluster and
// mode, in place of the one before.
func (db *DB) KeepHealthy(ctx context.Context, h cluster.Healthy) error {
	if err := checkKey("cluster and mode", string(healthyKey(h.Cluster, h.Mode))); err != nil {
		return err
	}
	return db.update(ctx, "The healthy diagnosis of "+h.Cluster, func(t *tx) error {
		return t.put(bHealthy, healthyKey(h.Cluster, h.Mode), encode(recordHealthy(h)))
	})
}

// LastHealthy are the last healthy diagnoses of the cluster, one of each mode,
// the newest first.
func (db *DB) LastHealthy(name string) ([]cluster.Healthy, error) {
	var kept []cluster.Healthy
	err := db.view(func(t *tx) error {
		return t.walk(bHealthy, healthyKey(name, ""), func(_, body []byte) error {
			var rec healthyRecord
			if err := decode(bHealthy, body, &rec); err != nil {
				return err
			}
			kept = append(kept, rec.healthy())
			return nil
		})
	})
	slices.SortStableFunc(kept, func(a, b cluster.Healthy) int { return b.At.Compare(a.At) })
	return kept, err
}
