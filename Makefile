# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make              build/synkeep, without root
# make demo         installs what is missing, builds, shows the shield at work in throw-away namespaces (root)
# make check        installs what is missing, builds, passes every test (root)
# make check-unit, check-fuzz, check-bpf, check-differential, check-net     one level of tests
# make fuzz         fuzzes for FUZZ_SECONDS (600) a target
# make bench        every table of docs/performance.md: cost, memory, behaviour under flood (root)
# make deps, install, format, vmlinux, clean
#
# V=1 shows the commands. CC=clang builds the user side with clang. Everything made goes under build/.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)';
else
Q :=
say =
endif

BUILD := build
PREFIX ?= /usr/local
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
# clang-19 is the compiler that the programs were verified with; another will do if it is all there is.
BPF_CLANG ?= $(firstword $(shell command -v clang-19 clang-20 clang-18 clang-17 clang-16 clang))
BPFTOOL ?= $(firstword $(shell command -v bpftool /usr/sbin/bpftool /usr/local/sbin/bpftool))
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 600
CPUS := $(shell nproc)

WARNINGS := -Wall -Wextra -Werror
CFLAGS ?= -O2 -g
USER_CPPFLAGS := -Iinclude -Iuser -I$(BUILD) -D_GNU_SOURCE
USER_CFLAGS := -std=gnu11 $(WARNINGS) -Wstrict-prototypes -Wmissing-prototypes -Wshadow $(CFLAGS)
USER_LIBS := -lxdp -lbpf -ljson-c -lm
# A callback has the parameters that the kernel gives it, used or not.
BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 -Iinclude -Ibpf -Ivmlinux $(WARNINGS) \
	-Wno-missing-declarations -Wno-unused-function -Wno-unused-parameter

PACKAGES := make gcc clang-19 llvm-19 libclang-rt-19-dev libbpf-dev libxdp-dev libjson-c-dev libelf-dev zlib1g-dev \
	bpftool clang-format libcmocka-dev scdoc python3 python3-pytest python3-pytest-xdist python3-scapy iproute2 ethtool nftables iperf3 \
	netcat-openbsd socat nmap hping3 curl nginx-light wrk procps linux-perf

