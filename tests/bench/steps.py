# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which step of a packet's way a sample is of. The programs have a source file for each step, so the file tells, and
where a sample is of the kernel's code, the function that the program had called."""

import collections
import pathlib
import re

# In the order of a packet's way: the step, and the source files that are it.
_STEPS = (
    ("headers cut", ("packet.h", "base.h", "synkeep.bpf.c")),
    ("port, service", ("service.bpf.h",)),
    ("clock, configuration", ("clock.bpf.h", "config.h", "maps.bpf.h")),
    ("local end and listener, cached", ("local_end.bpf.h",)),
    ("options", ("options.bpf.h", "tcp_options.h")),
    ("presence filter", ("presence.bpf.h", "presence.h")),
    ("SYN's checks and terms", ("ingress_syn.bpf.h", "budget.bpf.h")),
    ("cookie", ("cookie.h", "siphash.h")),
    ("answer, with checksums", ("answer.bpf.h", "checksum.h")),
    ("record found, read and copied", ("records.bpf.h", "flow.h")),
    ("lock", ("lock.bpf.h",)),
    ("judge", ("judge.h", "seq.h", "timeouts.h", "tcp_fsm.h")),
    ("segment's verdict", ("ingress_segment.bpf.h", "egress.bpf.h", "hint.bpf.h")),
    ("counters", ("verdict.bpf.h", "verdict.h")),
)
_OTHER = "other"
_SOCKETS = "host's sockets asked"
_LOOK_UP = "hash table's look-up (kernel)"
NAMES = (*(name for name, _files in _STEPS), _LOOK_UP, _SOCKETS, _OTHER)

_STEP_OF_FILE = {file: name for name, files in _STEPS for file in files}
_FUNCTION = re.compile(r"^\w[^;]*?\b(\w+)\([^;]*$")  # the first line of a definition


def _find_function(path, line):
    """The name of the C function that a line is in, as this tree formats it; None: it is in none."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()[:line]
    except OSError:
        return None
    for text in reversed(lines):
        if text == "}":
            return None
        if match := _FUNCTION.match(text):
            return match.group(1)
    return None


def _step_of(sample):
    helper = sample["helper"] or ""
    name = pathlib.Path(sample["file"]).name
    if "htab" in helper or "lookup_nulls" in helper or "lookup_elem" in helper:
        return _LOOK_UP
    if "sk" in helper.split("_") or "skc" in helper or name == "socket.bpf.h":
        return _SOCKETS
    # What waits for the lock's answer is the line that looks at it.
    if name == "records.bpf.h" and _find_function(sample["file"], sample["line"]) == "flow_lock_found":
        return "lock"
    return _STEP_OF_FILE.get(name, _OTHER)


def shares(samples):
    """The part of the samples that each step has: {step: 0..1}."""
    counts = collections.Counter()
    for sample in samples:
        counts[_step_of(sample)] += sample["samples"]
    total = sum(counts.values())
    return {name: counts[name] / total for name in NAMES if counts[name]}
