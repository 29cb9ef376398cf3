# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A laboratory: two network namespaces, a client and a server, joined by a veth pair.

    with lab.Lab() as net:
        net.server.run("nginx", ...)
        net.client.run("curl", f"http://{net.server.ipv4}/")

Addresses, MACs and neighbours are fixed; the server's default route goes to the client, so what it answers to a spoofed
address ends there too: no packet leaves the machine. Commands run with the network of a namespace and the mounts of the
host, so pins in /sys/fs/bpf are seen by all. On the way out the lab ends the processes that it started, and takes its
namespaces and its pin root away, whatever happened; for SIGTERM too, end_on_signals() must have been called.

It knows nothing of what is tested in it, but for the places of the programs that were built.
"""

import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", REPOSITORY / "build")).resolve()
SYNKEEP = str(BUILD / "synkeep")
BPFFS = pathlib.Path("/sys/fs/bpf")

# What floods come from: the ranges that are set aside for benchmarks (RFC 2544, RFC 5180).
SPOOFED_IPV4 = "198.18.0.0/15"
SPOOFED_IPV6 = "2001:2::/48"

_numbers = itertools.count()


class CommandFailed(Exception):
    """A command ended with another status than 0; says which, and what it wrote."""


def tool(name):
    """The path of a traffic tool."""
    return str(BUILD / "tests" / "lib" / name)


def end_on_signals():
    """Makes SIGINT and SIGTERM end the program through its `with` and `finally` blocks."""

    def leave(number, _frame):
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)  # the way out is not to be cut short
        raise SystemExit(128 + number)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)


def take_precedence():
    """Puts this program and what it will start before the machine's other processes, so their load is not measured.

    All parts of a lab stay equal among themselves.
    """
    os.setpriority(os.PRIO_PROCESS, 0, -10)


def mount_bpffs():
    """Mounts the BPF file system where it is missing."""
    if not os.path.ismount(BPFFS):
        run("mount", "-t", "bpf", "bpf", str(BPFFS))


def run(*command, check=True, timeout=60, **options):
    """Runs a command to its end and returns it, with its output as text."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(done.args)}: status {done.returncode}\n{done.stdout}{done.stderr}".rstrip())
    return done


