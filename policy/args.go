package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Arguments are compared by what the plugin would act on, and not by how somebody wrote it: sshd, sshd.service and ssh are one unit
// on Debian. A value without * in a rule and the job's value are the same where the plugin takes both for the same thing. A pattern is
// compared with the thing's own names where it allows, and with each of its names where it denies: an alias never lets anybody in and
// never lets anybody out.

// fitsArgs reports whether each argument that a rule names is there and has the value. What is not named may be anything. wide is for
// rules that deny. An error says that an argument could not be compared, and that all others fit: who may be denied by the rule
// must be.
func fitsArgs(ctx context.Context, want map[string]string, q Question, wide bool) (bool, error) {
	var doubt error
	for _, name := range sortedKeys(want) {
		v, given := q.Args[name]
		if !given {
			return false, nil
		}
		same, err := fitsValue(ctx, name, want[name], fmt.Sprint(v), q, wide)
		switch {
		case err != nil:
			doubt = fmt.Errorf("this host cannot say what %s=%v names: %w", name, v, err)
		case !same:
			return false, nil
		}
	}
	return doubt == nil, doubt
}

func fitsValue(ctx context.Context, name, pattern, value string, q Question, wide bool) (bool, error) {
	if strings.Trim(pattern, "*") == "" { // anything
		return pattern != "" || value == "", nil
	}
	if q.Spellings == nil {
		return glob(pattern, value), nil
	}
	own, other, err := q.Spellings(ctx, name, value)
	if err != nil {
		return false, err
	}
	names := own
	if wide {
		names = append(append(slices.Clone(own), other...), value)
	}
	if slices.ContainsFunc(names, func(n string) bool { return glob(pattern, n) }) {
		return true, nil
	}
	if strings.Contains(pattern, "*") {
		return false, nil
	}
	meant, _, err := q.Spellings(ctx, name, pattern)
	return err == nil && len(meant) > 0 && len(own) > 0 && meant[0] == own[0], err
}
