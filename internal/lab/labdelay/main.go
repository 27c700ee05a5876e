//go:build linux

// Command labdelay simulates a slow network in the lab. It runs on a host of the lab, reads the packets that the host's
// routes send into a TUN device, holds each for a while, and sends it on unchanged. The kernel's netem would do the
// same, but not every kernel has it. Lab.Delay sets up device and routes and starts it.
package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxPacket = 65535
	// inFlight bounds the packets that are held: 64 MiB or so of full ones. More are dropped, as in a real line's queue.
	inFlight = 45000
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labdelay:", err)
		os.Exit(1)
	}
}

// packet is one IPv4 packet and when to send it.
type packet struct {
	due  time.Time
	data []byte
}

// run holds packets until a read fails: the device is gone. The mark keeps what it sends from coming back to it.
func run(args []string) error {
	var delay time.Duration
	var mark int
	var err error
	if len(args) == 3 {
		_, err = fmt.Sscan(args[2], &mark)
		if err == nil {
			delay, err = time.ParseDuration(args[1])
		}
	}
	if len(args) != 3 || err != nil {
		return fmt.Errorf("usage: labdelay DEVICE DELAY MARK: %v", err)
	}
	tun, err := attach(args[0])
	if err != nil {
		return err
	}
	out, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	if err := unix.SetsockoptInt(out, unix.SOL_SOCKET, unix.SO_MARK, mark); err != nil {
		return fmt.Errorf("mark packets: %w", err)
	}
	line := make(chan packet, inFlight)
	go forward(out, line)
	buffer := make([]byte, maxPacket)
	for {
		n, err := unix.Read(tun, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read from the device: %w", err)
		}
		if n < 20 || buffer[0]>>4 != 4 { // IPv6 has its own neighbours here, and no route
			continue
		}
		select {
		case line <- packet{time.Now().Add(delay), append([]byte(nil), buffer[:n]...)}:
		default:
		}
	}
}

// attach opens an existing TUN device.
func attach(device string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err != nil {
		return 0, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return 0, fmt.Errorf("attach to %s: %w", device, err)
	}
	return fd, nil
}

// forward sends each packet when it is due. What cannot be sent is lost, as on any line.
func forward(out int, line <-chan packet) {
	for p := range line {
		time.Sleep(time.Until(p.due))
		to := unix.SockaddrInet4{Addr: [4]byte(p.data[16:20])}
		_ = unix.Sendto(out, p.data, 0, &to)
	}
}
