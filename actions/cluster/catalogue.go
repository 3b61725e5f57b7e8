package cluster

import (
	"fmt"

	"irisops/actions"
)

// Actions are all that can be looked at and done: the one list.
func (c *Cluster) Actions() []actions.Action {
	return []actions.Action{
		c.diagnose(),
		c.logs(),
		c.mnesia(),
		c.messagesSize(),
		c.messagesShow(),
		c.messagesExports(),
		c.messagesExport(),
		c.messagesClear(),
		c.messagesRestore(),
		c.messagesRedeliver(),
		c.backupNow(),
		c.backupList(),
		c.backupVerify(),
		c.backupRestorePlan(),
		c.presenceUser(),
		c.presenceSize(),
		c.verify(),
		c.startAction(),
		c.stopAction(),
		c.restartAction(),
		c.recoverAction(),
		c.meshAction(),
		c.splitAction(),
		c.gcAction(),
		c.tuneAction(),
	}
}

func (c *Cluster) startAction() actions.Action {
	return actions.Action{
		Name:    "start",
		Summary: "Start nodes that do not run, and wait until they serve",
		Example: "start " + c.anyNode(EdgeRole),
		Long: `For each node: renames its log, runs its make target, waits until the node answers and its application runs (a core: until its tables are loaded; an edge: until its port is open), connects edges and cores, and logs a probe in on each edge. Each step is verified. Cores start first and all together. A node that runs already is left as it is.

Runbook: docs/runbooks/failover.md, "Single Edge Node Failure", "Single Core Node Failure". Where this differs:
- The start truncates the node's log, so it is renamed first (--no-archive leaves that out).
- The runbook sleeps 10 seconds for Mnesia; here its tables are asked for until they are loaded.
- IRIS waits 30 s for the tables of other cores and then loads what it has, so that a core started before the one that stopped last undoes that one's writes, with no trace. Before any core starts, folder, size and newest write of every core's data and logs are shown. The core that stopped last starts first, or all that do not run start together, which is right in any order. Where the order is wrong or not known, nothing starts until a person says --first CORE; against what is known that needs a second person.
- A core whose Mnesia folder is missing or empty would silently become a new, empty database: refused, unless --new CORE says that this is its first start.
- make recompiles changed sources and takes config/test unless make_vars says otherwise. What would run is shown first.`,
		Params: []actions.Param{c.targetParam(), noArchive, c.firstParam(), c.newParam()},
		Plan:   c.operate(opStart),
	}
}

func (c *Cluster) stopAction() actions.Action {
	return actions.Action{
		Name:    "stop",
		Summary: "Stop nodes one by one, by exact process",
		Example: "stop " + c.anyNode(EdgeRole),
		Long: `For each node, edges first: init:stop() by rpc, and if the process stays, SIGTERM, then SIGKILL to exactly that process. A process held by SIGSTOP gets SIGKILL at once.

The runbook's make stop is pkill -f "beam.smp.*iris_": it ends every IRIS node on the host, of other clusters too; killall -9 beam.smp ends other people's Erlang as well. irisops calls neither.
Stopping the last live core, or more than half of the live edges, needs a second person.`,
		Params: []actions.Param{c.targetParam()},
		Plan:   c.operate(opStop),
	}
}

func (c *Cluster) restartAction() actions.Action {
	return actions.Action{
		Name:    "restart",
		Summary: "Stop nodes, start them, and verify that they serve",
		Example: "restart " + c.anyNode(EdgeRole),
		Long: `Stops as stop does and starts as start does: edges stop first, cores start first. A node that does not run is only started. The make target is looked up before anything is stopped.

Runbook: docs/runbooks/incident-response.md, "Attempt restart" (make stop; sleep 5; make start). There, make start is the core and edge1 only, and make stop hits every IRIS node on the host; here it is exactly the nodes you name.
Restarting the last live core, or more than half of the live edges, needs a second person.`,
		Params: []actions.Param{c.targetParam(), noArchive, c.firstParam(), c.newParam()},
		Plan:   c.operate(opRestart),
	}
}

func (c *Cluster) targetParam() actions.Param {
	return actions.Param{Name: "target", Kind: actions.Target, Doc: fmt.Sprintf("a node (%s), a role (core, edge), or all", c.choices()), Example: c.anyNode(EdgeRole)}
}

var noArchive = actions.Param{Name: "no-archive", Kind: actions.Bool, Flag: true,
	Doc: "do not rename the log first: the start then truncates it"}

func (c *Cluster) firstParam() actions.Param {
	return actions.Param{Name: "first", Kind: actions.Node, Flag: true, Example: c.anyNode(CoreRole),
		Doc: "the core whose data are the right ones: it starts first, whatever its age"}
}

func (c *Cluster) newParam() actions.Param {
	return actions.Param{Name: "new", Kind: actions.Target, Flag: true, Example: c.anyNode(CoreRole),
		Doc: "cores that start for the first time: they may have no data"}
}
