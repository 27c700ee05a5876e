package node

import (
	"fmt"

	"fleet/plugins/answers"
	"fleet/plugins/plugin"
)

// Bounds of one answer: thousands of hosts send one at a time, and each must fit into one message.
const (
	maxStatusDocuments = 32   // named; the rest is counted
	maxViewMembers     = 4096 // some 110 bytes each
)

func statusAction() plugin.Action {
	return plugin.Action{
		Name: "status", Description: "Report how the node does in the mesh; `fleet status` combines the answers", Kind: plugin.Read,
		Outputs:   answers.Outputs[answers.Status](),
		Summaries: []plugin.Summary{{Output: "version", By: plugin.CountValues}, {Output: "roster", By: plugin.CountValues}, {Output: "view", By: plugin.CountValues}},
	}
}

func viewAction() plugin.Action {
	return plugin.Action{
		Name: "view", Description: "Report whom the node sees: alive or failed, not those that left", Kind: plugin.Read,
		Outputs: answers.Outputs[answers.View](),
	}
}

func (p Plugin) status() plugin.Result {
	s := p.host.Status()
	s.DocumentCount = int64(len(s.Documents))
	s.Documents = s.Documents[:min(len(s.Documents), maxStatusDocuments)]
	message := fmt.Sprintf("fleet %s, roster version %d, sees %d alive and %d failed", s.Version, s.Roster, s.Alive, s.Failed)
	for _, t := range s.Trouble {
		message += "; " + t
	}
	return answers.OK(message, s)
}

func (p Plugin) view() plugin.Result {
	v := p.mesh.View()
	all := len(v.Members)
	v.Members = v.Members[:min(all, maxViewMembers)]
	v.More = int64(all - len(v.Members))
	return answers.OK(fmt.Sprintf("%d alive, %d failed", v.Alive, v.Failed), v)
}
