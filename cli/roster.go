package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fleet/client"
	"fleet/identity"
	"fleet/internal/atomicfile"
)

// editRoster changes the roster: it takes the newest version there is, here or in the fleet, lets edit change it, signs
// it with the root key as the next version, keeps it beside the root key, and hands it to the fleet. Where no broker can
// be reached it fails before anything is signed: two versions of one number would be worse.
func (e *env) editRoster(ctx context.Context, o connection, edit func(*identity.Roster) error) (identity.Roster, error) {
	var none identity.Roster
	root, err := o.keys.root(o.home)
	if err != nil {
		return none, err
	}
	config, err := o.config()
	if err != nil {
		return none, err
	}
	c, err := client.Connect(ctx, config)
	if err != nil {
		return none, faultf("%w", err)
	}
	defer c.Close()
	roster, err := newestRoster(ctx, o, root.Public(), c)
	if err != nil {
		return none, err
	}
	if err := edit(&roster); err != nil {
		return none, err
	}
	roster.Version++
	signed, err := identity.SignRoster(root, roster, time.Now())
	if err != nil {
		return none, usagef("%w", err)
	}
	if err := c.PutDocument(ctx, signed); err != nil {
		return none, faultf("%w", err)
	}
	if err := atomicfile.Write(filepath.Join(o.home, rosterFile), signed, 0o644); err != nil {
		return none, faultf("the fleet has the roster, but it could not be saved here: %w", err)
	}
	return roster, nil
}

// newestRoster is the higher of the fleet's version and the one kept here.
func newestRoster(ctx context.Context, o connection, root identity.PublicKey[identity.Root], c *client.Client) (identity.Roster, error) {
	roster, _, err := c.Roster(ctx)
	if err != nil {
		return roster, faultf("%w", err)
	}
	raw, err := os.ReadFile(filepath.Join(o.home, rosterFile))
	if errors.Is(err, fs.ErrNotExist) {
		return roster, nil
	}
	if err != nil {
		return roster, faultf("%w", err)
	}
	kept, err := identity.OpenRoster(root, raw)
	if err != nil {
		return roster, faultf("%s: %w", filepath.Join(o.home, rosterFile), err)
	}
	if kept.Version > roster.Version {
		return kept, nil
	}
	return roster, nil
}
