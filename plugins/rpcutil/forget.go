package rpcutil

import "fleet/plugins/plugin"

// forget drops a host that is gone from whom this one's node expects.
func (p *Plugin) forget(id string) plugin.Result {
	known, err := p.host.Forget(id)
	switch {
	case err != nil:
		return plugin.Failf("%v", err)
	case !known:
		return plugin.Result{State: plugin.Unchanged, Message: "not known here"}
	}
	return ok("forgotten", nil)
}
