package node

import (
	"fmt"
	"strings"
	"time"

	"fleet/identity"
	"fleet/internal/logkey"
	"fleet/job"
	"fleet/policy"
)

// admit answers one request to be admitted. The connection it came over has proven the token already; here it is
// proven again for exactly this request, since brokers only deliver.
func (n *Node) admit(raw []byte) []byte {
	now, roster := time.Now(), *n.roster.Load()
	req, who, record, err := identity.OpenJoinRequest(n.me.Root, roster, raw)
	if err != nil {
		n.log.Warn("dropped an admission request", logkey.Error, err)
		n.auditAdmission(identity.NodeIdentity{}, err)
		return identity.Refuse(err.Error())
	}
	log := n.log.With(logkey.Name, who.Name, logkey.Node, who.ID, logkey.Token, record.ID())
	// The networks of the token were checked by the broker that saw the connection.
	err = record.Usable(roster, now)
	if err == nil {
		err = policy.MayAdmit(roster, record, now)
	}
	if err == nil {
		err = n.nameIsFree(who.Name, who.ID)
	}
	if err != nil {
		log.Warn("admission refused", logkey.Error, err)
		n.auditAdmission(who, err)
		return identity.Refuse(err.Error())
	}
	if skew := req.Time.Sub(now).Abs(); skew > job.MaxSkew {
		log.Warn("the admitted host's clock is wrong; it refuses jobs until the clock is set", logkey.Skew, skew.Round(time.Second))
	}
	answer, err := n.admission(req, who, now)
	if err != nil {
		log.Error("admission failed", logkey.Error, err)
		n.auditAdmission(who, err)
		return identity.Refuse("this peer could not admit the host: " + err.Error())
	}
	log.Info("admitted a host", logkey.Role, who.Role)
	n.auditAdmission(who, nil)
	return answer
}

func (n *Node) admission(req identity.JoinRequest, who identity.NodeIdentity, now time.Time) ([]byte, error) {
	issuer := n.issuer()
	if issuer.Key.IsZero() {
		return nil, errNoIssuer
	}
	if n.roster.Load().Version == 0 {
		return nil, errNoRoster
	}
	chain, err := issuer.Issue(req.Statement, now)
	if err != nil {
		return nil, err
	}
	a := identity.Admission{Chain: chain, GossipKey: n.keys.gossip()[0], Gossip: n.mesh.Seeds(), Brokers: n.mesh.Brokers()}
	if who.Role == identity.Peer {
		a.Issuing = []byte(issuer.Key.Secret())
	}
	return req.Seal(a)
}

// nameIsFree refuses a name that another living key holds. A failed holder does not block its name: the host may have
// been installed anew.
func (n *Node) nameIsFree(name string, id identity.ID) error {
	for _, m := range n.mesh.Hosts() {
		if strings.EqualFold(m.Name, name) && m.Node != id && m.Presence == job.Alive {
			return fmt.Errorf("the name %q belongs to another living host (%s); give this host its own name (hostname, or --name)", name, m.Node)
		}
	}
	return nil
}
