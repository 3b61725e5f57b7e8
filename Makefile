# irisops: `make run` starts the bot, `make test` runs every test. Both install
# the few Debian packages they need and nothing else.

GO      ?= go
ARGS    ?=
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)

.PHONY: all build run test lint bench growth pictures erlang tls cc sshd browser promtool alertmanager systemd vulncheck fuzz second-opinion soak soak-mixed soak-parts clean

all: build

build:
	@echo "building bin/irisops (the first time takes about half a minute)" >&2
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/irisops ./cmd/irisops

# With nothing given this is the demo: a local cluster of real Erlang nodes and
# the conversation in the terminal. ARGS='run --config FILE' starts the bot.
run: build erlang
	./bin/irisops $(ARGS)

# Started first, so that none of them is waited for alone at the end.
LONGEST := ./bot/watch ./cmd/irisops ./cmd/irisops/soak ./actions/cluster ./bot

test: erlang tls cc sshd browser promtool alertmanager systemd
	$(GO) test -race -timeout 14m $(LONGEST) ./...
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3s
	@echo "what the diagnosis said to each fault:"; cat build/fault-matrix.txt

lint:
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) tool staticcheck ./...
	$(GO) mod verify

# Asks Go's database of known vulnerabilities, so it needs the internet.
vulncheck:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

# What comes from outside, with any bytes: what people type, what Slack delivers
# and is sent, alerts, the config, what nodes, epmd and edges answer. Found inputs
# that break something land in testdata/fuzz.
FUZZTIME ?= 5m
FUZZ     := bot/command:FuzzParse bot/command:FuzzFill bot/slack:FuzzInbound bot/slack:FuzzRender \
            bot/intake:FuzzParse cmd/irisops/config:FuzzRead \
            actions/erlang:FuzzHandle actions/erlang/term:FuzzDecode actions/erlang/epmd:FuzzReplies actions/edge:FuzzDecode

fuzz:
	@mkdir -p build
	@for f in $(FUZZ); do echo "fuzzing $$f for $(FUZZTIME)"; \
		$(GO) test ./$${f%%:*} -run '^$$' -fuzz "^$${f##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s >build/fuzz.txt 2>&1 || { cat build/fuzz.txt; exit 1; }; done

# What the bot says in Slack, against an emulator of the Web API that is not
# ours: npm emulate, on Node 20 or later.
second-opinion:
	@.ci/install npm:npm
	@.ci/npm emulate@0.12.2
	$(GO) test -tags secondopinion -count=1 -run '^TestSecondOpinion$$' ./bot/slack

# Everything at once, and broken at random, for SOAK: real nodes, Slack, mail and
# disk fail while people type and clients send; then its parts at length: ten
# thousand commands in Slack under faults, a thousand kills of the bot while it
# pages by mail, and an hour in which watch sees a healthy cluster and declares
# nothing. With the ten minutes that SOAK says if nobody else does it takes an hour
# and a half; soak-mixed is the ten minutes alone. SEED=N makes the choices of that
# run once more.
SOAK ?= 10m

soak: soak-mixed soak-parts

soak-mixed: erlang
	SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./cmd/irisops/soak

soak-parts: erlang
	IRISOPS_COMMANDS=10000 $(GO) test -count=1 -timeout 30m -v -run '^TestFaultRun$$' ./bot/slack
	IRISOPS_SOAK=1000 $(GO) test -count=1 -timeout 60m -v -run '^TestKilledAgainAndAgain$$' ./bot
	SOAK=1h $(GO) test -count=1 -timeout 90m -v -run '^TestSoakHealthy$$' ./bot/watch

# One table of all figures: value, bound, what part of it is used, held or missed.
# A miss is said and fails nothing. What go test printed stays in build/bench.txt,
# for benchstat. Takes about ten minutes.
bench: build erlang
	@$(GO) run ./cmd/bench

# The picture of how cost grows with the incidents, in docs/.
growth:
	@$(GO) run ./cmd/bench -bench '^BenchmarkGrowth$$' -kept build/growth.txt -plot docs/growth.png ./cmd/irisops

# What people see in Slack and on the board, into build/pictures, to be looked at;
# some of them stand in docs/.
pictures: erlang browser
	@mkdir -p build/pictures
	SLACK_PICTURES=$(CURDIR)/build/pictures $(GO) test -count=1 -run '^(TestWholeLoopOnTheLab|TestDirectMessage)$$' ./bot/slack
	BOARD_PICTURES=$(CURDIR)/build/pictures $(GO) test -count=1 -run '^TestBoard$$' ./cmd/irisops

# Real Erlang nodes need the runtime, Mnesia, the compiler and os_mon. The race
# detector needs a C compiler. sh -c stands here, in the build, not in the bot.
erlang:
	@.ci/install erl:erlang-base erlc:erlang-base mnesia:erlang-mnesia

# Nodes of the tests that speak TLS to each other.
tls: erlang
	@.ci/install ssl:erlang-ssl

cc:
	@.ci/install cc:gcc headers:libc6-dev

# A real sshd for the tests: unpacked into build/, never installed.
sshd:
	@.ci/unpack openssh-server

# A real browser, and axe-core, which finds what a page lacks for those who use
# it by keyboard or screen reader.
browser:
	@.ci/install chromium:chromium npm:npm
	@.ci/npm axe-core@4.14.1

# A real Alertmanager that sends alerts, unpacked as sshd is.
alertmanager:
	@.ci/unpack prometheus-alertmanager

# systemd's own reader of units; it need not run.
systemd:
	@.ci/install systemd-analyze:systemd

# Prometheus's own checker of rules and figures, unpacked as sshd is.
promtool:
	@.ci/unpack prometheus

clean:
	rm -rf bin build
