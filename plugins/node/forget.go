package node

import "fleet/plugins/plugin"

func forgetAction() plugin.Action {
	return plugin.Action{
		Name: "forget", Description: "Stop expecting a host that is gone; what fleet forget asks of every host", Kind: plugin.Change,
		Inputs: []plugin.Input{{
			Name: "node", Prompt: "Node", Description: "the id of the one to forget", Type: plugin.String, Positional: true,
			Pattern: `[a-z2-7]{26}`,
		}},
	}
}

// forget drops a host that is gone from those this node expects.
func (p Plugin) forget(id string) plugin.Result {
	known, err := p.mesh.Forget(id)
	switch {
	case err != nil:
		return plugin.Failf("%v", err)
	case !known:
		return plugin.Result{State: plugin.Unchanged, Message: "not known here"}
	}
	return plugin.Result{State: plugin.OK, Message: "forgotten"}
}
