package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// sizes are how many incidents BenchmarkGrowth goes up to.
var sizes = []int{100, 1000, 10_000, 100_000}

// draw makes the picture of how cost grows. Both axes are logarithmic, so that a
// line that rises as steeply as the grid is cost in proportion.
func draw(path string, seen measured) error {
	start, err := curve(seen, "ms/start")
	if err != nil {
		return err
	}
	size, err := curve(seen, "MB-database")
	if err != nil {
		return err
	}
	memory, err := curve(seen, "MB-process")
	if err != nil {
		return err
	}
	var x []float64
	var across []chartdraw.Tick
	for _, n := range sizes {
		x = append(x, math.Log10(float64(n)))
		across = append(across, chartdraw.Tick{Value: math.Log10(float64(n)), Label: show(float64(n), "")})
	}
	var up []chartdraw.Tick
	var lines []chartdraw.GridLine
	for power := 0.0; power <= 4; power++ {
		up = append(up, chartdraw.Tick{Value: power, Label: show(math.Pow(10, power), "")})
		lines = append(lines, chartdraw.GridLine{Value: power})
	}
	line := func(name string, y []float64, colour drawing.Color) chartdraw.ContinuousSeries {
		return chartdraw.ContinuousSeries{Name: name, XValues: x, YValues: y,
			Style: chartdraw.Style{StrokeColor: colour, StrokeWidth: 2.5, DotColor: colour, DotWidth: 4}}
	}
	grid := chartdraw.Style{StrokeColor: chartdraw.ColorLightGray, StrokeWidth: 1}
	last := func(y []float64, unit string) string { return show(math.Pow(10, y[len(y)-1]), unit) }
	chart := chartdraw.Chart{
		Width: 900, Height: 520,
		Background: chartdraw.Style{Padding: chartdraw.Box{Top: 60, Left: 20, Right: 20, Bottom: 20}},
		XAxis:      chartdraw.XAxis{Name: "incidents that are over (both axes are logarithmic; measured in " + time.Now().Format("January 2006") + ")", Ticks: across},
		YAxis: chartdraw.YAxis{Name: "ms, or MB", Ticks: up, GridLines: lines, GridMajorStyle: grid,
			Range: &chartdraw.ContinuousRange{Min: 0, Max: 4}},
		YAxisSecondary: chartdraw.YAxis{Style: chartdraw.Hidden()},
		Series: []chartdraw.Series{
			line("full start: "+last(start, "ms"), start, chartdraw.ColorRed),
			line("database: "+last(size, "MB"), size, chartdraw.ColorBlue),
			line("memory: "+last(memory, "MB"), memory, chartdraw.ColorGreen),
		},
	}
	chart.Elements = []chartdraw.Renderable{chartdraw.LegendThin(&chart)}
	var picture bytes.Buffer
	if err := chart.Render(chartdraw.PNG, &picture); err != nil {
		return fmt.Errorf("the picture could not be drawn: %w", err)
	}
	return os.WriteFile(path, picture.Bytes(), 0o644)
}

// curve are the logarithms of a figure at each size.
func curve(seen measured, unit string) (y []float64, err error) {
	for _, n := range sizes {
		at := fmt.Sprintf("cmd/irisops.Growth/%d %s", n, unit)
		v, ok := seen.median(at)
		if !ok {
			return nil, fmt.Errorf("nothing to draw: %s was not measured", at)
		}
		y = append(y, math.Log10(v))
	}
	return y, nil
}
