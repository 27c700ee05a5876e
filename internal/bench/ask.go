package main

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"runtime"
	"sync"

	"github.com/nats-io/nats.go"
)

// kind is how the floor asks and answers. It is also the subject.
type kind string

const (
	bare   kind = "bare"   // bytes
	signed kind = "signed" // the question and each answer is signed and verified, as DESIGN section 10 counts
	sealed kind = "sealed" // and each answer is sealed to the asker's one-time key too, as fleet's are since replies are private
)

const (
	questionSize = 300 // bytes, about what a signed job has
	answerSize   = 300 // and a signed reply
)

// listen answers questions of one kind.
func listen(conn *nats.Conn, key ed25519.PrivateKey, k kind) error {
	answer := make([]byte, answerSize)
	_, err := conn.Subscribe(string(k), func(m *nats.Msg) {
		if k == bare {
			m.Respond(answer)
			return
		}
		if !verified(key, m.Data) {
			return
		}
		reply := sign(key, answer)
		if k == sealed {
			var err error
			if reply, err = seal(m.Data[ed25519.SignatureSize:][:sealKeySize], reply); err != nil {
				return // the asker misses it, and says so
			}
		}
		m.Respond(reply)
	})
	return errors.Join(err, conn.Flush())
}

// floorAsk asks once and waits for n answers, which as many goroutines open as there are processors, as in fleet.
func floorAsk(ctx context.Context, conn *nats.Conn, key ed25519.PrivateKey, k kind, n int) error {
	ctx, cancel := context.WithTimeout(ctx, crowdLimit)
	defer cancel()
	inbox, answers := nats.NewInbox(), make(chan *nats.Msg, n)
	sub, err := conn.ChanSubscribe(inbox, answers)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	question, check, err := ask(key, k)
	if err != nil {
		return err
	}
	if err := conn.PublishRequest(string(k), inbox, question); err != nil {
		return err
	}
	good := make(chan bool, n)
	var workers sync.WaitGroup
	defer func() { cancel(); workers.Wait() }()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				select {
				case m := <-answers:
					good <- check(m.Data)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for range n {
		select {
		case ok := <-good:
			if !ok {
				return errors.New("an answer does not hold")
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ask makes a question, and what checks an answer to it.
func ask(key ed25519.PrivateKey, k kind) (question []byte, check func([]byte) bool, err error) {
	question = make([]byte, questionSize)
	switch k {
	case bare:
		return question, func([]byte) bool { return true }, nil
	case signed:
		return sign(key, question), func(answer []byte) bool { return verified(key, answer) }, nil
	}
	private, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	copy(question, private.PublicKey().Bytes())
	return sign(key, question), func(answer []byte) bool {
		plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, answer)
		return err == nil && verified(key, plain)
	}, nil
}

const sealKeySize = 32 // bytes of a public X25519 key

// seal is what identity.Seal does.
func seal(to, plain []byte) ([]byte, error) {
	public, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(to)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, plain)
}

func sign(key ed25519.PrivateKey, data []byte) []byte {
	return append(ed25519.Sign(key, data), data...)
}

func verified(key ed25519.PrivateKey, data []byte) bool {
	return len(data) >= ed25519.SignatureSize &&
		ed25519.Verify(key.Public().(ed25519.PublicKey), data[ed25519.SignatureSize:], data[:ed25519.SignatureSize])
}
