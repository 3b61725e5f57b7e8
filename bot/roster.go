package bot

import (
	"sync/atomic"
	"time"

	"irisops/bot/oncall"
)

// roster is the config's roster with the overrides that people have made since.
type roster struct {
	overrides atomic.Pointer[[]oncall.Override]
}

// keepOverrides is how long after its end an override is still shown.
const keepOverrides = 31 * 24 * time.Hour

// roster is who is on call, as it stands.
func (b *Bot) roster() oncall.Roster {
	r := b.OnCall
	if r.Zone == nil {
		r.Zone = b.Zone
	}
	if list := b.shown.overrides.Load(); list != nil {
		r.Overrides = append(r.Overrides[:len(r.Overrides):len(r.Overrides)], *list...)
	}
	return r
}

// readOverrides brings the roster up to date with the store.
func (b *Bot) readOverrides() error {
	list, err := b.Store.Overrides(nowUTC().Add(-keepOverrides))
	if err != nil {
		return err
	}
	b.shown.overrides.Store(&list)
	return nil
}
