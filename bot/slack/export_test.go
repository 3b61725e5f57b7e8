package slack

import "testing"

// Take has the room take up a post that stands in the outbox, as at its start.
func (r *Room) Take(t *testing.T, key string) {
	t.Helper()
	left, err := r.Outbox.PendingPosts()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range left {
		if p.Key == key {
			r.desk.add(p, false)
			return
		}
	}
	t.Fatalf("%s does not wait", key)
}
