package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// A database whose pages are damaged makes bbolt panic, fault (it reads a mapped file), run in circles, or find nothing where
// something was. So all its pages are read here before bbolt sees the file: plain reads, each page once, nothing believed. A file
// that passes is one that bbolt can read, and the caller is shown every entry to see that none is missing.
//
// What is read is format 2 of bbolt, which is frozen: two meta pages of which the newer counts, a list of free pages, and trees
// of branch and leaf pages.

const (
	metaMagic   = 0xED0CDAED
	metaFormat  = 2
	pageHeader  = 16
	metaSize    = 64 // with its checksum
	elementSize = 16 // of a branch and of a leaf alike

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	noFreelist = 1<<64 - 1
	maxDepth   = 32 // of a tree; a real one has 3 to 5 levels
)

// pages is a database's file while it is looked at.
type pages struct {
	file     io.ReaderAt
	fileSize int64
	pageSize uint64
	end      uint64 // the first page that is not in use
	seen     map[uint64]bool
	visit    func(bucket string, key, value []byte) error
}

type meta struct {
	pageSize            uint64
	root, freelist, end uint64
	tx                  uint64
}

// readPages reads all that a database holds, bucket by bucket and in the order of the keys, or says what is damaged. It keeps in
// memory one page at a time and a bit for each. visit must not keep what it is given.
func readPages(f io.ReaderAt, size int64, visit func(bucket string, key, value []byte) error) error {
	m, err := readMetas(f, size)
	if err != nil {
		return err
	}
	p := &pages{file: f, fileSize: size, pageSize: m.pageSize, end: m.end, seen: map[uint64]bool{}, visit: visit}
	if m.end < 4 || m.end > uint64(size)/m.pageSize {
		return fmt.Errorf("the file is cut off: %d bytes of %d pages of %d", size, m.end, m.pageSize)
	}
	if m.freelist != noFreelist {
		if err := p.freelist(m.freelist); err != nil {
			return err
		}
	}
	return p.tree(m.root, "", span{}, 0)
}

// readMetas returns the newer of the two. Both are good, and one transaction apart, unless something else than bbolt wrote to them;
// to go on with the older one would be to forget the newest claim.
func readMetas(f io.ReaderAt, size int64) (meta, error) {
	one, err := readMeta(f, 0)
	if err != nil {
		return meta{}, err
	}
	if one.pageSize < 1<<9 || one.pageSize > 1<<16 || one.pageSize&(one.pageSize-1) != 0 || int64(one.pageSize) > size {
		return meta{}, fmt.Errorf("pages of %d bytes", one.pageSize)
	}
	two, err := readMeta(f, int64(one.pageSize))
	if err != nil {
		return meta{}, err
	}
	if one.tx > two.tx {
		one, two = two, one
	}
	if one.pageSize != two.pageSize || two.tx-one.tx != 1 {
		return meta{}, errors.New("the two meta pages do not belong together")
	}
	return two, nil
}

