package gate

import (
	"fmt"

	"fleet/job"
	"fleet/plugins/plugin"
)

// differs says how this host's action differs from the one that the job's signer knew, or "". What the signer looked up, confirmed and
// had planned is only then what runs. badArgs is what this host's declaration says against the arguments, or nil.
func (g *Gate) differs(j job.Job, action plugin.Action, badArgs error) string {
	meaning, err := action.Meaning(j.Args)
	here, name := action.Kind == plugin.Change, j.Plugin+"."+j.Action
	how := ""
	switch {
	case err != nil:
		return err.Error()
	case j.Declared.Change != here:
		how = fmt.Sprintf("%s takes %s for a %s, the job's signer for a %s", g.Self().Name, name, kindOf(here), kindOf(j.Declared.Change))
	case j.Declared.Meaning != meaning && badArgs != nil:
		how = fmt.Sprintf("%s has another %s than the job's signer (%v)", g.Self().Name, name, badArgs)
	case j.Declared.Meaning != meaning:
		how = fmt.Sprintf("%s has another %s than the job's signer, with other inputs, checks or defaults", g.Self().Name, name)
	default:
		return ""
	}
	return how + ": its plugin is of another version; upgrade fleet on the older of the two machines"
}

func kindOf(change bool) plugin.Kind {
	if change {
		return plugin.Change
	}
	return plugin.Read
}
