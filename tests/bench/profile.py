# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where a server's CPU time goes, by perf: each sample of its process, and of the thread that processes its device's
packets, belongs to the first step that its innermost function, or whatever called that, is of."""

import collections
import pathlib
import re
import subprocess
import tempfile

import lab

_FREQUENCY = 1999
_PROGRAM = re.compile(r"/user/(tcp|daemon|apps)/(\w+)\.c$")

# Of kernel functions, in the order in which they are tried, from the innermost outwards.
_KERNEL_STEPS = (
    ("copies", r"copy_user|copyin|copyout|_copy_(to|from)_iter|rep_movs|memcpy|skb_copy_(bits|datagram)|skb_store_bits"),
    ("checksums", r"csum_|skb_checksum|do_csum"),
    ("XDP program", r"bpf_prog_|bpf_dispatcher|htab_|__htab"),
    ("AF_XDP", r"xsk_|__xsk|xp_|xdp_do_redirect|__xdp_map|dev_map_"),
    ("TCP", r"tcp_|__tcp|inet_csk|inet_ehash|__inet_|reqsk|sk_stream|cubictcp|bictcp|secure_tcp"),
    ("socket's file, epoll", r"sock_alloc|sock_close|__sock_release|alloc_file|__fput|fput|ep_|do_epoll|__do_sys_epoll|"
                             r"do_accept|__close|d_alloc|inode|dput"),
    ("IP", r"ip_|__ip_|fib_|ip6_"),
    ("veth, frames", r"veth_|dev_|__dev_|netif_|napi_|skb_|__alloc_skb|kfree_skb|consume_skb|page_pool|eth_"),
    ("records (map updates)", r"__sys_bpf|generic_map_"),
    ("sleeping, waking", r"schedule|try_to_wake|ttwu|ppoll|do_sys_poll|do_poll|eventfd|kthread|finish_task|_switch"),
    ("system calls", r"syscall|entry_SYSCALL|__x64_sys"),
)
_KERNEL = [(name, re.compile(rf"^(?:{pattern})")) for name, pattern in _KERNEL_STEPS]
_USER_STEPS = {"apps": "application", "daemon": "rim"}
_OTHER = "other"
STRAY = "of the other side"
NAMES = ("application", "copies", "checksums", "TCP", "rim", "records (map updates)", "AF_XDP", "XDP program", "IP",
         "socket's file, epoll", "veth, frames", "sleeping, waking", "system calls", _OTHER, STRAY)

# A socket's own sending that whoever freed its last frame does for it.
_TSQ = re.compile(r"^tcp_(tsq|tasklet)")


def _program_steps():
    """The step of each function of the program, by the file that it is in."""
    steps = {}
    for line in lab.run("nm", "--line-numbers", "--defined-only", lab.SYNKEEP).stdout.splitlines():
        place = _PROGRAM.search(line.rsplit(":", 1)[0])
        if not place:
            continue
        step = "checksums" if place.group(2) == "inet_checksum" else _USER_STEPS.get(place.group(1), "TCP")
        steps[line.split()[2]] = step
    return steps


class Profile:
    """Samples what goes on while `with` lasts."""

    def __init__(self, pid, threads):
        self.pid, (self.server_thread, self.client_thread) = pid, threads
        self.directory = tempfile.TemporaryDirectory(prefix="synkeep-perf-")
        self.data = pathlib.Path(self.directory.name) / "data"

    def __enter__(self):
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "-g", "-e", "cpu-clock", "-F", str(_FREQUENCY), "-a", "-o", self.data],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.wait_until(lambda: self.data.exists() and self.data.stat().st_size, "perf")
        return self

    def __exit__(self, *_exception):
        self.process.terminate()
        self.process.wait()

    def _samples(self):
        """(process, thread, [function, innermost first]) of each."""
        text = lab.run("perf", "script", "-i", self.data, "-F", "pid,tid,ip,sym").stdout
        for block in text.split("\n\n"):
            head, *frames = block.strip().splitlines() or [""]
            if frames:
                pid, tid = head.split()[0].split("/")
                yield int(pid), int(tid), [frame.split(None, 1)[1].split("+")[0] for frame in frames
                                           if len(frame.split(None, 1)) == 2]

    def _step(self, functions, program):
        for function in functions:
            if function in program:
                return program[function]
            if "memmove" in function or "memcpy" in function:
                return "copies"
            for name, pattern in _KERNEL:
                if pattern.match(function):
                    return name
        return _OTHER

    def shares(self, server_sends):
        """{step: its part of the server's samples}. STRAY: what its thread did for the other side's sending, or, less
        than nothing, what the other side's did for the server's."""
        program, counts = _program_steps(), collections.Counter()
        with self.directory:
            for pid, tid, functions in self._samples():
                stray = any(_TSQ.match(function) for function in functions)
                if stray and server_sends and tid == self.client_thread:
                    counts[STRAY] -= 1
                elif stray and not server_sends and tid == self.server_thread:
                    counts[STRAY] += 1
                elif self.pid == pid or tid == self.server_thread:
                    counts[self._step(functions, program)] += 1
        total = sum(counts.values())
        return {name: counts[name] / total for name in NAMES if counts[name]}
