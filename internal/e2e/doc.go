// Package e2e tests the real binary on real Debian hosts (package lab): the example in the README, typed as a person
// would type it. Its tests have the build tag lab.
package e2e
