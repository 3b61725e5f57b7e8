package pager

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// groupFrom is from how many waiting pages on they go to one person as one.
const groupFrom = 4

// listed is how many pages of a group are quoted; the others are named.
const listed = 10

// together makes one page of many for the same person by the same channel: what
// is most urgent is quoted, and every incident is named, so that none is hidden.
func together(pages []Page) Page {
	first := pages[0]
	if len(pages) == 1 {
		return first
	}
	for _, p := range pages {
		first.PossibleDuplicate = first.PossibleDuplicate || p.PossibleDuplicate
		first.Attempts = max(first.Attempts, p.Attempts)
		first.Wide = first.Wide && p.Wide
		if len(first.Next) == 0 {
			first.Next = p.Next
		}
		if p.Late() > first.Late() {
			first.Queued, first.Due = p.Queued, p.Due
		}
	}
	first.Text = groupText(pages)
	first.Incident = "" // it belongs to no single one
	return first
}

func groupText(pages []Page) string {
	sorted := slices.Clone(pages)
	slices.SortStableFunc(sorted, func(a, b Page) int { return cmp.Compare(urgency(a), urgency(b)) })
	var text strings.Builder
	fmt.Fprintf(&text, "%d pages at once, for %s", len(pages), named(pages))
	for _, p := range sorted[:min(len(sorted), listed)] {
		line, _, _ := strings.Cut(p.Text, "\n")
		text.WriteString("\n" + line)
	}
	if more := len(sorted) - listed; more > 0 {
		fmt.Fprintf(&text, "\nand %d more of those named above; `status` shows each.", more)
	}
	return text.String()
}

// urgency is the priority that the step's name begins with; what is no step of a
// policy comes last.
func urgency(p Page) string {
	if len(p.Step) >= 2 && p.Step[0] == 'P' && p.Step[1] >= '0' && p.Step[1] <= '9' {
		return p.Step[:2]
	}
	return "~"
}

// named names the incidents of the pages: "INC-1 to INC-3, INC-7".
func named(pages []Page) string {
	var numbers []int
	var others []string
	for _, p := range pages {
		n, err := strconv.Atoi(strings.TrimPrefix(p.Incident, "INC-"))
		switch {
		case err == nil:
			numbers = append(numbers, n)
		case p.Incident == "":
			others = append(others, "no incident")
		default:
			others = append(others, p.Incident)
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var names []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		switch {
		case last > i+1:
			names = append(names, fmt.Sprintf("INC-%d to INC-%d", numbers[i], numbers[last]))
			i = last + 1
		default:
			names = append(names, fmt.Sprintf("INC-%d", numbers[i]))
			i++
		}
	}
	slices.Sort(others)
	return strings.Join(append(names, slices.Compact(others)...), ", ")
}
