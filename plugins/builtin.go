package plugins

import (
	"log/slog"
	"slices"

	"fleet/plugins/fstat"
	"fleet/plugins/jobs"
	"fleet/plugins/node"
	"fleet/plugins/packages"
	"fleet/plugins/plugin"
	"fleet/plugins/rpcutil"
	"fleet/plugins/service"
)

// Host is what the plugins that report on the node itself need of it, one small interface each.
type Host interface {
	rpcutil.Host
	rpcutil.Facts
	node.Host
	node.Mesh
	jobs.Host
}

// Builtin returns the plugins that every node has. It finds the host's package manager, but asks host for nothing.
func Builtin(host Host, log *slog.Logger) (*Set, error) {
	return New(append(withoutNode(log), jobs.New(host), node.New(host, host), rpcutil.New(host, host))...)
}

// WithoutNode returns those of them that need no node, among them all that have actions which run detached.
func WithoutNode(log *slog.Logger) (*Set, error) { return New(withoutNode(log)...) }

func withoutNode(log *slog.Logger) []plugin.Plugin {
	return []plugin.Plugin{packages.New(log), service.New(), fstat.Plugin{}}
}

// BuiltinDeclarations returns what the built-in plugins say of themselves, by name, for those who have no host.
func BuiltinDeclarations() []plugin.Declaration {
	list := []plugin.Declaration{packages.Declaration(), service.Declaration(), fstat.Plugin{}.Declaration(), jobs.Declaration(), node.Declaration(), rpcutil.Declaration()}
	slices.SortFunc(list, byName)
	return list
}
