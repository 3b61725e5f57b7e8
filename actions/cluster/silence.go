package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
)

// silent says whether an error means that nothing came back in time.
func silent(err error) bool {
	return actions.CodeOf(err) == actions.CodeHung ||
		actions.CodeOf(err) == "" && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// silence is why a node does not answer, as the rest of a sentence that begins
// with its name.
func (c *Cluster) silence(n Node, err error) string {
	_, host, _ := strings.Cut(n.Name, "@")
	switch {
	case silent(err):
		return "does not answer in time"
	case actions.CodeOf(err) == actions.CodeNoHost:
		return fmt.Sprintf("cannot be found: the host name %s does not resolve", host)
	case actions.CodeOf(err) == actions.CodeNoEPMD:
		return fmt.Sprintf("cannot be found: no epmd listens on %s", net.JoinHostPort(host, strconv.Itoa(n.EPMDPort)))
	case actions.CodeOf(err) == actions.CodeNotRegistered:
		return fmt.Sprintf("is not registered: epmd does not know %s", n.Alive())
	case actions.CodeOf(err) == actions.CodeRefused:
		return "refuses the connection on its distribution port"
	case actions.CodeOf(err) == actions.CodeWrongCookie:
		return "turns irisops away: the cookies differ"
	case actions.CodeOf(err) == actions.CodeTLS:
		return "and irisops do not agree about TLS: " + c.mask.err(err)
	}
	return "does not answer: " + c.mask.err(err)
}

// shutOut: a node runs there, and does not let irisops in, so that it may be
// well for everybody else.
func shutOut(code string) bool {
	return code == actions.CodeWrongCookie || code == actions.CodeTLS
}

// spoken is a duration for people: "0.4 ms", "29 ms", "1.2 s", "15 min".
func spoken(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 s", " s", 1)
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	if d >= 72*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}

// listed is "a", "a and b", "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// plural is "1 line", "3 lines".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func shorts(nodes []Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Short
	}
	return names
}
