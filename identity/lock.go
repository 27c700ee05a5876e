package identity

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

// A locked key is text like an open one:
//
//	fleet-KIND-locked:BASE64URL(work || salt || box)
//
// (a backup: fleet-backup1. and the same). salt is 16 random bytes, work is one byte w, box is the key's 32-byte seed under ChaCha20-Poly1305 with a zero nonce
// (the salt makes each key new), and the key is scrypt(passphrase, "fleet-KIND-locked:" || salt, N=2^w, r=8, p=1): the
// construction of age's passphrase recipient. The kind is part of what is authenticated, so a root key cannot be passed
// off as an admin's.
const (
	lockWork    = 17 // 128 MiB and about half a second, once for each use of the key
	maxLockWork = 20 // a file must not make us take a gigabyte
	saltSize    = 16
)

func lockedPrefix[K Kind]() string { return "fleet-" + kindOf[K]() + "-locked:" }

func lock[K Kind](k PrivateKey[K], passphrase string, work byte) (string, error) {
	sealed, err := lockBytes(lockedPrefix[K](), k.signer().Seed(), passphrase, work)
	if err != nil {
		return "", err
	}
	return lockedPrefix[K]() + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// unlock is the reverse of lock. Its errors never quote the text or the passphrase.
func unlock[K Kind](text, passphrase string) (PrivateKey[K], error) {
	prefix := lockedPrefix[K]()
	raw, err := decodeKey(prefix, text)
	if err != nil {
		return PrivateKey[K]{}, err
	}
	if len(raw) != 1+saltSize+32+chacha20poly1305.Overhead {
		return PrivateKey[K]{}, fmt.Errorf("damaged key after %q", prefix)
	}
	seed, err := unlockBytes(prefix, raw, passphrase)
	if err != nil {
		return PrivateKey[K]{}, err
	}
	return privateKeyOf[K](seed)
}

// lockBytes returns work || salt || box for what has this prefix.
func lockBytes(prefix string, plain []byte, passphrase string, work byte) ([]byte, error) {
	header := make([]byte, 1+saltSize)
	header[0] = work
	rand.Read(header[1:]) // never fails (crypto/rand)
	box, err := lockBox(prefix, header, passphrase)
	if err != nil {
		return nil, err
	}
	return box.Seal(header, make([]byte, box.NonceSize()), plain, []byte(prefix)), nil
}

// unlockBytes is the reverse of lockBytes.
func unlockBytes(prefix string, raw []byte, passphrase string) ([]byte, error) {
	if len(raw) < 1+saltSize+chacha20poly1305.Overhead || raw[0] < 1 || raw[0] > maxLockWork {
		return nil, fmt.Errorf("damaged text after %q", prefix)
	}
	header, sealed := raw[:1+saltSize], raw[1+saltSize:]
	box, err := lockBox(prefix, header, passphrase)
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(nil, make([]byte, box.NonceSize()), sealed, []byte(prefix))
	if err != nil {
		return nil, errors.New("the passphrase is wrong, or the file is damaged")
	}
	return plain, nil
}

func lockBox(prefix string, header []byte, passphrase string) (cipher.AEAD, error) {
	salt := append([]byte(prefix), header[1:]...)
	key, err := scrypt.Key([]byte(passphrase), salt, 1<<header[0], 8, 1, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}