func readMeta(f io.ReaderAt, at int64) (m meta, err error) {
	raw := make([]byte, metaSize)
	if _, err := f.ReadAt(raw, at+pageHeader); err != nil {
		return m, fmt.Errorf("a meta page: %w", err)
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	sum.Write(raw[:metaSize-8])
	if order.Uint32(raw) != metaMagic || order.Uint32(raw[4:]) != metaFormat || order.Uint64(raw[metaSize-8:]) != sum.Sum64() {
		return m, errors.New("a meta page is damaged")
	}
	return meta{
		pageSize: uint64(order.Uint32(raw[8:])), root: order.Uint64(raw[16:]), freelist: order.Uint64(raw[32:]), end: order.Uint64(raw[40:]), tx: order.Uint64(raw[48:]),
	}, nil
}

// page reads a page with those that it runs over, each of which is in no other.
func (p *pages) page(id uint64) (raw []byte, flags, count uint16, err error) {
	order, header := binary.NativeEndian, make([]byte, pageHeader)
	if id < 2 || id >= p.end {
		return nil, 0, 0, fmt.Errorf("there is no page %d", id)
	}
	if _, err := p.file.ReadAt(header, int64(id*p.pageSize)); err != nil {
		return nil, 0, 0, err
	}
	over := uint64(order.Uint32(header[12:]))
	if order.Uint64(header) != id || over >= p.end-id {
		return nil, 0, 0, fmt.Errorf("page %d is damaged", id)
	}
	for i := id; i <= id+over; i++ {
		if err := p.once(i); err != nil {
			return nil, 0, 0, err
		}
	}
	raw = make([]byte, (over+1)*p.pageSize)
	_, err = p.file.ReadAt(raw, int64(id*p.pageSize))
	return raw, order.Uint16(header[8:]), order.Uint16(header[10:]), err
}

// once notes that a page is used; none is twice.
func (p *pages) once(id uint64) error {
	if p.seen[id] {
		return fmt.Errorf("page %d is used twice", id)
	}
	p.seen[id] = true
	return nil
}

func (p *pages) freelist(id uint64) error {
	raw, flags, short, err := p.page(id)
	if err != nil {
		return err
	}
	if flags != flagFreelist {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	raw = raw[pageHeader:]
	count := uint64(short)
	if short == 0xFFFF { // then the first entry is the count
		count, raw = binary.NativeEndian.Uint64(raw), raw[8:]
	}
	if count > uint64(len(raw))/8 {
		return fmt.Errorf("page %d lists %d free pages", id, count)
	}
	for i := range count {
		free := binary.NativeEndian.Uint64(raw[8*i:])
		if free < 2 || free >= p.end {
			return fmt.Errorf("page %d lists a free page that is none", id)
		}
		if err := p.once(free); err != nil {
			return err
		}
	}
	return nil
}

// span is where keys may lie: from low on, below high; nil: no bound. bbolt finds a key only where it belongs.
type span struct{ low, high []byte }

func (s span) has(key []byte) bool {
	return bytes.Compare(key, s.low) >= 0 && (s.high == nil || bytes.Compare(key, s.high) < 0)
}

// tree walks the pages of one bucket, from the page given down.
func (p *pages) tree(id uint64, bucket string, keys span, depth int) error {
	raw, flags, count, err := p.page(id)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return errors.New("a tree without an end")
	}
	switch flags {
	case flagLeaf:
		return p.leaf(raw, int(count), bucket, keys)
	case flagBranch:
		return p.branch(raw, int(count), bucket, keys, depth)
	}
	return fmt.Errorf("page %d is of no kind", id)
}

func (p *pages) branch(raw []byte, count int, bucket string, keys span, depth int) error {
	type child struct {
		key []byte
		id  uint64
	}
	var children []child
	for i := range count {
		at := pageHeader + i*elementSize
		pos, length := uint64(0), uint64(0)
		if at+elementSize <= len(raw) {
			pos, length = uint64(at)+uint64(binary.NativeEndian.Uint32(raw[at:])), uint64(binary.NativeEndian.Uint32(raw[at+4:]))
		}
		if pos == 0 || length == 0 || pos+length > uint64(len(raw)) {
			return errors.New("a branch reaches beyond its page")
		}
		children = append(children, child{raw[pos : pos+length], binary.NativeEndian.Uint64(raw[at+8:])})
	}
	if count == 0 {
		return errors.New("a branch without an entry")
	}
	for i, c := range children {
		in := span{c.key, keys.high}
		if i == 0 {
			in.low = keys.low // what is smaller than the first is found there too
		}
		if i+1 < count {
			in.high = children[i+1].key
			if bytes.Compare(c.key, in.high) >= 0 {
				return errors.New("a branch out of order")
			}
		}
		if err := p.tree(c.id, bucket, in, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *pages) leaf(raw []byte, count int, bucket string, keys span) error {
	for i := range count {
		at := pageHeader + i*elementSize
		if at+elementSize > len(raw) {
			return errors.New("a leaf reaches beyond its page")
		}
		order := binary.NativeEndian
		flags, pos := order.Uint32(raw[at:]), uint64(at)+uint64(order.Uint32(raw[at+4:]))
		split := pos + uint64(order.Uint32(raw[at+8:]))
		end := split + uint64(order.Uint32(raw[at+12:]))
		if pos < uint64(at)+elementSize || end > uint64(len(raw)) {
			return errors.New("a leaf reaches beyond its page")
		}
		key, value := raw[pos:split], raw[split:end]
		if len(key) == 0 || !keys.has(key) {
			return errors.New("a leaf out of order")
		}
		if keys.low = append(bytes.Clone(key), 0); flags > 1 { // the next is greater
			return errors.New("an entry of no kind")
		}
		if err := p.entry(bucket, flags == 1, key, value); err != nil {
			return err
		}
	}
	return nil
}

// entry shows an entry, or goes into the bucket that it is: one of pages of its own, or a small one that lies in its value.
func (p *pages) entry(bucket string, isBucket bool, key, value []byte) error {
	switch {
	case !isBucket && bucket != "":
		return p.visit(bucket, key, value)
	case isBucket != (bucket == "") || len(value) < 16:
		return errors.New("an entry of no kind")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return p.tree(root, string(key), span{}, 0)
	}
	inline := value[16:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return errors.New("a small bucket is damaged")
	}
	return p.leaf(inline, int(binary.NativeEndian.Uint16(inline[10:])), string(key), span{})
}
