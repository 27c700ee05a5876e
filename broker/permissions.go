package broker

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"fleet/identity"
	"fleet/job"
)

// permissions is what a principal may publish and subscribe to. What is not listed is refused, and logged, by the server.
//
//	node    hears jobs for all and for itself, probes, and news of documents and brokers; speaks under its own id only, also that it leaves
//	peer    also answers: who is there and who answers it, admissions, renewals, documents, jobs that wait for approval; tells other peers, under
//	        its own id, who is connected
//	admin   sends jobs, hears the replies to its own jobs, asks who is there and whether hosts answer, hands in documents and jobs that wait
//	joining asks for documents, to know the broker by them, and to be admitted with its own token; hears the answers
func permissions(p identity.Principal) *server.Permissions {
	switch {
	case p.Node != nil:
		return nodePermissions(*p.Node)
	case p.Admin != nil:
		id := p.Admin.Key.ID()
		return &server.Permissions{
			Publish: allow(job.AllSubject, job.NodeSubject("*"), job.MembersSubject, job.ProbeSubject, job.NodeProbeSubject("*"),
				job.DocGetSubject, job.DocPutSubject, job.WaitGetSubject, job.WaitPutSubject),
			Subscribe: allow(job.RepliesSubject(id, "*"), job.Inbox(id)+".>"),
		}
	case p.Token != nil:
		id := p.Token.ID()
		return &server.Permissions{Publish: allow(job.JoinSubject(id), job.DocGetSubject), Subscribe: allow(job.Inbox(id) + ".>")}
	}
	return &server.Permissions{Publish: deny(), Subscribe: deny()}
}

func nodePermissions(n identity.NodeIdentity) *server.Permissions {
	publish := []string{job.NodeReplies(n.ID), job.RenewSubject(n.ID), job.LeaveSubject(n.ID), job.DocGetSubject, job.DocOfferSubject, job.MeshSubject}
	subscribe := []string{job.AllSubject, job.NodeSubject(n.ID), job.NodeProbeSubject(n.ID), job.Inbox(n.ID) + ".>", job.DocNewSubject, job.MeshNewSubject}
	if n.Role != identity.Peer {
		return &server.Permissions{Publish: allow(publish...), Subscribe: allow(subscribe...)}
	}
	publish = append(publish, job.DocNewSubject, job.MeshNewSubject, job.WaitNewSubject, job.PresenceSubject(n.ID))
	subscribe = append(subscribe, job.MembersSubject, job.ProbeSubject, job.MeshSubject, job.JoinSubject("*"), job.RenewSubject("*"), job.DocGetSubject, job.DocPutSubject,
		job.DocOfferSubject, job.WaitGetSubject, job.WaitPutSubject, job.WaitNewSubject, job.PresenceSubject("*"), job.LeaveSubject("*"))
	return &server.Permissions{
		Publish: allow(publish...), Subscribe: allow(subscribe...),
		// One answer to each request that it got, to the inbox named there.
		Response: &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute},
	}
}

func allow(subjects ...string) *server.SubjectPermission {
	return &server.SubjectPermission{Allow: subjects}
}

func deny() *server.SubjectPermission { return &server.SubjectPermission{Deny: []string{">"}} }
