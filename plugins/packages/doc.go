// Package packages is the built-in plugin "package": it inspects and changes what is installed on this host, with the
// host's own package manager.
//
// A call goes like this: Run picks the action and asks the manager what is installed (query). If that is what was
// requested, it does nothing; otherwise it lets the manager work and then looks again. The state of the host
// afterwards, not the manager's exit code alone, decides the answer. So the rules of idempotency are written once, in
// packages.go, and apply to every manager.
//
//	declaration.go  what people and other programs see: actions, inputs, outputs, summaries, time limits
//	packages.go     the actions that read; the data function package('name')
//	change.go       the actions that change: install, update, uninstall, purge, refresh
//	manager.go      what those need from a package manager, and the values that are exchanged
//	apt.go dnf.go zypper.go pacman.go apk.go    one manager each: its argv and the parsers of its output
//	aptlists.go     what apt's repositories have, phased updates, and what apt keeps back
//	dnfhold.go      what versionlock, exclude= and modules hide from dnf and yum
//	yum.go          yum's tables, since it has no repoquery
//	rpm.go          the queries that dnf, yum and zypper share
//	spellings.go    which names mean the same package, for rules of policy
//	rows.go         which lines of a program's output are rows
//	detect.go       which manager this host uses
//	exec.go         how programs are run: argv only, fixed environment, own process group, bounded output
//
// Rules for all managers: never a question, never a shell. Configuration files that a person edited stay as they are.
// Install and update never remove another package, if the manager has an option for that. A lock that another program
// holds is waited for until the context ends. Versions compare in the manager's own order (internal/version).
//
// Update never calls a package up to date while there is something newer: what is held (apt-mark hold, apt's phased
// updates, versionlock, exclude= or a module stream of dnf, a zypper lock, pacman's IgnorePkg, a pin in apk's world) is
// skipped, and the answer names the reason and the version; so is what the manager does not take for a reason of its own.
//
// A line of output that is no row is passed over, whoever wrote it. Half a row is an error: a package that is lost
// unseen would be reported as absent or up to date.
//
// A name means this host's own architecture; name:arch (dpkg) and name.arch (rpm) mean another one. Of versions side by
// side, such as kernels, the newest comes first, all are in the answer, and filters see each.
//
// Known limits:
//
//   - pacman installs what its repositories have now, so no other version can be requested. Updating one package is a
//     partial upgrade, which Arch does not support.
//   - rpm and apk have no third state between installed and absent, so purge is uninstall there (with apk: --purge).
//     apk's world file pins the version that install was given.
//   - Programs run with a fixed environment, so a proxy has to be set in the manager's own configuration.
//   - checkupdates reads the package lists as they are (dnf fetches them itself when they have expired).
//   - After the end of the context, Run returns when the manager has, at most stopGrace and the second look at the
//     package later.
package packages
