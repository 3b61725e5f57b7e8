// Package chart draws statistics as a picture, for those who would rather look
// than read.
package chart

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-analyze/charts"

	"irisops/bot/incident"
	"irisops/bot/stats"
)

// months is the most that fit the picture and can still be read.
const months = 12

// PNG draws the median time to acknowledge and to recover, month by month, a bar
// for each priority. nil if there is nothing to draw.
func PNG(rows []stats.Row) ([]byte, error) {
	order := lastMonths(rows)
	if len(order) == 0 {
		return nil, nil
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: 900, Height: 700})
	p.FilledRect(0, 0, 900, 700, charts.ColorWhite, charts.ColorWhite, 0)
	for i, part := range []struct {
		title string
		span  func(stats.Row) stats.Span
	}{
		{"Median time to acknowledge, minutes", func(r stats.Row) stats.Span { return r.Acknowledge }},
		{"Median time to recover, minutes", func(r stats.Row) stats.Span { return r.Recover }},
	} {
		half := p.Child(charts.PainterBoxOption(charts.NewBox(0, 350*i, 900, 350*(i+1))))
		if err := bars(half, part.title, order, rows, part.span); err != nil {
			return nil, fmt.Errorf("the picture could not be drawn: %w", err)
		}
	}
	return p.Bytes()
}

func bars(p *charts.Painter, title string, order []time.Time, rows []stats.Row, span func(stats.Row) stats.Span) error {
	var values [][]float64
	var names, labels []string
	for _, priority := range incident.Priorities {
		line := make([]float64, len(order))
		for i := range line {
			line[i] = charts.GetNullValue()
		}
		for _, r := range rows {
			if i := slices.IndexFunc(order, r.Month.Equal); i >= 0 && r.Priority == priority && span(r).Count > 0 {
				line[i] = math.Round(span(r).Median.Minutes()*10) / 10
			}
		}
		values, names = append(values, line), append(names, string(priority))
	}
	for _, m := range order {
		labels = append(labels, m.Format("Jan 2006"))
	}
	o := charts.NewBarChartOptionWithData(values)
	o.Title.Text = title
	o.Legend.SeriesNames = names
	o.CategoryAxis.Labels = labels
	for i := range o.SeriesList {
		o.SeriesList[i].Label.Show = charts.Ptr(true)
	}
	return p.BarChart(o)
}

// lastMonths are the latest months of the rows, in order.
func lastMonths(rows []stats.Row) []time.Time {
	var all []time.Time
	for _, r := range rows {
		if !slices.ContainsFunc(all, r.Month.Equal) {
			all = append(all, r.Month)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all[max(0, len(all)-months):]
}
