// Package fstat is the plugin and the data function that report on one file: whether it exists, its kind, size, mode,
// owner, time and checksums. It opens files for reading only, and only regular ones.
//
// A symbolic link has the type "symlink" and its own mode, owner and time, but the size and checksums of the file
// that it points to, if that is a regular file.
package fstat
