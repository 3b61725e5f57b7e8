// Package post sends a page by one HTTP request, for the back ends that do, and
// says whether it may have arrived when it fails: before the request was written
// it has not, after that nobody knows. What is told of a failure never holds the
// address, which may be a secret itself.
package post

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"irisops/bot/pager"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// Client follows no redirects: where a page goes is for the config to say.
func Client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer is what the far end said.
type Answer struct {
	Status int
	Body   string
	Wait   time.Duration // how long it asks to wait; 0: it does not say
}

// Do sends the request once. The error carries the verdict; with none there is an
// answer to judge.
func Do(ctx context.Context, client *http.Client, r *http.Request) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, pager.Retry(err)
	}
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	resp, err := client.Do(r.WithContext(ctx))
	if err != nil {
		return Answer{}, failed(err, wrote.Load())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	a := Answer{Status: resp.StatusCode, Body: string(body), Wait: wait(resp.Header.Get("Retry-After"))}
	if err != nil && a.Status/100 != 2 {
		return Answer{}, failed(err, true)
	}
	return a, nil
}

func failed(err error, wrote bool) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address
	}
	if wrote {
		return pager.Unsure(fmt.Errorf("no answer: %w", err))
	}
	return pager.Retry(fmt.Errorf("no connection: %w", err))
}

// wait reads a Retry-After of seconds or a date.
func wait(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// Verdict judges an answer by its status: 2xx has it, 408, 425, 429 and 5xx may be
// tried again, anything else will never take it. What it says is told without the
// secrets, whole or in part.
func (a Answer) Verdict(secrets ...string) error {
	if a.Status/100 == 2 {
		return nil
	}
	err := fmt.Errorf("it answers %d %s%s", a.Status, http.StatusText(a.Status), a.said(secrets))
	switch {
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly, a.Status == http.StatusTooManyRequests, a.Status >= 500:
		if a.Wait > 0 {
			return pager.RetryAfter(err, a.Wait)
		}
		return pager.Retry(err)
	}
	return pager.Final(err)
}

// leastPart is the shortest part of a secret that is one by itself.
const leastPart = 8

// hidden are the secrets and what of them a far end may repeat, the longest
// first: of an address its path and its query, of a header what follows its kind.
func hidden(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		all = append(all, s)
		parts := strings.Fields(s)
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			parts = append(strings.Split(u.Path, "/"), strings.Split(u.EscapedPath(), "/")...)
			for _, values := range u.Query() {
				parts = append(parts, values...)
			}
			parts = append(parts, u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery)
		}
		for _, p := range parts {
			if len(p) >= leastPart {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

func (a Answer) said(secrets []string) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(a.Body, "")), " ")
	for _, s := range hidden(secrets) {
		text = strings.ReplaceAll(text, s, "[secret]")
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + " ..."
	}
	if text == "" {
		return ""
	}
	return ": " + text
}
