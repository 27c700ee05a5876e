// Package policy answers one question: may this admin run this action with these arguments on this host, now?
//
// Two texts decide. The roster, signed by the root, says what each role allows, on hosts with which attested labels. The
// host's own file (/etc/fleet/policy.toml) is looked at first and may allow more or less: its first rule that fits
// wins; where none fits, its default is to defer to the roster, or to deny. What neither allows is denied, and every
// answer names the line that gave it.
//
// A host file with one bad line is refused as a whole, with file and line. While it is, the host refuses changes rather
// than guess what was meant; questions are decided by the roster.
package policy
