package gossip

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// SetKeys replaces the keys while the mesh runs: the first one encrypts from now on, all of them are accepted, and others
// are forgotten. A key is rotated in three steps, each on every node before the next one: accept the new key beside the
// old one, encrypt with the new one, accept only the new one.
func (g *Gossip) SetKeys(keys [][]byte) error {
	if err := checkKeys(keys); err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	g.keying.Lock()
	defer g.keying.Unlock()
	if err := setKeys(g.ring, keys); err != nil {
		return fmt.Errorf("gossip keys: %w", err)
	}
	return nil
}

func setKeys(ring *memberlist.Keyring, keys [][]byte) error {
	for _, k := range keys {
		if err := ring.AddKey(k); err != nil {
			return err
		}
	}
	if len(ring.GetKeys()) > len(keys) {
		// Keys may only be removed from the end of the ring: RemoveKey shifts the rest in place, under those who are
		// decrypting. UseKey puts a key first in a fresh list, so this brings those that stay to the front.
		for _, k := range slices.Backward(keys) {
			if err := ring.UseKey(k); err != nil {
				return err
			}
		}
		for have := ring.GetKeys(); len(have) > len(keys); have = ring.GetKeys() {
			if err := ring.RemoveKey(have[len(have)-1]); err != nil {
				return err
			}
		}
	}
	return ring.UseKey(keys[0])
}

func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("a gossip key is needed; it comes at admission")
	}
	for i, k := range keys {
		if len(k) != keySize {
			return fmt.Errorf("gossip key %d has %d bytes instead of %d", i+1, len(k), keySize)
		}
		if slices.ContainsFunc(keys[:i], func(o []byte) bool { return bytes.Equal(o, k) }) {
			return fmt.Errorf("gossip key %d is listed twice", i+1)
		}
	}
	return nil
}
