package cluster

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

const (
	mostExported = 256 << 20 // bytes of one user's records that are handled in one go
	atATime      = 2 << 20   // bytes of records in one reply
	batchBytes   = 512 << 10 // bytes of records in one request, which comes back with its answer
)

// holding is a user's records, read to the byte from one core.
type holding struct {
	Export
	v     *visit
	count int64 // the user's buckets
	later int64 // records newer than what was asked for
	notes []string
}

// bounds say which records are meant: those that were there when the plan was
// made, and none that came later.
type bounds struct {
	user  string
	deep  bool
	until int64 // ms; -1: all
}

// The parameters that a plan about records binds beside what was typed.
const (
	boundExport  = "export"  // the id of the export
	boundUntil   = "until"   // the time of the newest record meant
	boundRecords = "records" // how many there are
	boundSum     = "sha256"  // of exactly these
)

func boundsOf(args actions.Args) (bounds, error) {
	b := bounds{user: args["user"], deep: args["deep"] == "true", until: -1}
	if s := args[boundUntil]; s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return b, fmt.Errorf("%q is no time: %w", s, err)
		}
		b.until = n
	}
	return b, nil
}

// hold reads the records on the first core that can be asked.
func (c *Cluster) hold(ctx context.Context, b bounds) (holding, error) {
	v, err := c.keeper(ctx)
	if err != nil {
		return holding{}, err
	}
	return v.hold(ctx, b)
}

func (v *visit) hold(ctx context.Context, b bounds) (holding, error) {
	c := v.c
	h := holding{v: v, Export: Export{Cluster: c.Name, User: b.user, Node: v.n.Short}}
	fail := func(err error) error {
		return c.failure(err, "Say `diagnose messages`.", "The messages of %s cannot be read on %s: %s", spokenUser(b.user), v.n.Short, c.mask.err(err))
	}
	name := []byte(b.user)
	var err error
	h.count, err = v.numberAgain(ctx, "iris_core", "get_bucket_count", name)
	if actions.CodeOf(err) == actions.CodeUndef {
		h.count, err = literalBuckets, nil
		h.notes = append(h.notes, fmt.Sprintf("This IRIS has no bucket counts: %d buckets are looked at.", literalBuckets))
	}
	if err != nil {
		return h, fail(err)
	}
	last := max(h.count, literalBuckets)
	if last > mostBuckets {
		return h, actions.Errorf(actions.CodeTooLarge, "%s has %d buckets; at most %d are handled.", spokenUser(b.user), last, mostBuckets)
	}
	numbers := make([]int64, last)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	if b.deep {
		more, err := v.strays(ctx, name, last)
		if err != nil {
			return h, fail(err)
		}
		if len(more) > mostStrays {
			return h, actions.Errorf(actions.CodeTooLarge, "Messages of %s lie in more than %d buckets beyond %d; at most so many are handled.", spokenUser(b.user), mostStrays, last-1)
		}
		numbers = append(numbers, more...)
	}
	var records []record
	size := 0
	for _, i := range numbers {
		some, later, err := v.sealed(ctx, b.user, i, b.until, mostExported-size)
		if err != nil {
			if actions.CodeOf(err) == actions.CodeTooLarge {
				return h, err
			}
			return h, fail(err)
		}
		for _, r := range some {
			size += len(r.raw)
		}
		records, h.later = append(records, some...), h.later+later
	}
	h.Export = h.with(records)
	return h, nil
}

// sealed reads one bucket: what is no newer than until, and how much is. It
// comes in pieces; if the bucket changes in between it is read again.
func (v *visit) sealed(ctx context.Context, user string, bucket, until int64, room int) ([]record, int64, error) {
	head := term.Tuple{anything, term.Tuple{[]byte(user), bucket}, anything, anything}
	if n, err := v.numberAgain(ctx, "ets", "select_count", term.Atom("offline_msg"), pattern(head, term.List{})); err != nil || n == 0 {
		return nil, 0, err
	}
	for range 10 {
		records, later, same, err := v.sealedOnce(ctx, user, bucket, until, room)
		if err != nil || same {
			return records, later, err
		}
	}
	return nil, 0, actions.Errorf("changing", "Bucket %d of %s changes faster than it can be read.", bucket, spokenUser(user))
}

