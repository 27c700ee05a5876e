package rpcutil

import (
	"fmt"
	"time"

	"fleet/plugins/plugin"
)

// Bounds of one answer: thousands of hosts send one at a time, and each must fit into one message.
const (
	maxStatusDocuments = 32   // named; the rest is counted
	maxViewMembers     = 4096 // some 80 bytes each
)

// Standing is how a node stands in the mesh at one moment, as far as it knows.
type Standing struct {
	Protocol      int       // of jobs and replies
	Connected     string    // the broker it is connected to, host:port; "" without one
	Clients       int       // connections to its own broker; 0 without one
	Routes        []string  // ids of the nodes whose brokers its own has a route to
	Roster        uint64    // version in force
	Documents     []string  // "KIND/NAME VERSION HASH" of each signed document that it keeps, the roster first
	DocumentsHash string    // of all of them: equal on hosts that have the same
	Expires       time.Time // its certificate
	Renews        time.Time // when it begins to ask for the next one
	Trouble       []string  // what is wrong with it, a line each
	View          View      // whom it sees, without Members
}

// View is who is there, as one node sees it.
type View struct {
	Hash                string // over id and presence of all that are expected; equal where two nodes see the same
	Alive, Failed, Left int
	Members             []Seen // by id, without those that left
}

// Seen is one host.
type Seen struct{ ID, Name, Presence string }

func statusAction() plugin.Action {
	return plugin.Action{
		Name: "status", Description: "Tell how the node stands in the mesh; `fleet status` puts the answers together", Kind: plugin.Read,
		Outputs: append(aboutOutputs(),
			plugin.Output{Name: "protocol", Label: "Protocol", Description: "Version of jobs and replies"},
			plugin.Output{Name: "connected", Label: "Connected to", Description: "The broker it is connected to"},
			plugin.Output{Name: "clients", Label: "Clients", Description: "Connections to its own broker"},
			plugin.Output{Name: "routes", Label: "Routes", Description: "Ids of the nodes whose brokers its own has a route to"},
			plugin.Output{Name: "roster", Label: "Roster", Description: "Version of the roster in force"},
			plugin.Output{Name: "documents", Label: "Documents", Description: fmt.Sprintf("KIND/NAME VERSION HASH of its signed documents, at most %d", maxStatusDocuments)},
			plugin.Output{Name: "document_count", Label: "Documents kept", Description: "How many there are"},
			plugin.Output{Name: "documents_hash", Label: "Documents' hash", Description: "Equal on hosts that have the same documents"},
			plugin.Output{Name: "expires", Label: "Certificate until", Description: "When its certificate runs out (RFC 3339, UTC)"},
			plugin.Output{Name: "renews", Label: "Renews from", Description: "When it begins to ask for the next one (RFC 3339, UTC)"},
			plugin.Output{Name: "trouble", Label: "Trouble", Description: "What is wrong with it"},
			plugin.Output{Name: "view", Label: "View", Description: "A hash over whom it sees alive and failed; hosts that see the same have the same"},
			plugin.Output{Name: "alive", Label: "Alive", Description: "Hosts that it sees alive"},
			plugin.Output{Name: "failed", Label: "Failed", Description: "Hosts that it sees failed"},
			plugin.Output{Name: "left", Label: "Left", Description: "Hosts that left"},
		),
		Summaries: []plugin.Summary{{Output: "version", By: plugin.CountValues}, {Output: "roster", By: plugin.CountValues}, {Output: "view", By: plugin.CountValues}},
	}
}

func viewAction() plugin.Action {
	return plugin.Action{
		Name: "view", Description: "Tell whom the node sees: alive or failed, not those that left", Kind: plugin.Read,
		Outputs: []plugin.Output{
			{Name: "view", Label: "View", Description: "A hash over all of them"},
			{Name: "members", Label: "Members", Description: fmt.Sprintf("ID NAME PRESENCE of each, at most %d", maxViewMembers)},
			{Name: "more", Label: "More", Description: "How many more there are"},
		},
	}
}

func (p *Plugin) status() plugin.Result {
	s := p.host.Standing()
	data := p.about()
	data["protocol"], data["connected"], data["clients"], data["routes"] = int64(s.Protocol), s.Connected, int64(s.Clients), texts(s.Routes)
	data["roster"], data["document_count"] = int64(s.Roster), int64(len(s.Documents))
	data["documents_hash"] = s.DocumentsHash
	data["documents"] = texts(s.Documents[:min(len(s.Documents), maxStatusDocuments)])
	data["expires"], data["renews"], data["trouble"] = stamp(s.Expires), stamp(s.Renews), texts(s.Trouble)
	data["view"], data["alive"], data["failed"], data["left"] = s.View.Hash, int64(s.View.Alive), int64(s.View.Failed), int64(s.View.Left)
	message := fmt.Sprintf("fleet %s, roster version %d, sees %d alive and %d failed", p.host.Version(), s.Roster, s.View.Alive, s.View.Failed)
	for _, t := range s.Trouble {
		message += "; " + t
	}
	return ok(message, data)
}

func (p *Plugin) view() plugin.Result {
	v := p.host.View()
	shown := v.Members[:min(len(v.Members), maxViewMembers)]
	list := make([]string, len(shown))
	for i, m := range shown {
		list[i] = m.ID + " " + m.Name + " " + m.Presence
	}
	return ok(fmt.Sprintf("%d alive, %d failed", v.Alive, v.Failed), map[string]any{"view": v.Hash, "members": texts(list), "more": int64(len(v.Members) - len(shown))})
}
