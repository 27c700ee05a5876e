package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"fleet/internal/wire"
)

// Backup is an admin's home directory in one file, locked with a passphrase: there is no open one, since it may hold the root key.
type Backup struct {
	Fleet FleetID           `cbor:"1,keyasint"`
	Name  string            `cbor:"2,keyasint,omitempty"` // the fleet's, for people
	Made  time.Time         `cbor:"3,keyasint"`
	Files map[string][]byte `cbor:"4,keyasint"` // by name; keys as their files hold them, which may be locked once more
}

const backupPrefix = "fleet-backup1."

// Lock returns the text of the backup. It takes about half a second (see lockWork).
func (b Backup) Lock(passphrase string) (string, error) { return b.lock(passphrase, lockWork) }

func (b Backup) lock(passphrase string, work byte) (string, error) {
	raw, err := wire.Marshal(b)
	if err != nil {
		return "", err
	}
	if len(raw) > MaxBackup {
		return "", fmt.Errorf("the files have %d bytes together; the limit of a backup is %d", len(raw), MaxBackup)
	}
	sealed, err := lockBytes(backupPrefix, raw, passphrase, work)
	if err != nil {
		return "", err
	}
	return backupText(sealed), nil
}

func backupText(sealed []byte) string {
	return backupPrefix + base64.RawURLEncoding.EncodeToString(sealed)
}

// OpenBackup is the reverse of Lock. It does not look at what the files hold.
func OpenBackup(text, passphrase string) (Backup, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), backupPrefix)
	switch {
	case len(text) > 2*MaxBackup:
		return Backup{}, fmt.Errorf("%d bytes are too many for a backup", len(text))
	case !ok:
		return Backup{}, fmt.Errorf("not a backup of an admin's home directory: it must begin with %q", backupPrefix)
	}
	raw, err := DecodeText(rest)
	if err != nil {
		return Backup{}, errors.New("the backup is damaged or cut off")
	}
	plain, err := unlockBytes(backupPrefix, raw, passphrase)
	if err != nil {
		return Backup{}, err
	}
	var b Backup
	if err := wire.Unmarshal(plain, &b); err != nil {
		return Backup{}, fmt.Errorf("backup: %w", err)
	}
	return b, nil
}