func (v *visit) sealedOnce(ctx context.Context, user string, bucket, until int64, room int) (records []record, later int64, same bool, err error) {
	var print []byte
	for {
		t, err := v.c.eval(ctx, v.n.Name, sealed, binding{"User", []byte(user)}, binding{"Bucket", bucket}, binding{"Until", until},
			binding{"From", len(records) + 1}, binding{"Most", atATime})
		if err != nil {
			return nil, 0, false, err
		}
		reply, ok := t.(term.Tuple) // {Records, Bytes, Later, Print, [Binary]}
		if !ok || len(reply) != 5 {
			return nil, 0, false, unexpected(t)
		}
		n, ok1 := term.AsInt(reply[0])
		size, ok2 := term.AsInt(reply[1])
		after, ok3 := term.AsInt(reply[2])
		now, ok4 := reply[3].([]byte)
		part, ok5 := reply[4].(term.List)
		if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
			return nil, 0, false, unexpected(t)
		}
		if size > int64(room) {
			return nil, 0, false, actions.Errorf(actions.CodeTooLarge, "%s has more than %d MiB of messages; so many are not handled in one go.", spokenUser(user), mostExported>>20)
		}
		if print != nil && !bytes.Equal(print, now) {
			return nil, 0, false, nil
		}
		print, later = now, after
		for _, e := range part {
			raw, ok := e.([]byte)
			if !ok {
				return nil, 0, false, unexpected(e)
			}
			r, err := readRecord(raw, user)
			if err != nil {
				return nil, 0, false, actions.Errorf(actions.CodeBadRPC, "Record %d of bucket %d cannot be read: %w.", len(records)+1, bucket, err)
			}
			records = append(records, r)
		}
		switch {
		case int64(len(records)) == n:
			return records, later, true, nil
		case len(part) == 0:
			return nil, 0, false, nil
		}
	}
}

// newest is the time of the newest record, or -1.
func (h holding) newest() int64 {
	newest := int64(-1)
	for _, r := range h.records {
		newest = max(newest, r.at)
	}
	return newest
}

// orphans are the records that no login reads.
func (h holding) orphans() (n int) {
	for _, r := range h.records {
		if r.bucket < 0 || r.bucket >= h.count {
			n++
		}
	}
	return n
}

// among are those of the records that are in the holding, in their order.
func (h holding) among(records []record) []record {
	there := map[string]bool{}
	for _, r := range h.records {
		there[string(r.raw)] = true
	}
	return slices.DeleteFunc(slices.Clone(records), func(r record) bool { return !there[string(r.raw)] })
}

// inTime is the order in which IRIS delivers.
func inTime(records []record) []record {
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b record) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return 0
	})
	return sorted
}

// batches are the records as lists of binaries that are small enough for one
// request each.
func batches(records []record) []term.List {
	var all []term.List
	size := 0
	for _, r := range records {
		if len(all) == 0 || size+len(r.raw) > batchBytes {
			all, size = append(all, nil), 0
		}
		all[len(all)-1] = append(all[len(all)-1], r.raw)
		size += len(r.raw)
	}
	return all
}

// apply has the core evaluate one of the two expressions that change records.
func (v *visit) apply(ctx context.Context, e expression, records []record) error {
	for _, batch := range batches(records) {
		one, cancel := context.WithTimeout(ctx, 6*v.c.opt.Call)
		t, err := v.c.eval(one, v.n.Name, e, binding{"Records", batch})
		cancel()
		if err != nil {
			return err
		}
		if t != int64(len(batch)) {
			return unexpected(t)
		}
	}
	return nil
}

// inStep looks whether what is changed on this core is changed on every other
// one that lives. Cores that are down are only named: they learn of it when they
// join again.
func (v *visit) inStep(ctx context.Context) (warnings []string, err error) {
	t, err := v.again(ctx, "mnesia", "table_info", term.Atom("offline_msg"), term.Atom("where_to_write"))
	if err != nil {
		return nil, v.c.failure(err, "Say `diagnose mnesia`.", "%s does not say where it writes messages: %s", v.n.Short, v.c.mask.err(err))
	}
	writes, err := atoms(t)
	if err != nil {
		return nil, err
	}
	for _, n := range v.c.ByRole(CoreRole) {
		if slices.Contains(writes, n.Name) {
			continue
		}
		other := v.c.visit(n)
		asking, cancel := context.WithTimeout(ctx, v.c.opt.Diagnose)
		err := other.answers(asking)
		there := false
		if err == nil {
			_, there, err = other.etsSize(asking, "offline_msg")
		}
		cancel()
		switch {
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("Warning: %s %s; it learns of the change when it joins %s again.", n.Short, v.c.silence(n, err), v.n.Short))
		case there:
			return nil, &actions.Error{Code: "split", Text: fmt.Sprintf("%s does not write to %s, though %s lives and holds messages too: the cores are split. Nothing was done.", v.n.Short, n.Short, n.Short),
				Hint: "Heal that first: `diagnose mnesia` shows it."}
		}
	}
	return warnings, nil
}

// span says when the records were written: "2026-03-01 01:15:00 to 03:15:00".
func (c *Cluster) span(records []record) string {
	var first, last int64
	for _, r := range records {
		if r.at > 0 && (first == 0 || r.at < first) {
			first = r.at
		}
		last = max(last, r.at)
	}
	if first == 0 {
		return "at no time that can be told"
	}
	return "from " + c.when(time.UnixMilli(first)) + " to " + c.when(time.UnixMilli(last))
}
