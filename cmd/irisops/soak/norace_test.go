//go:build !race

package soak

const (
	raced    = false
	raceCost = 1
)
