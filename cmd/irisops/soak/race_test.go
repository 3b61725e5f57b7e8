//go:build race

package soak

// raced: irisops is built as the tests are.
const (
	raced    = true
	raceCost = 8
)
