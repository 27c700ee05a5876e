// Package version compares versions the way the package manager of their host does.
//
// dpkg, rpm, apk and pacman order the same two versions differently: 1.0_rc1 is a release candidate to apk and newer
// than 1.0 to dpkg; 5.14.0-362.el9 is older than 5.14.0-362.8.1.el9 to rpm and newer to dpkg. Comparing by the wrong
// order calls an unpatched host patched. So every comparison in fleet names its Order, and this is the only package that
// compares versions:
//
//	order.go    which order a host or a package manager has; Compare, and its two forms for filters
//	debian.go   dpkg's order (deb-version(7))
//	rpm.go      rpm's order, and pacman's, which began as rpm's
//	alpine.go   apk's order (apk-package(5))
//
// testdata holds pairs with the verdict of the tool itself; live_test.go asks the installed tools about random pairs.
// Alpine's tool is in no Debian, so its pairs follow the documented rules.
//
// The package is pure: no files, no programs, and nothing that a long or strange text could make slow.
package version
