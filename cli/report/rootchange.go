package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/identity"
)

// RootChange is what a holder of a root key is asked to sign: all that the signature covers, as the difference to what is in force.
type RootChange struct {
	Change  identity.Change
	InForce *identity.Roster       // as the fleet has it, with what is revoked; nil: it was not asked
	Counts  []identity.Hash        // of the documents that count now, as a new root would vouch for; nil: it was not asked
	Names   map[identity.ID]string // of hosts, as a broker says
}

// Text is the screen that the holder reads. No text of the change can be mistaken for another part of it: each stands in quotes.
func (r RootChange) Text() string {
	c := r.Change
	var b strings.Builder
	fmt.Fprintf(&b, "change for the root keys of the fleet %s (%s), root version %d, roster version %d (%s):\n",
		Quoted(c.Roster.Fleet), c.Root.Anchor().ID(), c.Root.Version(), c.Roster.Version, c.Roster.Hash.Short())
	for _, p := range c.Documents {
		if p.Roster != nil {
			section(&b, r.headOf(p.Document, fmt.Sprintf("roster version %d", p.Document.Version)), rosterChanges(c.Roster, *p.Roster))
			continue
		}
		section(&b, r.headOf(p.Document, "revocation, which nothing undoes"), r.revocations(p.Revocations))
	}
	if c.Replacement != nil {
		section(&b, "new root", r.newRoot())
	}
	section(&b, "signatures", r.signatures())
	return b.String()
}

func section(b *strings.Builder, head string, lines []string) {
	fmt.Fprintf(b, "  %s\n", Sanitise(head))
	for _, l := range lines {
		fmt.Fprintf(b, "    %s\n", Sanitise(l))
	}
}

func (r RootChange) headOf(d identity.Document, what string) string {
	return fmt.Sprintf("%s, made %s by %s, as the file says:", what, stampOf(d.Issued), Quoted(d.By))
}

// rosterChanges are all differences between two rosters but their number, history, maker and time.
func rosterChanges(before, after identity.Roster) (lines []string) {
	if before.Fleet != after.Fleet {
		lines = append(lines, fmt.Sprintf("! the fleet is called %s instead of %s", Quoted(after.Fleet), Quoted(before.Fleet)))
	}
	if before.Hosts != after.Hosts {
		lines = append(lines, fmt.Sprintf("! the fleet has %s instead of %s, for rules about a share of it", size(after.Hosts), size(before.Hosts)))
	}
	lines = append(lines, differences("admin", before.Admins, after.Admins, adminText)...)
	lines = append(lines, differences("rule of", rulesOf(before), rulesOf(after), func(text string) string { return text })...)
	lines = append(lines, differences("keeps", before.Kept, after.Kept, keptText)...)
	lines = append(lines, differences("shared keys", []identity.Keys{before.Keys}, []identity.Keys{after.Keys}, keysText)...)
	if len(lines) == 0 {
		return []string{"no difference but the number"}
	}
	return lines
}

func size(n uint32) string {
	if n == 0 {
		return "no stated size"
	}
	return plural(int(n), "host")
}

// differences are what is in one list and not in the other, by its text, and that the order is another one.
func differences[T any](what string, before, after []T, text func(T) string) (lines []string) {
	texts := func(list []T) (all []string) {
		for _, v := range list {
			all = append(all, text(v))
		}
		return all
	}
	old, now := texts(before), texts(after)
	for _, s := range missingFrom(now, old) {
		lines = append(lines, fmt.Sprintf("- %s %s", what, s))
	}
	for _, s := range missingFrom(old, now) {
		lines = append(lines, fmt.Sprintf("+ %s %s", what, s))
	}
	if len(lines) == 0 && !slices.Equal(old, now) {
		lines = append(lines, fmt.Sprintf("! %s: the same in another order", what))
	}
	return lines
}

// missingFrom are those of list that has lacks, each as often as it is missing.
func missingFrom(has, list []string) (missing []string) {
	count := map[string]int{}
	for _, s := range has {
		count[s]++
	}
	for _, s := range list {
		if count[s]--; count[s] < 0 {
			missing = append(missing, s)
		}
	}
	return missing
}

func adminText(a identity.AdminEntry) string {
	var roles []string
	for _, role := range a.Roles {
		roles = append(roles, Quoted(role))
	}
	return fmt.Sprintf("%s, key %s, roles: %s", Quoted(a.Name), a.Key, orNone(len(roles) > 0, strings.Join(roles, ", ")))
}

// rulesOf are the rules of all roles, and the roles that have none.
func rulesOf(r identity.Roster) (rules []string) {
	for _, role := range r.Roles {
		if len(role.Rules) == 0 {
			rules = append(rules, Quoted(role.Name)+": nothing")
		}
		for _, rule := range role.Rules {
			rules = append(rules, Quoted(role.Name)+": "+ruleText(rule))
		}
	}
	return rules
}

