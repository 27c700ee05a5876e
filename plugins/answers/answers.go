package answers

import (
	"cmp"
	"fmt"
	"strings"
)

// About is what every answer about a host begins with.
type About struct {
	Name    string `output:"name" label:"Name" says:"The host's name in the fleet"`
	ID      string `output:"id" label:"ID" says:"The node's identity"`
	Version string `output:"version" label:"Version" says:"Of fleet"`
	Kind    string `output:"kind" label:"Kind" says:"peer or member"`
	Broker  bool   `output:"broker" label:"Broker" says:"Whether it runs a broker"`
	Started Time   `output:"started" label:"Started" says:"When the node started (RFC 3339, UTC)"`
	Uptime  int64  `output:"uptime" label:"Uptime" says:"Seconds since then"`
	// The name in the certificate counts.
	Configured string `output:"configured,optional" label:"Configured name" says:"The name its config or the machine has for it, only if that is not its name in the fleet"`
}

// Inventory is all there is to say about a host.
type Inventory struct {
	About
	Facts    map[string]any    `output:"facts" label:"Facts" says:"All facts"`
	Taken    Time              `output:"taken" label:"Facts collected" says:"When the facts were collected (RFC 3339, UTC)"`
	Problems []Problem         `output:"problems" label:"Problems" says:"Custom facts that could not be read: file and error of each"`
	Classes  []string          `output:"classes" label:"Classes" says:"The classes configuration management gave it"`
	Labels   map[string]string `output:"labels" label:"Labels" says:"What admins say of it: the labels of its token, or newer ones"`
	Plugins  []string          `output:"plugins" label:"Plugins" says:"The names of its plugins"`
	Stats    map[string]int64  `output:"stats" label:"Statistics" says:"Counters since the node started"`
}

// Problem is a custom fact, or another source of facts, that could not be read.
type Problem struct {
	File  string `output:"file"`
	Error string `output:"error"`
}

// Names say of facts and classes which there are, and what others are called like those that are missing.
type Names struct {
	Facts   map[string][]string `output:"facts" label:"Facts" says:"By name: the name itself where the fact exists, else similar names of facts"`
	Classes map[string][]string `output:"classes" label:"Classes" says:"The same for classes"`
}

// Statistics are what a node counts.
type Statistics struct {
	About
	Stats map[string]int64 `output:"stats" label:"Statistics" says:"Counters since the node started"`
}

// Status is how a node does in the mesh, as far as it knows.
type Status struct {
	About
	Protocol      int64      `output:"protocol" label:"Protocol" says:"Version of jobs and replies"`
	Connected     string     `output:"connected" label:"Connected to" says:"The broker it is connected to, host:port; empty without one"`
	Clients       int64      `output:"clients" label:"Clients" says:"Connections to its own broker"`
	Routes        []string   `output:"routes" label:"Routes" says:"Ids of the nodes whose brokers its own has a route to"`
	Roster        uint64     `output:"roster" label:"Roster" says:"Version of the roster in force"`
	Documents     []Document `output:"documents" label:"Documents" says:"Name, version and hash of its signed documents, the roster first; not all if there are many"`
	DocumentCount int64      `output:"document_count" label:"Documents stored" says:"How many there are"`
	DocumentsHash string     `output:"documents_hash" label:"Documents' hash" says:"Equal on hosts that have the same documents"`
	Expires       Time       `output:"expires" label:"Certificate until" says:"When its certificate expires (RFC 3339, UTC)"`
	Renews        Time       `output:"renews" label:"Renews from" says:"When it begins to ask for the next one (RFC 3339, UTC)"`
	Trouble       []string   `output:"trouble" label:"Trouble" says:"What is wrong with it"`
	ViewSummary
}

// ViewSummary is whom a node sees, in short.
type ViewSummary struct {
	ViewHash string `output:"view" label:"View" says:"A hash over the hosts it sees alive and failed; equal on hosts that see the same"`
	Alive    int64  `output:"alive" label:"Alive" says:"Hosts that it sees alive"`
	Failed   int64  `output:"failed" label:"Failed" says:"Hosts that it sees failed"`
	Left     int64  `output:"left" label:"Left" says:"Hosts that left"`
}

