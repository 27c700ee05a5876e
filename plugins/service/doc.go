// Package service is the plugin that looks at and steers services: systemd units, OpenRC services, SysV scripts.
//
// What the actions promise is decided once, in service.go: what is already there is Unchanged, what is not on this
// host is Skipped and comes with the nearest names, a restart counts only if the service is up afterwards and is not
// the old process any more. Below it each init system is a manager of four methods that only looks and acts:
// systemd.go (D-Bus, through the small bus interface in bus.go), openrc.go (rc-service, rc-update) and sysv.go
// (/etc/init.d and the rcN.d links). Which one is asked again at each call, since that costs one look at /run.
//
// One contract suite (contract_test.go) holds for all managers. With the build tag "lab" it also runs against the
// real init system of a throwaway host (lab_test.go).
//
// A service of Type=simple counts as started for systemd as soon as its process exists. It has to be there still
// 200 ms later for the action to be ok; if it dies after that, only the next status says so.
package service