func ruleText(r identity.Rule) string {
	s := "allows " + Quoted(r.Action)
	for _, name := range sortedKeys(r.Args) {
		s += fmt.Sprintf(", with %s=%s", Quoted(name), Quoted(r.Args[name]))
	}
	if r.Hosts != "" {
		s += ", where the labels match " + Quoted(r.Hosts)
	}
	if r.From != 0 {
		s += ", from " + stampOf(time.Unix(r.From, 0))
	}
	if r.Until != 0 {
		s += ", until " + stampOf(time.Unix(r.Until, 0))
	}
	switch {
	case r.Second == 1:
		s += ", with a second admin's signature"
	case r.Second > 1:
		s += fmt.Sprintf(", with a second admin's signature above %d %% of the fleet", r.Second-1)
	}
	return s
}

func keptText(k identity.Kept) string {
	return fmt.Sprintf("%s, of the former admin %s (hash %x)", k.ID, Quoted(k.By), k.Record)
}

func keysText(k identity.Keys) string {
	s := fmt.Sprintf("issuing %s", k.Issuing)
	if k.Gossip != "" {
		s += fmt.Sprintf(", gossip %s", k.Gossip)
	}
	for _, id := range k.Older {
		s += fmt.Sprintf(", still accepted %s", id)
	}
	return s + fmt.Sprintf(", since %d", k.Since)
}

// revocations are those that are new, and how many are in force already: they are signed again with others, so that there are
// fewer documents.
func (r RootChange) revocations(list []identity.Revocation) (lines []string) {
	again := 0
	for _, v := range list {
		if r.InForce != nil {
			old, known := r.InForce.Revoked[v.ID]
			if known && old.What == v.What && old.Hosts == v.Hosts && old.Until.Equal(v.Until) && old.Key.Equal(v.Key) {
				again++
				continue
			}
		}
		lines = append(lines, "- "+r.revocation(v))
	}
	if again > 0 {
		lines = append(lines, fmt.Sprintf("%d more that are in force already", again))
	}
	return lines
}

func (r RootChange) revocation(v identity.Revocation) string {
	s := fmt.Sprintf("shuts out the %s %s", v.What, v.ID)
	if name := r.Names[v.ID]; name != "" {
		s += fmt.Sprintf(", which a broker calls %s", Quoted(name))
	}
	if i := slices.IndexFunc(r.Change.Roster.Admins, func(a identity.AdminEntry) bool { return a.Key.ID() == v.ID }); i >= 0 {
		s += ", who is " + Quoted(r.Change.Roster.Admins[i].Name)
	}
	if !v.Key.IsZero() {
		s += ", key " + v.Key.String()
	}
	if v.Hosts {
		s += ", with every host that joined with it"
	}
	if !v.Until.IsZero() {
		s += ", until " + stampOf(v.Until)
	}
	return s
}

// newRoot says who would be the root, and what would go on counting.
func (r RootChange) newRoot() (lines []string) {
	p := *r.Change.Replacement
	next, err := p.Root(r.Change.Root)
	if err != nil {
		return []string{"! " + err.Error()}
	}
	lines = append(lines, fmt.Sprintf("root version %d, made %s, as the file says; %d of these %d keys must sign from then on:", next.Version(), stampOf(next.Issued()), next.Threshold(), len(next.Keys())))
	for _, k := range next.Keys() {
		lines = append(lines, "+ "+k.String())
	}
	for _, k := range r.Change.Root.Keys() {
		if !slices.ContainsFunc(next.Keys(), k.Equal) {
			lines = append(lines, "- "+k.String()+" signs nothing any more")
		}
	}
	vouched := next.Vouched()
	lines = append(lines, fmt.Sprintf("it vouches for %s that were signed before, and what else was signed counts no more", plural(len(vouched), "document")))
	if r.Counts == nil {
		for _, h := range vouched {
			lines = append(lines, fmt.Sprintf("%x", h))
		}
		return lines
	}
	for _, h := range vouched {
		if !slices.Contains(r.Counts, h) {
			lines = append(lines, fmt.Sprintf("! %x is not known to count now", h))
		}
	}
	for _, h := range r.Counts {
		if !slices.Contains(vouched, h) {
			lines = append(lines, fmt.Sprintf("! %x, which counts now, would not any more", h))
		}
	}
	return lines
}

// signatures says who has signed, and how many are missing.
func (r RootChange) signatures() (lines []string) {
	keys, own := r.Change.Signed()
	missing, missingOwn := r.Change.Missing()
	lines = append(lines, fmt.Sprintf("%d of the %d root keys must sign; %s", r.Change.Root.Threshold(), len(r.Change.Root.Keys()), signedBy(keys, missing)))
	if r.Change.Replacement != nil {
		lines = append(lines, "and of the new ones; "+signedBy(own, missingOwn))
	}
	return lines
}

func signedBy(keys []identity.RootKey, missing int) string {
	var ids []string
	for _, k := range keys {
		ids = append(ids, string(k.ID()))
	}
	return fmt.Sprintf("signed by %s; missing: %d", orNone(len(ids) > 0, strings.Join(ids, ", ")), missing)
}
