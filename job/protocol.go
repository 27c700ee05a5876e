package job

import (
	"errors"
	"fmt"

	"fleet/internal/wire"
)

// The versions of jobs, replies and lists of hosts. A release sends Current, the version before its newest, and understands three, so
// that a fleet works while it is upgraded: whoever asks is understood one release back and one ahead, and nothing has to be
// negotiated before a job is sent. What is new in a version is used from the next release on. A reply, and a list of hosts,
// is of the version that it was asked for in.
const (
	Protocol = newest
	Current  = max(1, Protocol-1)
	Oldest   = max(1, Protocol-2)
)

// ErrVersion is wrapped by the errors about messages of a version that this release does not understand.
var ErrVersion = errors.New("the versions of fleet are incompatible")

// Understands reports whether a host understands what this release speaks, by the newest version of the release there; 0 is
// not known, and counts as yes.
func Understands(newest uint8) bool { return Incompatible(newest) == "" }

// Incompatible says why a host does not understand what this release sends, and which of the two to upgrade; "" is for one
// that does.
func Incompatible(newest uint8) string {
	switch {
	case newest == 0:
		return ""
	case newest < Current:
		return fmt.Sprintf("it understands jobs up to protocol %d, but this command uses %d: upgrade fleet on that host", newest, Current)
	case newest > Current+2:
		return fmt.Sprintf("it understands jobs from protocol %d on, but this command uses %d: upgrade fleet on this machine", newest-2, Current)
	}
	return ""
}

// checkVersion says which side is to be upgraded where a message is of a version that this release does not understand.
func checkVersion(what string, version uint8) error {
	switch {
	case version > Protocol:
		return fmt.Errorf("%w: %s uses protocol %d, but this machine understands only up to %d: upgrade fleet on this machine", ErrVersion, what, version, Protocol)
	case version < Oldest:
		return fmt.Errorf("%w: %s uses protocol %d, but this machine understands only %d and later: upgrade fleet on the sender", ErrVersion, what, version, Oldest)
	}
	return nil
}

// undecoded turns the error of a message that does not decode into that about its version, if that is the reason.
func undecoded(what string, raw []byte, err error) error {
	var m struct {
		Protocol uint8 `cbor:"1,keyasint"`
	}
	if wire.Peek(raw, &m) == nil {
		if other := checkVersion(what, m.Protocol); other != nil {
			return other
		}
	}
	return err
}
