package packages

import (
	"time"

	"fleet/plugins/plugin"
)

const (
	// A name that ends in '-' would be a removal to apt-get, one that starts with it an option to everybody.
	namePattern    = `[A-Za-z0-9]([A-Za-z0-9._+:-]*[A-Za-z0-9._+])?`
	versionPattern = `[A-Za-z0-9][A-Za-z0-9.+~:^_-]*`
	maxName        = 90

	readLimit   = time.Minute
	changeLimit = 10 * time.Minute // another program's lock is waited for within it
)

// Declaration is what the plugin "package" says of itself, on every host the same.
func Declaration() plugin.Declaration {
	return plugin.Declaration{
		Name:        "package",
		Description: "Look at, install, update and remove packages with the host's own package manager",
		Author:      "the fleet authors",
		Version:     "1.0.0",
		Timeout:     readLimit,
		Actions: []plugin.Action{
			{
				Name: "status", Kind: plugin.Read,
				Description: "Say which version of a package is installed, or that it is absent",
				Inputs:      []plugin.Input{packageInput()},
				Outputs:     packageOutputs(),
				Summaries:   packageSummaries(),
			},
			{
				Name: "install", Kind: plugin.Change, Detached: true, Timeout: changeLimit,
				Description: "Install a package, or bring it to the given version, also an older one",
				Inputs: []plugin.Input{packageInput(), {
					Name: "version", Prompt: "Version", Type: plugin.String, Optional: true, Positional: true,
					Description: "The version to have; the release and the epoch may be left out",
					Pattern:     versionPattern, MaxLength: maxName,
				}},
				Outputs: changeOutputs(), Summaries: packageSummaries(),
			},
			{
				Name: "update", Kind: plugin.Change, Detached: true, Timeout: changeLimit,
				Description: "Refresh the lists and bring an installed package to the newest version; skipped where it is absent",
				Inputs:      []plugin.Input{packageInput()},
				Outputs:     changeOutputs(), Summaries: packageSummaries(),
			},
			{
				Name: "uninstall", Kind: plugin.Change, Detached: true, Timeout: changeLimit,
				Description: "Remove a package and what needs it; changed configuration files stay",
				Inputs:      []plugin.Input{packageInput()},
				Outputs:     removeOutputs(), Summaries: ensureSummary(),
			},
			{
				Name: "purge", Kind: plugin.Change, Detached: true, Timeout: changeLimit,
				Description: "Remove a package, what needs it and, where the manager can, its configuration files",
				Inputs:      []plugin.Input{packageInput()},
				Outputs:     removeOutputs(), Summaries: ensureSummary(),
			},
			{
				Name: "count", Kind: plugin.Read,
				Description: "Count the installed packages",
				Outputs:     []plugin.Output{{Name: "count", Label: "Count", Description: "How many packages are installed"}, provider()},
				Summaries:   []plugin.Summary{{Output: "count", By: plugin.CountValues}},
			},
			{
				Name: "md5", Kind: plugin.Read,
				Description: "Give one checksum over all installed packages, to see which hosts have the same",
				Outputs: []plugin.Output{
					{Name: "md5", Label: "MD5", Description: "MD5 of the sorted lines \"name-version.arch\""},
					{Name: "count", Label: "Count", Description: "How many packages are installed"}, provider(),
				},
				Summaries: []plugin.Summary{{Output: "md5", By: plugin.CountValues}},
			},
			{
				Name: "checkupdates", Kind: plugin.Read, Timeout: 5 * time.Minute,
				Description: "List the packages that have something newer, as of the last refresh",
				Outputs: []plugin.Output{
					{Name: "updates", Label: "Updates", Description: "The packages: name, old and new version"},
					{Name: "held", Label: "Held back", Description: "The packages that something on the host keeps from being updated: name, old and new version"},
					{Name: "count", Label: "Outdated", Description: "How many packages have something newer", Default: int64(0)}, provider(),
				},
				Summaries: []plugin.Summary{{Output: "count", By: plugin.CountValues}},
			},
			{
				Name: "refresh", Kind: plugin.Change, Detached: true, Timeout: changeLimit, Display: plugin.DisplayFailed,
				Description: "Fetch the lists of what the repositories have",
				Outputs:     []plugin.Output{provider()},
			},
		},
	}
}

func packageInput() plugin.Input {
	return plugin.Input{
		Name: "package", Prompt: "Package name", Type: plugin.String, Positional: true,
		Description: "The package's name, as this host's package manager calls it",
		Pattern:     namePattern, MaxLength: maxName,
	}
}

func provider() plugin.Output {
	return plugin.Output{Name: "provider", Label: "Provider", Description: "The package manager: apt, dnf, yum, zypper, pacman or apk"}
}

func packageOutputs() []plugin.Output {
	return []plugin.Output{
		{Name: "ensure", Label: "Ensure", Description: "The installed version in full, or absent"},
		{Name: "status", Label: "Status", Description: "installed, absent, config-files, or what a broken off change left, such as half-configured"},
		{Name: "name", Label: "Name", Description: "The package's name"},
		{Name: "version", Label: "Version", Description: "The version without epoch and release"},
		{Name: "release", Label: "Release", Description: "The distribution's release of that version"},
		{Name: "epoch", Label: "Epoch", Description: "The epoch, 0 where there is none"},
		{Name: "arch", Label: "Arch", Description: "The architecture it was built for"},
		{Name: "held", Label: "Held", Description: "Whether dpkg is told to keep this version; other managers say so on update"},
		{Name: "versions", Label: "Versions", Description: "Where several versions are installed side by side, as kernels are: all of them in full, the newest first"},
		provider(),
	}
}

func changeOutputs() []plugin.Output {
	return append(packageOutputs(),
		plugin.Output{Name: "changed", Label: "Changed", Description: "Whether this run changed the package", Default: false},
		plugin.Output{Name: "old", Label: "Old", Description: "The version before, or absent"},
		plugin.Output{Name: "new", Label: "New", Description: "The version now, or absent"},
	)
}

func removeOutputs() []plugin.Output {
	return append(changeOutputs(),
		plugin.Output{Name: "also_removed", Label: "Also removed", Description: "Other packages that went with it because they needed it"})
}

func packageSummaries() []plugin.Summary {
	return append(ensureSummary(), plugin.Summary{Output: "arch", By: plugin.CountValues})
}

func ensureSummary() []plugin.Summary {
	return []plugin.Summary{{Output: "ensure", By: plugin.CountValues}}
}
