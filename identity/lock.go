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
// salt is 16 random bytes, work is one byte w, box is the key's 32-byte seed under ChaCha20-Poly1305 with a zero nonce
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
	header := make([]byte, 1+saltSize)
	header[0] = work
	rand.Read(header[1:]) // never fails (crypto/rand)
	prefix := lockedPrefix[K]()
	box, err := lockBox(prefix, header, passphrase)
	if err != nil {
		return "", err
	}
	sealed := box.Seal(header, make([]byte, box.NonceSize()), k.signer().Seed(), []byte(prefix))
	return prefix + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// unlock is the reverse of lock. Its errors never quote the text or the passphrase.
func unlock[K Kind](text, passphrase string) (PrivateKey[K], error) {
	var none PrivateKey[K]
	prefix := lockedPrefix[K]()
	raw, err := decodeKey(prefix, text)
	if err != nil {
		return none, err
	}
	if len(raw) != 1+saltSize+32+chacha20poly1305.Overhead || raw[0] < 1 || raw[0] > maxLockWork {
		return none, fmt.Errorf("damaged key after %q", prefix)
	}
	header, sealed := raw[:1+saltSize], raw[1+saltSize:]
	box, err := lockBox(prefix, header, passphrase)
	if err != nil {
		return none, err
	}
	seed, err := box.Open(nil, make([]byte, box.NonceSize()), sealed, []byte(prefix))
	if err != nil {
		return none, errors.New("the passphrase is wrong, or the file is damaged")
	}
	return privateKeyOf[K](seed)
}

func lockBox(prefix string, header []byte, passphrase string) (cipher.AEAD, error) {
	salt := append([]byte(prefix), header[1:]...)
	key, err := scrypt.Key([]byte(passphrase), salt, 1<<header[0], 8, 1, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}
