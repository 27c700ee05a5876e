// Package e2e tests the real binary on real Debian hosts (package lab): what README promises, as a person would type it.
// Its tests carry the build tag lab.
package e2e
