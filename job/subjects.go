package job

import (
	"strings"

	"fleet/identity"
)

// The subjects. What each certificate may do with them is in broker/permissions.go.
//
//	fleet.job.all                      jobs for whoever matches        admins publish, nodes subscribe
//	fleet.job.node.NODE                jobs for one node               admins publish, that node subscribes
//	fleet.reply.NODE.ADMIN.JOB         replies                         that node publishes, that admin subscribes
//	fleet.members                      who is there?                   admins ask, brokers' nodes answer
//	fleet.probe                        do these hosts answer you?      admins ask, brokers' nodes answer
//	fleet.probe.NODE                   are you there?                  admins publish, that node subscribes
//	fleet.join.TOKEN                   may I come in?                  the token's holder asks, peers answer
//	fleet.renew.NODE                   a fresh certificate, please     that node asks, peers answer
//	fleet.leave.NODE                   I stop, in order                that node publishes, peers subscribe
//	fleet.presence.NODE                who is connected to my broker   that peer publishes, peers subscribe
//	fleet.mesh                         which brokers, which documents? nodes that do not gossip ask, brokers' nodes answer
//	fleet.mesh.new                     the same, where it has changed  brokers' nodes publish, nodes that do not gossip subscribe
//	fleet.doc.get                      replicated documents, please    nodes and admins ask, brokers' nodes answer
//	fleet.doc.offer                    a version that a broker's node lacks  nodes publish, brokers' nodes subscribe
//	fleet.doc.put                      here is a new version           admins publish, brokers' nodes subscribe
//	fleet.doc.new                      there is a new version          brokers' nodes publish, nodes subscribe
//	fleet.wait.get                     a job that waits, please        admins ask, brokers' nodes answer
//	fleet.wait.put                     this job waits for approval     admins publish, brokers' nodes subscribe
//	fleet.wait.new                     the same, among brokers' nodes  they publish and subscribe
const (
	AllSubject      = "fleet.job.all"
	MembersSubject  = "fleet.members"
	ProbeSubject    = "fleet.probe"
	MeshSubject     = "fleet.mesh"
	MeshNewSubject  = "fleet.mesh.new"
	DocGetSubject   = "fleet.doc.get"
	DocPutSubject   = "fleet.doc.put"
	DocNewSubject   = "fleet.doc.new"
	DocOfferSubject = "fleet.doc.offer"
	WaitGetSubject  = "fleet.wait.get"
	WaitPutSubject  = "fleet.wait.put"
	WaitNewSubject  = "fleet.wait.new"
)

// NodeSubject is where jobs for one node go.
func NodeSubject(node identity.ID) string { return "fleet.job.node." + string(node) }

// ReplySubject is where a node answers an admin's job.
func ReplySubject(node, admin identity.ID, jobID string) string {
	return strings.Join([]string{"fleet.reply", string(node), string(admin), jobID}, ".")
}

// RepliesSubject is where an admin listens for all replies to one job; jobID may be "*".
func RepliesSubject(admin identity.ID, jobID string) string {
	return strings.Join([]string{"fleet.reply", "*", string(admin), jobID}, ".")
}

// NodeReplies is what a node may publish under.
func NodeReplies(node identity.ID) string { return "fleet.reply." + string(node) + ".>" }

// NodeProbeSubject is where a node is asked whether it is there, and ProbedSubject where it answers; node may be "*" there.
func NodeProbeSubject(node identity.ID) string { return "fleet.probe." + string(node) }

func ProbedSubject(node, admin identity.ID) string { return ReplySubject(node, admin, "probe") }

// JoinSubject is where the holder of a token asks to be admitted.
func JoinSubject(token identity.ID) string { return "fleet.join." + string(token) }

// RenewSubject is where a node asks for a fresh certificate.
func RenewSubject(node identity.ID) string { return "fleet.renew." + string(node) }

// LeaveSubject is where a node says that it stops in order, just before it closes its connection.
func LeaveSubject(node identity.ID) string { return "fleet.leave." + string(node) }

// PresenceSubject is where a peer tells the others who is connected to its broker; see package node/presence.
func PresenceSubject(peer identity.ID) string { return "fleet.presence." + string(peer) }

// Inbox is the prefix under which the holder of a key receives answers to its requests, and nobody else does.
func Inbox(id identity.ID) string { return "_INBOX." + string(id) }
