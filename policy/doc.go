// Package policy answers a question: may this admin run this action with these arguments on this host, now?
//
// Two documents decide. The roster, signed by the root key, says what each role allows, on hosts with which attested
// labels. The host's own file (/etc/fleet/policy.toml) takes precedence and may allow more or less: its first rule that
// matches wins; if none matches, its default is to defer to the roster, or to deny. What neither allows is denied, and
// every answer names the line that decided. Arguments are compared by what the plugin would act on (args.go).
//
// It answers a second one, by the roster alone: may this admin let hosts in with such a token (Token)?
//
// A host file with one bad line is refused as a whole, with file and line. Until it is corrected, the host refuses
// changes rather than guess what was meant; reads are decided by the roster.
package policy
