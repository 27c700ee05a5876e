package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Version is the layout of the lines.
const Version = 1

// Event is what a line is about.
type Event string

const (
	Start      Event = "start"      // the node started
	Stop       Event = "stop"       // the node stopped, in order
	Decided    Event = "decision"   // a job was judged
	Ended      Event = "outcome"    // a job's action ended; for reads this line is the decision too
	Dropped    Event = "dropped"    // bytes that did not verify as a job
	Repeated   Event = "repeated"   // a copy of a job that was claimed before; nothing ran
	Admission  Event = "admission"  // a host asked to be let in
	Roster     Event = "roster"     // another version is in force
	Document   Event = "document"   // a document that was offered was not taken
	Suppressed Event = "suppressed" // so many lines like this one were left out (Count); their event is in Message
	Unwritten  Event = "unwritten"  // so many lines (Count) could not be written before this one
	Gap        Event = "gap"        // the node found its audit other than it had left it
)

// The decisions.
const (
	Run      = "run"
	Refuse   = "refuse"
	NoMatch  = "no match"
	WouldRun = "would run" // asked in match mode
	Admit    = "admit"
)

// Entry is one line. Seq, Time, Prev and V are the log's to set.
type Entry struct {
	V        int            `json:"v"`
	Seq      uint64         `json:"seq"`
	Time     time.Time      `json:"time"` // UTC, microseconds
	Event    Event          `json:"event"`
	Job      string         `json:"job,omitempty"`
	Plan     string         `json:"plan,omitempty"`       // of which the job is a portion
	Why      string         `json:"job_reason,omitempty"` // the reason that the job gives
	Hash     string         `json:"hash,omitempty"`       // SHA-256 of the signed job
	Signer   string         `json:"signer,omitempty"`     // the admin's name in the roster; for admissions the host's
	Key      string         `json:"key,omitempty"`        // id of the key that signed
	Token    string         `json:"token,omitempty"`      // for admissions: that the host came with
	Plugin   string         `json:"plugin,omitempty"`
	Action   string         `json:"action,omitempty"`
	Args     map[string]any `json:"args,omitempty"` // declared and not secret; text, numbers, booleans
	Decision string         `json:"decision,omitempty"`
	Reason   string         `json:"reason,omitempty"` // for programs
	By       string         `json:"by,omitempty"`     // the line of policy that decided
	Second   string         `json:"second,omitempty"` // admins who signed the job too
	State    string         `json:"state,omitempty"`
	Message  string         `json:"message,omitempty"`
	Count    int            `json:"count,omitempty"`
	TookUS   int64          `json:"took_us,omitempty"` // microseconds since the job came in
	Prev     string         `json:"prev"`
}

// Bounds, in bytes.
const (
	MaxLine = 16 << 10 // of a whole line; what is larger is no line
	maxText = 512      // of each text in an entry; longer ones are cut and end in "..."
	maxArgs = 64
)

// hash is the hash of a line, without its line break.
type hash [sha256.Size]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

func hashOf(line []byte) hash { return sha256.Sum256(line) }

// encode returns the line without its line break. Texts are cut to their bounds.
func (e Entry) encode() ([]byte, error) {
	for _, text := range []*string{&e.Job, &e.Why, &e.Hash, &e.Signer, &e.Key, &e.Token, &e.Plugin, &e.Action, &e.Decision, &e.Reason, &e.By, &e.Second, &e.State, &e.Message} {
		*text = bounded(*text)
	}
	e.Args = boundedArgs(e.Args)
	line, err := e.bytes()
	if err != nil && len(e.Args) > 0 {
		// No job may keep itself out of the audit by what it says.
		e.Args = map[string]any{"...": fmt.Sprintf("%d arguments left out: too large for one line", len(e.Args))}
		return e.bytes()
	}
	return line, err
}

func (e Entry) bytes() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode audit line: %w", err)
	}
	line := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(line) > MaxLine {
		return nil, fmt.Errorf("audit line of %d bytes, at most %d are allowed", len(line), MaxLine)
	}
	return line, nil
}

// bounded also takes control characters out: each would take six bytes in JSON, and thirteen texts of them more than a line.
func bounded(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// boundedArgs keeps simple values and turns whatever else came with a job that is refused into text.
func boundedArgs(args map[string]any) map[string]any {
	if len(args) == 0 {
		return nil
	}
	out := map[string]any{}
	for name, v := range args {
		if len(out) == maxArgs {
			break
		}
		switch v := v.(type) {
		case nil, bool, int64:
			out[bounded(name)] = v
		case string:
			out[bounded(name)] = bounded(v)
		default:
			out[bounded(name)] = bounded(fmt.Sprint(v))
		}
	}
	return out
}

// DecodeLine reads one line, without its line break, and refuses everything that fleet would have written otherwise:
// unknown or repeated fields, another order or spacing, values out of bounds. What it takes encodes to the same bytes.
func DecodeLine(line []byte) (Entry, error) {
	var e Entry
	if len(line) > MaxLine {
		return e, fmt.Errorf("audit line of %d bytes, at most %d are allowed", len(line), MaxLine)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("not an audit line: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("not an audit line: there is more behind it")
	}
	prev, err := hex.DecodeString(e.Prev)
	switch {
	case e.V != Version:
		return Entry{}, fmt.Errorf("audit line of layout %d, this release reads %d", e.V, Version)
	case e.Seq == 0 || err != nil || len(prev) != sha256.Size:
		return Entry{}, errors.New("audit line has no proper seq or prev")
	}
	same, err := e.bytes()
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(same, line) {
		return Entry{}, errors.New("not an audit line as fleet writes it")
	}
	return e, nil
}
