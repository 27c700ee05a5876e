// Package packages is the built-in plugin "package": what is installed on this host, and changing it, with the
// host's own package manager.
//
// The story of a call: Run picks the action, asks the manager what is there (query), does nothing if that is what is
// wanted, else lets the manager work and then looks again. What the host is afterwards, not the manager's exit code
// alone, decides the answer; so the rules of idempotency stand once, in packages.go, and hold for every manager.
//
//	declaration.go  what people and other programs see: actions, inputs, outputs, summaries, time limits
//	packages.go     the actions that look; the data function package('name')
//	change.go       the actions that change: install, update, uninstall, purge, refresh
//	manager.go      what those need of a package manager, and the values that pass between
//	apt.go dnf.go zypper.go pacman.go apk.go    one manager each: its argv and the parsers of its output
//	rpm.go          the queries that dnf, yum and zypper share
//	detect.go       which manager is this host's
//	exec.go         how programs are run: argv only, fixed environment, own process group, bounded output
//
// Rules that all managers keep: never a question, never a shell; configuration files that somebody edited stay as they
// are; install and update never remove another package where the manager can be told so; a package that is held (apt
// hold, zypper lock, pacman IgnorePkg, apk version pin) is not updated and the answer says so; a lock that another
// program holds is waited for until the context ends.
//
// Known limits: dnf and yum hide packages locked by their versionlock plugin, so such a package reads as up to date.
// pacman installs what its repositories have now, so another version than that cannot be asked for, and updating one
// package there is a partial upgrade, which Arch does not support. rpm and apk know no third state between installed
// and absent, so purge is uninstall there (with apk: --purge). apk's world pins the version that install was given.
// The environment of what runs is fixed, so a proxy has to stand in the manager's own configuration. checkupdates reads
// the lists as they are (dnf fetches them itself when they have expired). After the context's end Run returns when the
// manager has, at most stopGrace and the second look at the package later.
package packages
