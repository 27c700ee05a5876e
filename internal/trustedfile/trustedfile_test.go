package trustedfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestResolve has one case for each way in which others could decide what a file says. Only root can give a file to
// somebody else; as another user, the cases that need it stand for themselves: everything but one's own and root's is
// refused by the same comparison.
func TestResolve(t *testing.T) {
	const stranger, noFile = 12345, "no such file"
	for _, c := range []struct {
		name   string
		build  func(t *testing.T, b box) // within b, an empty directory of this user's; the path to resolve is b/etc/f
		asRoot bool
		want   string // part of the error; "": the file is trusted
	}{
		{"own", func(t *testing.T, b box) {}, false, ""},
		{"others read it", func(t *testing.T, b box) { b.mode("etc/f", 0o644) }, false, ""},
		{"its group writes it", func(t *testing.T, b box) { b.mode("etc/f", 0o664) }, false, "f can be written by others"},
		{"all write it", func(t *testing.T, b box) { b.mode("etc/f", 0o646) }, false, "f can be written by others"},
		{"its folder is its group's", func(t *testing.T, b box) { b.mode("etc", 0o775) }, false, "etc can be written by others"},
		{"its folder is sticky", func(t *testing.T, b box) { b.mode("etc", 0o777|os.ModeSticky) }, false, "etc can be written by others"},
		{"a folder above is everybody's", func(t *testing.T, b box) { b.mode(".", 0o777) }, false, "can be written by others"},
		{"a folder above is sticky", func(t *testing.T, b box) { b.mode(".", 0o777|os.ModeSticky) }, false, ""},
		{"no file", func(t *testing.T, b box) { b.remove("etc/f") }, false, noFile},
		{"a link to a file of one's own", func(t *testing.T, b box) { b.move("etc/f", "g"); b.link("../g", "etc/f") }, false, ""},
		{"a link to a file that all write", func(t *testing.T, b box) { b.move("etc/f", "g"); b.mode("g", 0o666); b.link("../g", "etc/f") }, false, "g can be written"},
		{"a link to nothing", func(t *testing.T, b box) { b.remove("etc/f"); b.link("../g", "etc/f") }, false, noFile},
		{"a link to itself", func(t *testing.T, b box) { b.remove("etc/f"); b.link("f", "etc/f") }, false, "more than 40 links"},
		{"the folder is a link of one's own", func(t *testing.T, b box) { b.move("etc", "conf"); b.link("conf", "etc") }, false, ""},
		{"the folder is a link over a folder that all write", func(t *testing.T, b box) {
			b.move("etc", "conf")
			b.dir("open", 0o777)
			b.link("../conf", "open/etc")
			b.link("open/etc", "etc")
		}, false, "open can be written"},
		{"somebody else's", func(t *testing.T, b box) { b.give("etc/f", stranger) }, true, "f belongs to user 12345"},
		{"in somebody else's folder", func(t *testing.T, b box) { b.give("etc", stranger) }, true, "etc belongs to user 12345"},
		{"somebody else's folder above", func(t *testing.T, b box) { b.give(".", stranger) }, true, "belongs to user 12345"},
		{"somebody else's link to the folder", func(t *testing.T, b box) {
			b.mode(".", 0o777|os.ModeSticky)
			b.move("etc", "conf")
			b.link("conf", "etc")
			b.give("etc", stranger)
		}, true, "etc belongs to user 12345"},
	} {
		if c.asRoot && os.Geteuid() != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			b := box{t, filepath.Join(t.TempDir(), "box")}
			b.dir(".", 0o755)
			b.dir("etc", 0o755)
			b.must(os.WriteFile(b.at("etc/f"), nil, 0o600))
			c.build(t, b)
			got, err := Resolve(b.at("etc/f"))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %q, %v, want an error with %q", got, err, c.want)
			case c.want == noFile && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("%v is not fs.ErrNotExist", err)
			}
			if real, _ := filepath.EvalSymlinks(b.at("etc/f")); c.want == "" && got != real {
				t.Errorf("got %s, want %s", got, real)
			}
		})
	}
}

// box is a directory in which a case is built.
type box struct {
	t    *testing.T
	root string
}

func (b box) at(name string) string { return filepath.Join(b.root, name) }

func (b box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b box) mode(name string, m os.FileMode) { b.must(os.Chmod(b.at(name), m)) }
func (b box) remove(name string)              { b.must(os.Remove(b.at(name))) }
func (b box) move(from, to string)            { b.must(os.Rename(b.at(from), b.at(to))) }
func (b box) link(to, name string)            { b.must(os.Symlink(to, b.at(name))) }
func (b box) give(name string, uid int)       { b.must(os.Lchown(b.at(name), uid, -1)) }

func (b box) dir(name string, m os.FileMode) {
	b.must(os.Mkdir(b.at(name), 0o700))
	b.mode(name, m)
}
