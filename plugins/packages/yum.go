package packages

import (
	"context"
	"fmt"
	"strings"
)

// yumTable runs one of yum's listings. Code 100 is "there are updates"; "No matching Packages" is an empty table.
func (d dnf) yumTable(ctx context.Context, args ...string) ([]pkg, error) {
	c, out, err := d.exec(ctx, args...)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(out.stderr, "No matching Packages"):
		return nil, nil
	case out.code != 0 && out.code != 100:
		return nil, failure(c, out)
	}
	return parseYumTable(out.stdout)
}

// parseYumTable reads rows of name.arch, version and repository, of which yum indents what is too wide for the first
// line. A row begins with a name and an architecture: sentences of plugins do not. What follows "Obsoleting Packages" is
// another table.
func parseYumTable(text string) ([]pkg, error) {
	var found []pkg
	var row []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); {
		case strings.HasPrefix(line, "Obsoleting Packages"):
			return found, wholeRow(row)
		case len(f) == 0, !indented && (len(f) > 3 || !endsInArch(f[0])), indented && row == nil:
			continue
		case !indented:
			if err := wholeRow(row); err != nil {
				return nil, err
			}
			row = f
		default:
			row = append(row, f...)
		}
		if len(row) < 3 {
			continue
		}
		dot := strings.LastIndexByte(row[0], '.')
		v := parseEVR(row[1])
		if len(row) > 3 || v.version == "" {
			return nil, wholeRow(row)
		}
		found = append(found, pkg{name: row[0][:dot], arch: row[0][dot+1:], evr: v})
		row = nil
	}
	return found, wholeRow(row)
}

// wholeRow is an error if a row was begun and not ended.
func wholeRow(row []string) error {
	if len(row) == 0 {
		return nil
	}
	return fmt.Errorf("yum: cannot read the row %q", oneLine(strings.Join(row, " ")))
}

func endsInArch(word string) bool {
	dot := strings.LastIndexByte(word, '.')
	if dot <= 0 {
		return false
	}
	switch arch := word[dot+1:]; arch {
	case "noarch", "x86_64", "aarch64", "ppc", "ppc64", "ppc64le", "s390", "s390x", "ia64", "src", "riscv64":
		return true
	default:
		return isX86(arch) || strings.HasPrefix(arch, "armv")
	}
}
