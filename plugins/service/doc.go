// Package service is the plugin that inspects and controls services: systemd units, OpenRC services, SysV scripts.
//
// The guarantees of the actions are implemented once, in service.go. A service already in the requested state is
// Unchanged. One that does not exist on this host is Skipped, with the nearest names. A restart counts only if the
// service is up afterwards and is not the old process any more. Below service.go each init system is a manager of four
// methods that only inspects and acts: systemd.go (D-Bus, through the small bus interface in bus.go), openrc.go
// (rc-service, rc-update) and sysv.go (/etc/init.d and the rcN.d links). The manager is chosen again at each call,
// because that costs one look at /run.
//
// What a person types may be another name of the unit: an alias, or its name with the escapes of systemd-escape resolved
// (unitname.go). After the first look everything is done by the unit's own name, since disabling removes aliases.
//
// Old scripts end with 0 whatever they say, so their words count (words.go): one that denies is stopped, and one that
// says both is unknown. Never is it running, for then start would leave it down.
//
// Rules of policy are about the unit too, whatever it is called (spellings.go).
//
// One contract suite (contract_test.go) tests all managers. With the build tag "labhost" it also runs against the real
// init system of a throwaway host (lab_test.go).
//
// systemd considers a service of Type=simple started as soon as its process exists. For the action to be ok the process
// must still exist 200 ms later; if it dies after that, only the next status reports it.
package service