// Document is one version of a signed document.
type Document struct {
	Name    string `output:"name" json:"name"` // KIND/NAME
	Version uint64 `output:"version" json:"version"`
	Hash    string `output:"hash" json:"hash"` // the first four bytes, in hex
}

func (d Document) String() string {
	if d.Version == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", d.Version, d.Hash)
}

// Beats is the order by which all hosts keep the same version: the number, then the hash.
func (d Document) Beats(o Document) bool {
	return cmp.Or(cmp.Compare(d.Version, o.Version), strings.Compare(d.Hash, o.Hash)) > 0
}

// View is whom a node sees.
type View struct {
	ViewSummary
	Members []Seen `output:"members" label:"Members" says:"Id, name and presence of each that did not leave, by id; not all if there are very many"`
	More    int64  `output:"more" label:"More" says:"How many more there are"`
}

// Seen is one host in a View.
type Seen struct {
	ID       string `output:"id"`
	Name     string `output:"name"`
	Presence string `output:"presence"`
}

// Decision is what a node would decide about a job.
type Decision struct {
	Allowed bool   `output:"allowed" label:"Allowed" says:"Whether it would run"`
	Waits   bool   `output:"waits" label:"Waits" says:"Whether it would wait for a second admin's signature"`
	By      string `output:"by" label:"By" says:"The line that decides: a rule of a role, or a line of the host's policy file"`
	But     string `output:"but" label:"But" says:"Why it would not run although policy allows it"`
}

// AuditPage is lines of a node's audit.
type AuditPage struct {
	Lines []string `output:"lines" label:"Lines" says:"The lines exactly as in the file, oldest first"`
	More  bool     `output:"more" label:"More" says:"Whether older lines match too"`
	Seq   uint64   `output:"seq" label:"Seq" says:"The number of the audit's newest line; note it elsewhere to be able to notice a cut"`
	Hash  string   `output:"hash" label:"Hash" says:"The SHA-256 of that line"`
}

// Job is what a host knows of a job. Of a read only the answer is kept.
type Job struct {
	ID      string         `output:"id" label:"Job" says:"The job's id"`
	Plan    string         `output:"plan,optional" label:"Plan" says:"Of which change it is a portion, if of one in several jobs"`
	Part    int64          `output:"part,optional" label:"Portion" says:"Which portion, from 0"`
	Parts   int64          `output:"parts,optional" label:"Portions" says:"Of how many"`
	State   string         `output:"state" label:"State" says:"How it ended; running; lost, where the node ended before it did; cancelled, where it was stopped before it came"`
	Signer  string         `output:"signer,optional" label:"Signer" says:"Who signed it, by name; not known of reads"`
	Reason  string         `output:"reason,optional" label:"Reason" says:"Why, in the signer's words"`
	Plugin  string         `output:"plugin,optional" label:"Plugin" says:"What it asked for; not known of reads"`
	Action  string         `output:"action,optional" label:"Action" says:"The same"`
	Args    map[string]any `output:"args,optional" label:"Arguments" says:"The same, without secrets"`
	Came    Time           `output:"came,optional" label:"Came" says:"When it came (RFC 3339, UTC)"`
	Ended   Time           `output:"ended,optional" label:"Ended" says:"When it ended"`
	Message string         `output:"message,optional" label:"Message" says:"What it answered"`
	Data    map[string]any `output:"data,optional" label:"Data" says:"Its outputs"`
	Kept    bool           `output:"kept,optional" label:"Kept" says:"Whether the answer is still there; how it ended is known for longer"`
	Targets []string       `output:"targets,optional" label:"Targets" says:"The ids of some of the hosts that the job names, others on each host; none where it was for all that matched"`
	Total   int64          `output:"total,optional" label:"Total" says:"How many hosts the job names, or its plan"`
}

// Jobs are the newest changes of a host.
type Jobs struct {
	Jobs []Job `output:"jobs" label:"Jobs" says:"Each as show tells it, without message, data and targets"`
}

// Output is a piece of what an action printed.
type Output struct {
	Text    string `output:"text" label:"Text" says:"The piece; if there is more, it ends with a line"`
	Next    int64  `output:"next" label:"Next" says:"The offset of the next piece"`
	Size    int64  `output:"size" label:"Size" says:"How much there is now, in bytes"`
	Running bool   `output:"running" label:"Running" says:"Whether there may be more later"`
}