def wait_until(condition, what, timeout=5):
    """Waits until condition() is true and returns what it returned; TimeoutError names what did not come."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.01)
    return answer


class Host:
    """One of the two namespaces: its device, its addresses, and commands that run in it."""

    def __init__(self, namespace, device, number):
        self.namespace = namespace
        self.device = device
        self.mac = f"02:00:00:00:99:{number:02x}"
        self.ipv4 = f"10.99.0.{number}"
        self.ipv6 = f"2001:db8:99::{number}"
        self.processes = []

    def command(self, *command):
        """The command line that runs a command in this namespace; it becomes the command, with the same PID."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *(str(word) for word in command)]

    def run(self, *command, **options):
        return run(*self.command(*command), **options)

    def read_json(self, *command, **options):
        """What a command prints, which is JSON."""
        return json.loads(self.run(*command, **options).stdout)

    def start(self, *command, **options):
        """Starts a command in the background; the lab ends it. Returns its Popen."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, **options}
        process = subprocess.Popen(self.command(*command), **options)
        self.processes.append(process)
        return process

    def sysctl(self, **values):
        """Sets sysctls; the dots of their names are double underscores: net__ipv4__tcp_syncookies=2."""
        self.run("sysctl", "-qw", *(f"{name.replace('__', '.')}={value}" for name, value in values.items()))

    def attach(self, role, *options):
        """Gives the device a role of the sink tool: count, count-tc, complete, pass, drop or swap."""
        self.run(tool("sink"), "attach", role, *options, self.device)

    def detach(self):
        self.run(tool("sink"), "detach", self.device)

    def counters(self):
        """What the role counted: a dict of syn, syn_ack, rst, other, not_tcp, and the bytes of them all."""
        return self.read_json(tool("sink"), "counters", self.device)

    def flood_command(self, target, *options, address=None):
        """The flood tool, from this device to a host's; options as the tool has them."""
        return (tool("flood"), "--to", address or target.ipv4, "--to-mac", target.mac, *options, self.device)

    def listens(self, port):
        """Whether a TCP socket listens on the port."""
        return bool(self.run("ss", "-Hltn", f"sport = :{port}").stdout)

    def send_through_queue(self):
        """Makes the device's own TCP wait in the queue where a flood's frames wait, as on a real link.

        With segmentation offload a veth passes it by that queue, and a flood would not be in its way.
        """
        self.run("ethtool", "-K", self.device, "tx", "off")

    def receive_frames(self):
        """Makes the device take the live flood's frames while it has no XDP program."""
        self.run("ethtool", "-K", self.device, "gro", "on")

    def thread_napi(self, cpu):
        """Moves the device's packet processing into a kernel thread on one CPU, with this program's priority."""
        # The one command that needs the namespace's own /sys.
        run("ip", "netns", "exec", self.namespace, "sh", "-c", f"echo 1 >/sys/class/net/{self.device}/threaded")
        thread = wait_until(self.find_napi_thread, f"the NAPI thread of {self.device}")
        os.sched_setaffinity(thread, {cpu})
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, 0))

    def find_napi_thread(self):
        """The PID of that thread; None: there is none."""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (process / "comm").read_text().startswith(f"napi/{self.device}-"):
                    return int(process.name)
            except OSError:  # it has ended meanwhile
                continue
        return None

    def end_processes(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.processes.clear()


def make_veth(left, right):
    """Joins two hosts by a veth pair: their devices."""
    run("ip", "-n", left.namespace, "link", "add", left.device, "address", left.mac, "type", "veth",
        "peer", "name", right.device, "address", right.mac, "netns", right.namespace)


class Lab:
    """The two hosts. Their names are unique to this process; devices can be given names that read better."""

    def __init__(self, client_device=None, server_device=None):
        # "sk" and two numbers: a device's name has room for 15 characters.
        name = f"sk{os.getpid()}n{next(_numbers)}"
        self.client = Host(f"{name}-client", client_device or f"{name}c", 1)
        self.server = Host(f"{name}-server", server_device or f"{name}s", 2)
        self.pin_root = BPFFS / name

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception):
        self.close()

    def _make(self):
        mount_bpffs()
        for host in (self.client, self.server):
            run("ip", "netns", "add", host.namespace)
        self._link()
        for host, peer in ((self.client, self.server), (self.server, self.client)):
            host.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                        net__ipv6__conf__all__accept_ra=0)
            run("ip", "-n", host.namespace, "-batch", "-", input="\n".join((
                "link set lo up",
                f"link set {host.device} up",
                f"addr add {host.ipv4}/24 dev {host.device}",
                f"addr add {host.ipv6}/64 dev {host.device} nodad",
                f"neigh replace {peer.ipv4} lladdr {peer.mac} dev {host.device} nud permanent",
                f"neigh replace {peer.ipv6} lladdr {peer.mac} dev {host.device} nud permanent")) + "\n")
        run("ip", "-n", self.server.namespace, "route", "add", "default", "via", self.client.ipv4)
        run("ip", "-n", self.server.namespace, "-6", "route", "add", "default", "via", self.client.ipv6)

    def _link(self):
        """Makes the two devices, joined; they are down yet."""
        make_veth(self.client, self.server)

    def synkeep(self, command, *arguments, **options):
        """Runs a synkeep command in the server's namespace, with the lab's own pin root."""
        return self.server.run(SYNKEEP, command, "--pin-root", self.pin_root, *arguments, **options)

    def close(self):
        """Takes everything away; what was never there is no error. The devices go with their namespaces."""
        for host in (self.client, self.server):
            host.end_processes()
        for host in (self.client, self.server):
            run("ip", "netns", "del", host.namespace, check=False)
        shutil.rmtree(self.pin_root, ignore_errors=True)
