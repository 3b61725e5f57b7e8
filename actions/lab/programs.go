package lab

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"irisops/actions"
)

// needPrograms refuses to begin where something is missing, and names the
// packages that hold it.
func needPrograms() error {
	var missing, packages []string
	for _, p := range []struct{ program, debian string }{
		{"make", "make"}, {"erl", "erlang-base"}, {"erlc", "erlang-base"}, {"epmd", "erlang-base"},
	} {
		if _, err := exec.LookPath(p.program); err != nil {
			missing, packages = append(missing, p.program), append(packages, p.debian)
		}
	}
	if !hasMnesia() {
		missing, packages = append(missing, "Erlang's mnesia"), append(packages, "erlang-mnesia")
	}
	if len(missing) == 0 {
		return nil
	}
	return &actions.Error{Code: CodeMissingProgram,
		Text: "The lab needs what is not installed here: " + strings.Join(missing, ", ") + ".",
		Hint: "On Debian: apt-get install " + strings.Join(slices.Compact(packages), " ")}
}

// hasMnesia looks beside erl, which every installation links to from its own
// tree: .../erlang/bin/erl and .../erlang/lib/mnesia-VERSION. Where that tree
// looks otherwise it assumes the best.
func hasMnesia() bool {
	erl, err := exec.LookPath("erl")
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(erl)
	if err != nil {
		return true
	}
	libraries := filepath.Join(filepath.Dir(filepath.Dir(real)), "lib")
	kernel, _ := filepath.Glob(filepath.Join(libraries, "kernel-*"))
	mnesia, _ := filepath.Glob(filepath.Join(libraries, "mnesia-*"))
	return len(kernel) == 0 || len(mnesia) > 0
}
