package console

import (
	"strings"

	"irisops/bot/message"
)

// table lays out a table: columns as wide as they need to be, the widest ones
// wrapped where the line is too short, and where even words do not fit beside
// each other, row by row.
func (r *renderer) table(t message.Table) {
	header, rows := r.cells(t)
	if len(rows) == 0 && header == nil {
		return
	}
	left := r.left + margin
	widths, ok := layout(header, rows, r.width-len(left))
	if !ok {
		r.stacked(header, rows)
		return
	}
	right := figures(rows, len(widths))
	if header != nil {
		r.row(left, header, widths, right, bold)
	}
	for _, row := range rows {
		r.row(left, row, widths, right, normal)
	}
	if len(rows) == 0 {
		r.put(left, left, "(none)", dim)
	}
}

// cells makes every row of equal length, and every cell one line.
func (r *renderer) cells(t message.Table) (header []string, rows [][]string) {
	n := len(t.Header)
	for _, row := range t.Rows {
		n = max(n, len(row))
	}
	even := func(row []string) []string {
		cells := make([]string, n)
		for i, c := range row {
			cells[i] = r.line(c)
		}
		return cells
	}
	if len(t.Header) > 0 {
		header = even(t.Header)
		for i, h := range header {
			header[i] = strings.ToUpper(h)
		}
	}
	for _, row := range t.Rows {
		rows = append(rows, even(row))
	}
	return header, rows
}

// layout gives each column its width. False if the longest words do not fit
// beside each other.
func layout(header []string, rows [][]string, room int) ([]int, bool) {
	var widths, least []int
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths, least = append(widths, 0), append(least, 0)
			}
			widths[i] = max(widths[i], columns(cell))
			for _, word := range strings.Fields(cell) {
				least[i] = max(least[i], columns(word))
			}
		}
	}
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > room; total-- {
		shrink := -1
		for i, w := range widths {
			if w > least[i] && (shrink < 0 || w > widths[shrink]) {
				shrink = i
			}
		}
		if shrink < 0 {
			return nil, false
		}
		widths[shrink]--
	}
	return widths, true
}

// figures tells the columns that hold nothing but numbers.
func figures(rows [][]string, n int) []bool {
	right := make([]bool, n)
	for i := range right {
		some := false
		right[i] = true
		for _, row := range rows {
			if row[i] == "" || row[i] == "-" {
				continue
			}
			some = true
			right[i] = right[i] && isNumber(row[i])
		}
		right[i] = right[i] && some
	}
	return right
}

// row is one row of a table: as many lines as its tallest cell.
func (r *renderer) row(left string, cells []string, widths []int, right []bool, look paint) {
	wrapped := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
		wrapped[i] = wrap(c, widths[i])
		height = max(height, len(wrapped[i]))
	}
	for y := range height {
		line := left
		for i, lines := range wrapped {
			cell := ""
			if y < len(lines) {
				cell = lines[y]
			}
			space := strings.Repeat(" ", max(0, widths[i]-columns(cell)))
			if right[i] {
				line += space + r.painted(cell, look)
			} else {
				line += r.painted(cell, look) + space
			}
			line += strings.Repeat(" ", gap)
		}
		r.add(line)
	}
}

// stacked shows each row by itself, a line a cell.
func (r *renderer) stacked(header []string, rows [][]string) {
	for i, row := range rows {
		if i > 0 {
			r.blank()
		}
		if header == nil {
			for j, cell := range row {
				left := r.left + margin + strings.Repeat(" ", min(j, 1)*gap)
				if cell != "" {
					r.put(left, left, cell, normal)
				}
			}
			continue
		}
		var fields []message.Field
		for j, cell := range row {
			if cell != "" {
				fields = append(fields, message.Field{Name: header[j], Value: cell})
			}
		}
		r.fields(fields)
	}
}
