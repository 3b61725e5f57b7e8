package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// File is a file that was shown in a message.
type File struct {
	ID, Name, Title string
	Bytes           []byte
	length          int
	shown           bool
}

// filesGetUploadURL: https://docs.slack.dev/reference/methods/files.getUploadURLExternal
func (s *Slack) filesGetUploadURL(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	length, err := strconv.Atoi(r.Form.Get("length"))
	name := r.Form.Get("filename")
	if err != nil || length < 1 || name == "" || strings.ContainsAny(name, "/\x00") {
		return no("invalid_arguments")
	}
	s.clock++
	f := &File{ID: fmt.Sprintf("F%d", s.clock), Name: name, length: length}
	s.files = append(s.files, f)
	return answer{"ok": true, "upload_url": s.uploads + "/upload/" + f.ID, "file_id": f.ID}
}

// serveUpload takes the bytes, as they are or in a form.
func (s *Slack) serveUpload(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		part, _, err := r.FormFile("file")
		if err != nil {
			http.Error(w, "no file", http.StatusBadRequest)
			return
		}
		body, _ = io.ReadAll(part)
	} else {
		body, _ = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.ID != strings.TrimPrefix(r.URL.Path, "/upload/") {
			continue
		}
		if len(body) != f.length {
			http.Error(w, "another length than was said", http.StatusBadRequest)
			return
		}
		f.Bytes = body
		fmt.Fprintf(w, "OK - %d", len(body))
		return
	}
	http.NotFound(w, r)
}

// filesComplete: https://docs.slack.dev/reference/methods/files.completeUploadExternal
func (s *Slack) filesComplete(r *http.Request) answer {
	var list []struct{ ID, Title string }
	if err := json.Unmarshal([]byte(r.Form.Get("files")), &list); err != nil || len(list) == 0 {
		return no("invalid_arguments")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, thread := r.Form.Get("channel_id"), r.Form.Get("thread_ts")
	if code := s.writable(id); code != "" {
		return no(code)
	}
	if head := s.message(id, thread); thread != "" && (head == nil || head.Thread != "") {
		return no("thread_not_found")
	}
	m := &Message{Channel: id, TS: s.next(), Thread: thread, User: BotUser, Bot: true}
	shared := []any{}
	for _, want := range list {
		var f *File
		for _, have := range s.files {
			if have.ID == want.ID {
				f = have
			}
		}
		switch {
		case f == nil:
			return no("file_not_found")
		case f.Bytes == nil || f.shown:
			return no("file_update_failed")
		}
		f.Title, f.shown = want.Title, true
		m.files = append(m.files, f)
		shared = append(shared, answer{"id": f.ID, "title": f.Title})
	}
	m.states = []string{m.filesShown()}
	s.channels[id].messages = append(s.channels[id].messages, m)
	s.echo(m)
	s.touch()
	return answer{"ok": true, "files": shared}
}

func (m *Message) filesShown() string {
	var lines []string
	for _, f := range m.files {
		lines = append(lines, "[file "+f.Name+"]")
	}
	return strings.Join(lines, "\n")
}

// FileIn is the text of the one file in a message.
func (s *Slack) FileIn(m *Message) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(m.files) != 1 {
		s.t.Fatalf("slacktest: the message holds %d files", len(m.files))
	}
	return string(m.files[0].Bytes)
}