USER_SOURCES := $(wildcard user/*.c user/tcp/*.c user/daemon/*.c user/apps/*.c)
USER_OBJECTS := $(USER_SOURCES:user/%.c=$(BUILD)/user/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BPF_TESTS := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
BPF_TEST_SUPPORT := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%.o,$(filter-out $(wildcard tests/bpf/test_*.c) %.bpf.c,$(wildcard tests/bpf/*.c)))
BPF_TEST_SKELETONS := $(patsubst tests/bpf/%.bpf.c,$(BUILD)/tests/bpf/%.skel.h,$(wildcard tests/bpf/*.bpf.c))
DIFFERENTIAL := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %.bpf.c,$(wildcard tests/differential/*.c)))
TEST_PROGRAMS := $(patsubst tests/lib/%.bpf.c,$(BUILD)/tests/lib/%.bpf.o,$(wildcard tests/lib/*.bpf.c))
TEST_TOOLS := $(patsubst tests/lib/%.c,$(BUILD)/tests/lib/%,$(filter-out %.bpf.c,$(wildcard tests/lib/*.c)))
BENCH_TOOLS := $(addprefix $(BUILD)/tests/bench/,cost flood_cost plain_server bulk crowd timers expiry)
MAN_PAGES := $(patsubst docs/%.scd,$(BUILD)/docs/%,$(wildcard docs/*.scd))

.PHONY: all
all: $(BUILD)/synkeep

# --- the programs and their skeleton ---------------------------------------------------------------------------------

$(BUILD)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(BPF_CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.skel.h: $(BUILD)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(*F) >$@

# --- the command line ------------------------------------------------------------------------------------------------

$(BUILD)/user/%.o: user/%.c | $(BUILD)/synkeep.skel.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(USER_CPPFLAGS) $(USER_CFLAGS) -MMD -MP -c $< -o $@

# Bound at start: the lazy binder saves vector registers to the stack, with what they hold of a key.
$(BUILD)/synkeep: $(USER_OBJECTS)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -Wl,-z,relro,-z,now $^ $(USER_LIBS) -o $@

# --- tests -----------------------------------------------------------------------------------------------------------

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# What stands on the whole TCP is linked with it; single modules are included by their tests.
TCP_SOURCES := $(wildcard user/tcp/*.c)
UNIT_TCP := $(BUILD)/tests/unit/tcp.a
FUZZ_TCP := $(BUILD)/tests/fuzz/tcp.a

$(BUILD)/tests/unit/tcp/%.o: user/tcp/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(USER_CPPFLAGS) $(USER_CFLAGS) $(SANITIZE) -MMD -MP -c $< -o $@

$(BUILD)/tests/fuzz/tcp/%.o: user/tcp/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(BPF_CLANG) $(USER_CPPFLAGS) $(USER_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -Wno-pass-failed \
		-fno-sanitize-recover=undefined -MMD -MP -c $< -o $@

$(UNIT_TCP): $(TCP_SOURCES:user/tcp/%.c=$(BUILD)/tests/unit/tcp/%.o)
$(FUZZ_TCP): $(TCP_SOURCES:user/tcp/%.c=$(BUILD)/tests/fuzz/tcp/%.o)
$(UNIT_TCP) $(FUZZ_TCP):
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/unit/test_tcp_%: tests/unit/test_tcp_%.c $(UNIT_TCP)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(USER_CPPFLAGS) $(USER_CFLAGS) $(SANITIZE) -MMD -MP $< $(UNIT_TCP) -lcmocka -lm -o $@

$(BUILD)/tests/fuzz/fuzz_tcp_input: tests/fuzz/fuzz_tcp_input.c $(FUZZ_TCP)
	@mkdir -p $(@D)
	$(call say,FUZZER,$@)$(BPF_CLANG) $(USER_CPPFLAGS) $(USER_CFLAGS) -fsanitize=fuzzer,address,undefined -Wno-pass-failed \
		-fno-sanitize-recover=undefined -MMD -MP $< $(FUZZ_TCP) -lm -o $@

# It asks the skeleton what maps there are.
$(BUILD)/tests/unit/test_twin: UNIT_EXTRA := -lbpf
$(BUILD)/tests/unit/test_twin: | $(BUILD)/synkeep.skel.h

$(BUILD)/tests/unit/%: tests/unit/%.c
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(USER_CPPFLAGS) $(USER_CFLAGS) $(SANITIZE) -MMD -MP $< $(UNIT_EXTRA) -lcmocka -lm -o $@

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(call say,FUZZER,$@)$(BPF_CLANG) $(USER_CPPFLAGS) $(USER_CFLAGS) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -MMD -MP $< -lm -o $@

$(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(BPF_CLANG) $(BPF_CFLAGS) -Itests/bpf -MMD -MP -c $< -o $@

$(BUILD)/tests/bpf/%.o: tests/bpf/%.c | $(BUILD)/synkeep.skel.h $(BPF_TEST_SKELETONS)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(USER_CPPFLAGS) -Itests/bpf $(USER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/bpf/%: $(BUILD)/tests/bpf/%.o $(BPF_TEST_SUPPORT)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $^ -lbpf -lcmocka -o $@

$(BUILD)/tests/differential/%.bpf.o: tests/differential/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(BPF_CLANG) $(BPF_CFLAGS) -Itests/differential -MMD -MP -c $< -o $@

$(BUILD)/tests/differential/%.o: tests/differential/%.c | $(BUILD)/tests/differential/conntrack.skel.h
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(USER_CPPFLAGS) -Itests/bpf -Itests/differential $(USER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/differential/test_differential: $(DIFFERENTIAL) $(BPF_TEST_SUPPORT)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $^ -lbpf -lcmocka -o $@

$(BUILD)/tests/lib/%.bpf.o: tests/lib/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(BPF_CLANG) $(BPF_CFLAGS) -Itests/lib -MMD -MP -c $< -o $@

$(BUILD)/tests/lib/%: tests/lib/%.c | $(TEST_PROGRAMS)
	@mkdir -p $(@D)
	$(call say,TOOL,$@)$(CC) $(USER_CPPFLAGS) -Itests/lib $(USER_CFLAGS) -MMD -MP $< -lbpf -o $@

$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$@)$(BPF_CLANG) $(BPF_CFLAGS) -Itests/lib -MMD -MP -c $< -o $@

$(BUILD)/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(USER_CPPFLAGS) -Itests/lib -Itests/bpf $(USER_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/bench/cost: $(addprefix $(BUILD)/tests/,bench/cost.o bench/sample.o bpf/packet_build.o) \
		| $(BUILD)/tests/bench/cost.bpf.o
$(BUILD)/tests/bench/flood_cost: $(addprefix $(BUILD)/tests/bench/,flood_cost.o sample.o) | $(BUILD)/tests/bench/flood_cost.bpf.o
$(BUILD)/tests/bench/crowd: $(BUILD)/tests/bench/crowd.o | $(BUILD)/tests/bench/crowd.bpf.o
$(BUILD)/tests/bench/plain_server: $(BUILD)/tests/bench/plain_server.o
$(BUILD)/tests/bench/bulk: $(BUILD)/tests/bench/bulk.o
$(BUILD)/tests/bench/expiry: $(BUILD)/tests/bench/expiry.o
$(BUILD)/tests/bench/timers: $(addprefix $(BUILD)/,tests/bench/timers.o tests/bench/timer_heap.o user/tcp/timer_wheel.o \
		user/daemon/horizon.o)
$(BENCH_TOOLS):
	$(call say,LINK,$@)$(CC) $(LDFLAGS) $^ -lbpf -o $@

.PRECIOUS: $(BUILD)/%.bpf.o $(BUILD)/%.skel.h $(BUILD)/tests/bpf/%.bpf.o $(BUILD)/tests/bpf/%.o $(BUILD)/tests/differential/%.skel.h

.PHONY: tests check check-all check-clang check-unit check-fuzz check-bpf check-differential check-net
tests: all $(UNIT_TESTS) $(FUZZERS) $(BPF_TESTS) $(BUILD)/tests/differential/test_differential $(TEST_PROGRAMS) $(TEST_TOOLS) $(BENCH_TOOLS)

check: deps
	$(Q)$(MAKE) --no-print-directory -j$(CPUS) tests
	$(Q)$(MAKE) --no-print-directory check-all

check-all: check-clang check-unit check-fuzz check-bpf check-differential check-net

# Clang warns of other things than gcc.
check-clang:
	$(Q)$(MAKE) --no-print-directory -j$(CPUS) CC=clang-19 BUILD=$(BUILD)/clang all >/dev/null

# As many at a time as there are CPUs; what one says is shown if it fails.
check-unit: $(UNIT_TESTS)
	$(Q)printf '%s\n' $(UNIT_TESTS) | xargs -P $(CPUS) -I% sh -c '% >%.log 2>&1 || { cat %.log; exit 255; }'
	$(Q)grep -h 'PASSED' $(UNIT_TESTS:=.log) | awk '{ n += $$4 } END { print n " unit tests passed" }'

# A short run that every check makes; `make fuzz` is the long one.
check-fuzz: $(FUZZERS)
	$(Q)printf '%s\n' $(FUZZERS) | xargs -P $(CPUS) -n1 tests/fuzz/run.sh 5

check-bpf: $(BPF_TESTS)
	$(Q)set -e; for t in $(BPF_TESTS); do $$t; done

# Captures are made anew: of what this machine's kernel does.
check-differential: $(BUILD)/tests/differential/test_differential
	$(Q)rm -rf $(<D)/captures
	$(Q)$(PYTHON) tests/differential/record.py $(<D)/captures
	$(Q)$< $(<D)/captures/*.pcap

# More than there are CPUs: a test mostly waits. What fails beside others, as for want of time on a busy machine, is run
# once more by itself, and has to pass then.
PYTEST := $(PYTHON) -m pytest -q -o cache_dir=$(BUILD)/tests/net
check-net: tests
	$(Q)$(PYTEST) -n $(shell expr $(CPUS) + 2) --dist loadscope tests/net || { [ $$? = 1 ] && \
		echo "once more, by itself, what has failed" && $(PYTEST) --last-failed --last-failed-no-failures none tests/net; }

.PHONY: fuzz bench demo
fuzz: $(FUZZERS)
	$(Q)printf '%s\n' $(FUZZERS) | xargs -P $(CPUS) -n1 tests/fuzz/run.sh $(FUZZ_SECONDS)

bench: deps
	$(Q)$(MAKE) --no-print-directory all $(TEST_PROGRAMS) $(TEST_TOOLS) $(BENCH_TOOLS)
	$(Q)$(PYTHON) tests/bench/bench.py

demo: deps
	$(Q)$(MAKE) --no-print-directory all $(TEST_PROGRAMS) $(TEST_TOOLS)
	$(Q)$(PYTHON) tests/demo.py

# --- machine and maintenance -----------------------------------------------------------------------------------------

.PHONY: deps install docs format vmlinux clean
deps:
	$(Q)missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] || { echo "  APT     $$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }

docs: $(MAN_PAGES)

$(BUILD)/docs/%: docs/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)scdoc <$< >$@

install: all docs
	install -D -m 755 $(BUILD)/synkeep $(DESTDIR)$(PREFIX)/sbin/synkeep
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done

format:
	clang-format -i include/*.h bpf/*.[ch] user/*.[ch] user/*/*.[ch] $(wildcard tests/*/*.[ch])

vmlinux:
	vmlinux/generate.py >vmlinux/vmlinux.h

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
