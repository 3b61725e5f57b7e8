package bot

import (
	"fmt"
	"strings"
	"sync"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/message"
)

// cancels are the runs that somebody has called off while they are carried out.
// They are in memory only: after a crash nothing runs until a person decides.
type cancels struct {
	mu      sync.Mutex
	reasons map[uint64]string
}

func (c *cancels) set(run uint64, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = map[uint64]string{}
	}
	c.reasons[run] = reason
}

func (c *cancels) clear(run uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.reasons, run)
}

// of implements the engine's question.
func (c *cancels) of(run uint64) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason, ok := c.reasons[run]
	return reason, ok
}

// callOff has a run stop before its next step. What is done stays done.
func (c *call) callOff(run runbook.Run) error {
	if v := c.voter(); v.Person != run.By && !v.Approver {
		return c.notSettled(run, approval.ErrNotApprover, actions.Plan{})
	}
	reason := "called off by " + c.who.ID
	if why := strings.TrimSpace(c.args["reason"]); why != "" {
		reason += ": " + why
	}
	c.cancels.set(run.Number, reason)
	c.replyIn(run.Incident, message.Message{Level: message.Warn, Title: fmt.Sprintf("%s stops: the step under way finishes, and none starts after it.", run.ID()),
		Blocks: []message.Block{{Text: "What is done stays done. Its checklist says where it ended."}}})
	return nil
}
