package job

// newest is the version of the protocol that this release adds. The tests of mixed fleets build releases with another one.
const newest = 1
