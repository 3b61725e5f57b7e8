package chart

import (
	"bytes"
	"image/png"
	"os"
	"testing"
	"time"

	"irisops/bot/incident"
	"irisops/bot/stats"
)

func sample() []stats.Row {
	span := func(n int, d time.Duration) stats.Span { return stats.Span{Count: n, Median: d, Longest: 2 * d} }
	month := func(m int) time.Time { return time.Date(2026, time.Month(m), 1, 0, 0, 0, 0, time.UTC) }
	return []stats.Row{
		{Month: month(6), Priority: incident.P0, Count: 1, Acknowledge: span(1, 90*time.Second), Recover: span(1, 22*time.Minute)},
		{Month: month(6), Priority: incident.P1, Count: 3, Acknowledge: span(3, 7*time.Minute), Recover: span(2, 51*time.Minute)},
		{Month: month(5), Priority: incident.P2, Count: 3, Acknowledge: span(3, 33*time.Minute), Recover: span(2, 4*time.Hour)},
		{Month: month(4), Priority: incident.P0, Count: 1, Acknowledge: span(1, 40*time.Second), Recover: span(1, 9*time.Minute)},
	}
}

func TestPNG(t *testing.T) {
	got, err := PNG(sample())
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("CHART_OUT"); path != "" {
		os.WriteFile(path, got, 0o600)
	}
	img, err := png.Decode(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[4]uint32]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, a := img.At(x, y).RGBA()
			colours[[4]uint32{r, g, b, a}] = true
		}
	}
	if len(colours) < 10 {
		t.Errorf("%d colours: it is empty", len(colours))
	}
}
