package lab_test

import "testing"

func TestPanics(t *testing.T) { panic(shared.Dir()) }
