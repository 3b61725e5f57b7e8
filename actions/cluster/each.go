package cluster

import "sync"

// each does the same for all at once, and keeps their order.
func each[A, B any](of []A, do func(A) B) []B {
	out := make([]B, len(of))
	var wg sync.WaitGroup
	for i, a := range of {
		wg.Go(func() { out[i] = do(a) })
	}
	wg.Wait()
	return out
}
