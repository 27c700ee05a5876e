package attack

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fleet/identity"
	"fleet/job"
)

// resident is the process's memory in bytes.
func (h *host) resident(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the process has no VmRSS")
	return 0
}

// body is the encoded job under a signature, as an admin's machine would send it.
func body(t *testing.T, service string) []byte {
	t.Helper()
	_, message, err := identity.Split(sign(t, shared.change(service), shared.admin))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// malformed are bytes that no job, request or document may be. They are all signed well by the admin: the decoder has to
// refuse them by itself.
func malformed(t *testing.T) map[string][]byte {
	t.Helper()
	good := body(t, "malformed")
	put := func(old, new []byte) []byte {
		if bytes.Count(good, old) != 1 {
			t.Fatalf("%q stands %d times in the job", old, bytes.Count(good, old))
		}
		return bytes.Replace(good, old, new, 1)
	}
	service := append([]byte{0x67}, "service"...) // the key of the argument, and then its value
	value := append([]byte{0x69}, "malformed"...)
	pair := append(bytes.Clone(service), value...)
	return map[string][]byte{
		"oversized":          append(bytes.Clone(good), make([]byte, job.MaxJob)...),
		"with a tail":        append(bytes.Clone(good), 0xf6),
		"cut short":          good[:len(good)-3],
		"deeply nested":      put(value, append(bytes.Repeat([]byte{0x81}, 60<<10), 0x01)),
		"duplicate argument": put(append([]byte{0xa1}, pair...), append(append([]byte{0xa2}, pair...), pair...)),
		"duplicate field":    append(append([]byte{good[0] + 1}, good[1:]...), 0x01, 0x01),
		"not UTF-8":          put(value, append([]byte{0x69}, "malform\xff\xfe"...)),
		"indefinite length":  put(append([]byte{0xa1}, pair...), append(append([]byte{0xbf}, pair...), 0xff)),
		"a tag":              put(value, append([]byte{0xc2}, value...)),
		"NaN":                put(value, []byte{0xf9, 0x7e, 0x00}),
		"unknown field":      append(append([]byte{good[0] + 1}, good[1:]...), 0x18, 0x63, 0x01),
	}
}

func TestMalformedMessages(t *testing.T) {
	for name, raw := range malformed(t) {
		t.Run(name, func(t *testing.T) { shared.dropped(t, shared.admin.Sign(identity.JobContext, raw), "malformed") })
	}
	for name, raw := range map[string][]byte{"empty": nil, "one byte": {0}, "a signature without a message": make([]byte, 64), "text": []byte("restart nginx, please, and be quick about it, for I am the admin of this fleet")} {
		t.Run(name, func(t *testing.T) { shared.dropped(t, raw, "malformed") })
	}
	if signed := sign(t, shared.change("well-formed"), shared.admin); !t.Failed() {
		shared.honest(t, signed, "well-formed", shared.hosts...)
	}
}

// The services that answer for the mesh read foreign bytes too.
func TestMalformedRequests(t *testing.T) {
	for name, raw := range malformed(t) {
		for _, subject := range []string{job.MembersSubject, job.DocGetSubject, job.DocPutSubject, job.JoinSubject("x"), job.RenewSubject(shared.hosts[3].id), job.DocNewSubject} {
			signed, err := shared.rooted(raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range [][]byte{raw, signed} {
				if err := shared.captured.Conn.PublishRequest(subject, "_INBOX.captured.x", m); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
	if err := shared.captured.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
	shared.stats(t)
}

// Bombs: a few bytes that say that very many follow, or nest, or repeat. None may cost a host memory.
func TestMemoryBombs(t *testing.T) {
	bombs := map[string][]byte{
		"an array of 2^32":   {0x9a, 0xff, 0xff, 0xff, 0xff},
		"an array of 2^63":   {0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a map of 2^32":      {0xba, 0xff, 0xff, 0xff, 0xff},
		"2^40 bytes":         {0x5b, 0, 0, 1, 0, 0, 0, 0, 0},
		"text of 2^31 bytes": {0x7a, 0x7f, 0xff, 0xff, 0xff},
		"arrays in arrays":   bytes.Repeat([]byte{0x9a, 0x00, 0x00, 0x3f, 0xff}, 12<<10),
		"65,000 empty maps":  append([]byte{0x99, 0xfd, 0xe8}, bytes.Repeat([]byte{0xa0}, 65_000)...),
	}
	value := append([]byte{0x64}, "bomb"...)
	before := make([]int64, len(shared.hosts))
	shared.stats(t)
	for i, h := range shared.hosts {
		before[i] = h.resident(t)
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				shared.send(t, job.AllSubject, shared.admin.Sign(identity.JobContext, bomb))
			}
			raw := bytes.Replace(body(t, "bomb"), value, bomb, 1)
			shared.dropped(t, shared.admin.Sign(identity.JobContext, raw), "bomb")
		})
	}
	const allowed = 64 << 20 // what Go's collector may leave lying for a while; the least bomb is 2 GiB
	for i, h := range shared.hosts {
		if more := h.resident(t) - before[i]; more > allowed {
			t.Errorf("%s grew by %d MiB", h.name, more>>20)
		}
	}
}

// The broker names its limit; just below it, what is too large for a job still reaches the hosts and is dropped there.
func TestOversizedMessage(t *testing.T) {
	nc, err := shared.dial(adminTLS(t, shared.admin))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(job.AllSubject, make([]byte, job.MaxPayload+1)); err == nil {
		t.Error("a message above the limit was taken")
	}
	shared.dropped(t, shared.admin.Sign(identity.JobContext, make([]byte, job.MaxPayload-200)), "")
}

// An admin's program that is not fleet's client signs what fleet's client would not: each host checks for itself.
func TestArgumentsAsPathsAndOptions(t *testing.T) {
	for plugin, names := range map[string][]string{
		"service": {"--help", "-H", "-Hroot@elsewhere", "../../etc/passwd", "a/b", "/bin/sh", "a  b", " a", "a ", "a --now", "a;reboot", "a|b", "$(reboot)", "`reboot`", "a\nb", "a\x00b", "a\r", "*",
			"a'b", `a"b`, "\u202eevil", "..", ".", "", strings.Repeat("a", 4000), "a\x1b[2J"},
		"package": {"--allow-unauthenticated", "-y", "../evil.deb", "./evil.deb", "/tmp/evil.deb", "http://evil/x.deb", "a b", "a\nb", "a\x00b", "a;reboot", "$(reboot)", ""},
	} {
		input := plugin
		action := map[string]string{"service": "restart", "package": "install"}[plugin]
		for _, name := range names {
			t.Run(plugin+" "+strconv.Quote(name[:min(len(name), 20)]), func(t *testing.T) {
				j := asks(shared.change(name), plugin, action, map[string]any{input: name})
				shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonArguments, "")
			})
		}
	}
	for name, args := range map[string]map[string]any{
		"a list":           {"service": []any{"nginx", "--now"}},
		"a number":         {"service": 7},
		"a map":            {"service": map[string]any{"a": "b"}},
		"one more":         {"service": "nginx", "options": "--force"},
		"none":             {},
		"another spelling": {"Service": "nginx"},
	} {
		t.Run(name, func(t *testing.T) {
			j := shared.change("")
			j.Args = args
			shared.refused(t, sign(t, j, shared.admin), j.ID, job.ReasonArguments, "")
		})
	}
	for _, h := range shared.hosts {
		for _, name := range []string{"evil", "reboot", "nginx"} {
			if h.ran(name) != 0 {
				t.Errorf("%s ran %q", h.name, name)
			}
		}
	}
	shared.stats(t)
}
