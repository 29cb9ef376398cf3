#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The shield at work: a web server under a SYN flood, first without Synkeep and then with it.

Everything happens in throw-away network namespaces on this machine. What is said is what was measured; the exit status
is 1 if the shield did not do what it is for. Needs root.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import select
import shutil
import statistics
import subprocess
import sys
import textwrap
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))

import lab
import web

RATE = 600_000
LEAST_RATE = 500_000
SOURCES = 100_000
ONE_CLIENT_S, CROWD_S = 5, 3
CROWD = 32
HALF_OPEN_MAX = 300  # handshakes that may be under way when a flood shows: half-open= is 256
PATIENCE_S = 5  # time for a SYN and two more, should the first be lost
OUTSIDE_CPU, SERVER_CPU = 0, 1
PINS = lab.BPFFS / "synkeep"
PAGE = "hello from behind the shield"

_failures = []


# --- telling ----------------------------------------------------------------------------------------------------------

def title(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def say(text):
    print(textwrap.fill(" ".join(text.split()), 110, initial_indent="  ", subsequent_indent="  "), flush=True)


def show(output, lines=None):
    """A command's output, cut to its first lines."""
    rows = output.rstrip().splitlines()
    for row in rows[:lines]:
        print(f"    {row}")
    if lines and len(rows) > lines:
        print(f"    ... and {len(rows) - lines} lines more")
    sys.stdout.flush()


def expect(held, complaint):
    """Notes a promise that was not kept; the demo goes on, and fails in the end."""
    if not held:
        _failures.append(complaint)
        print(f"  !! {complaint}", flush=True)


# --- doing ------------------------------------------------------------------------------------------------------------

def synkeep(net, command, *arguments):
    """Runs a synkeep command on the server, as a reader would type it, and returns what it printed."""
    print(f"\n  $ synkeep {' '.join((command, *arguments))}", flush=True)
    return net.server.run(lab.SYNKEEP, command, *arguments).stdout


def ms(seconds):
    return f"{seconds * 1e3:,.1f} ms"


def fetch(net):
    """One curl from the client: how long it took in seconds, None if the page did not come."""
    done = net.client.run("taskset", "-c", OUTSIDE_CPU, "curl", "-s", "-m", PATIENCE_S, "-H", "Connection: close",
                          "-w", "%{time_total}", f"http://{net.server.ipv4}/", check=False)
    good = done.returncode == 0 and done.stdout.startswith(PAGE)
    return float(done.stdout.removeprefix(PAGE)) if good else None


def expect_fetch(net, when):
    """A fetch that must succeed, as a piece of a sentence."""
    seconds = fetch(net)
    expect(seconds is not None, f"the client could not fetch the page {when}")
    return f"the client fetched the page in {ms(seconds)}" if seconds is not None else "the client got no page"


def kernel_cookies(net):
    """How many SYNs the server's kernel has answered with cookies of its own."""
    return int(re.search(r"SyncookiesSent\s+(\d+)", net.server.run("nstat", "-asz", "TcpExtSyncookiesSent").stdout)[1])


@dataclasses.dataclass
class Flood:
    """What was measured while a flood ran."""

    sent: int
    rate: float
    answered: int
    kernel_cookies: int
    fetches: list  # of one client, as fetch() has them
    crowd: dict    # of many clients, as the fetch tool has them

    def one_client(self):
        times = [seconds for seconds in self.fetches if seconds is not None]
        told = f"{len(times)} of {len(self.fetches)} fetches succeeded"
        return told + (f", median {ms(statistics.median(times))}, slowest {ms(max(times))}" if times else "")

    def many_clients(self):
        return (f"{self.crowd['per_second']:,.0f} connections a second, "
                f"{self.crowd['succeeded'] / self.crowd['begun']:.1%} of all succeeded")


def flood(net):
    """One client fetches the page again and again while the flood runs, then a crowd does."""
    counted, cookies = net.client.counters()["syn_ack"], kernel_cookies(net)
    process = net.client.start(*net.client.flood_command(
        net.server, "--cpu", OUTSIDE_CPU, "--rate", RATE, "--sources", SOURCES, "--seconds", 60))
    time.sleep(0.5)
    fetches, ends = [], time.monotonic() + ONE_CLIENT_S
    while time.monotonic() < ends:
        fetches.append(fetch(net))
        time.sleep(0.1)
    crowd = net.client.read_json(lab.tool("fetch"), "--cpu", OUTSIDE_CPU, "--parallel", CROWD, "--seconds", CROWD_S,
                                 net.server.ipv4)
    process.terminate()
    sent = json.loads(process.communicate()[0])
    return Flood(sent["sent"], sent["per_second"], net.client.counters()["syn_ack"] - counted,
                 kernel_cookies(net) - cookies, fetches, crowd)


class HeldConnection:
    """A connection of the client that stays open, over which something can be asked for now and then."""

    def __init__(self, net, port=web.PORT):
        self.process = net.client.start("nc", net.server.ipv4, str(port), stdin=subprocess.PIPE)

    def fetch(self):
        """Whether the page comes."""
        return self.ask(b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n", PAGE.encode())

    def ask(self, question, answer):
        """Whether an answer comes to a question."""
        output, received = self.process.stdout.fileno(), b""
        os.write(self.process.stdin.fileno(), question)
        while answer not in received:
            if not select.select([output], [], [], PATIENCE_S)[0]:
                return False
            chunk = os.read(output, 4096)
            if not chunk:
                return False
            received += chunk
        return True


# --- the story --------------------------------------------------------------------------------------------------------

def introduce(net):
    title("Synkeep: a web server under a SYN flood, without the shield and with it")
    say(f"""Two network namespaces stand for two machines, joined by a virtual cable. The outside world
        ({net.client.ipv4}) has CPU {OUTSIDE_CPU}: a real client, curl, and an attacker. The server
        ({net.server.ipv4}, device {net.server.device}) has CPU {SERVER_CPU}: nginx on port {web.PORT}. No packet
        leaves this machine, and all of it goes away at the end.""")


def tell_flood(result):
    show(f"""offered       {result.rate:,.0f} SYNs a second from {SOURCES:,} spoofed addresses
answered      {result.answered / result.sent:.1%} of them, {result.kernel_cookies:,} by the kernel's own cookies
one client    {result.one_client()}
{CROWD} at a time  {result.many_clients()}""")


def without_the_shield(net):
    title("1. Without the shield")
    net.client.attach("count-tc")
    say(f"In calm, {expect_fetch(net, 'from an idle server')}.")
    say(f"""Now the attacker sends SYNs, the first packets of TCP connections, from addresses that are not his. The
        kernel defends itself with SYN cookies of its own (net.ipv4.tcp_syncookies=1, the default): it answers without
        keeping anything. Meanwhile a client fetches the page, over and over, for {ONE_CLIENT_S} s, and waits up to
        {PATIENCE_S} s each time; then {CROWD} clients at a time do so for {CROWD_S} s.""")
    result = flood(net)
    tell_flood(result)
    say("""What to look at: the server's CPU answers strangers, one by one, in the kernel's TCP. What it can not take
        falls out of the device's queue, and the clients' packets fall with it.""")
    return result


def raise_the_shield(net):
    title("2. Raising the shield")
    say("Both machines have been made anew, so nothing of the first flood is left.")
    show(synkeep(net, "load", net.server.device, "--service", f"{net.server.ipv4}:{web.PORT}"))
    net.client.attach("count")  # a veth takes the shield's answers only if it has a program too
    say("""The command attached its programs to the device, pinned them and ended: no process is needed from here on.
        Policy auto says that the web server sees its SYNs as long as it is calm. Under flood every SYN is answered by
        XDP, where the packet arrives, with a cookie, and the kernel hears of a connection only when its client has
        shown that it can read what is sent to its address.""")
    show(synkeep(net, "status", net.server.device))


def with_the_shield(net, held):
    title("3. The same flood, with the shield")
    say(f"In calm, {expect_fetch(net, 'through the shield')}. It also opens a connection that it keeps open.")
    expect(held.fetch(), "the page did not come over the connection that is kept open")
    result = flood(net)
    tell_flood(result)
    say(f"""What to look at: the kernel heard of {result.kernel_cookies / result.sent:.1%} of the flood, so its CPU was
        there for the clients. What was not answered fell out of the virtual cable's queue of 256 packets before any
        program saw it.""")
    say("Nobody had to be there to see it coming:")
    events = synkeep(net, "events", net.server.device)
    show(events)
    expect("flood at" in events, "the journal does not know of the flood")
    after, survived = expect_fetch(net, "after the flood"), held.fetch()
    say(f"""After the flood, {after}. The connection that was kept open
        {"still answers" if survived else "is dead"}.""")

    expect(result.rate >= LEAST_RATE, f"the flood had {result.rate:,.0f} SYNs a second, not {LEAST_RATE:,}")
    expect(result.answered > 0.5 * result.sent, "the shield answered less than half of the SYNs")
    expect(None not in result.fetches, "a fetch under the flood failed behind the shield")
    expect(result.kernel_cookies < 0.01 * result.sent, "the kernel heard of more than 1% of the flood")
    expect(survived, "the connection that was kept open did not survive the flood")
    return result


def find_established(dump):
    """The first element of a map's dump that is in TCPS_ESTABLISHED, its lines; none if there is none."""
    for element in re.split(r"(?<=\}),(?=\{)", dump):
        if "TCPS_ESTABLISHED" in element:
            return element.strip("[]\n")
    return ""


def read_the_states(net):
    title("4. Reading the states")
    device, pinned = net.server.device, PINS / net.server.device / "flows4"
    say("""The state of every connection stands in BPF maps that any tool can read. Of the connection that is kept open,
        as bpftool shows it:""")
    print(f"\n  $ bpftool map dump pinned {pinned}", flush=True)
    established = find_established(lab.run("bpftool", "map", "dump", "pinned", pinned).stdout)
    show(established)
    expect(established, "bpftool shows no connection in TCPS_ESTABLISHED")
    say("As `synkeep flows` shows it, and then beside the clients' connections, which have ended:")
    show(synkeep(net, "flows", device, "--state", "established"))
    show(synkeep(net, "flows", device), lines=6)
    say(f"""And the {SOURCES:,} spoofed addresses have left no more than the handshakes that showed the flood, which the
        server gives up by itself:""")
    left = synkeep(net, "flows", device, "--source", lab.SPOOFED_IPV4, "--count")
    show(left)
    expect(int(left.split()[0]) <= HALF_OPEN_MAX, "the flood left records behind")
    say("Each packet leaves by a verdict, and each verdict is counted:")
    show(synkeep(net, "counters", device))


def its_own_tcp(net):
    title("5. A TCP of Synkeep's own")
    service = f"{net.server.ipv4}:7,owner=daemon,app=echo"
    say("""A service may also end in Synkeep itself: its packets go from XDP to a TCP in user space, past the kernel's.
        This one echoes what it gets:""")
    print(f"\n  $ synkeep run {net.server.device} --service {service} &", flush=True)
    net.client.run("ethtool", "-K", net.client.device, "tx", "off")  # it verifies checksums: they must be complete
    daemon = net.server.start(lab.SYNKEEP, "run", net.server.device, "--service", service)
    for line in daemon.stdout:
        show(line)
        if "serving" in line:
            break
    echoed = HeldConnection(net, 7).ask(b"hello\n", b"hello\n")
    expect(echoed, "the daemon's TCP did not echo what it was sent")
    say(f"""A client of the kernel's has sent a line, and {"got it back" if echoed else "got nothing back"}. Its
        connection stands beside those that end in the kernel:""")
    time.sleep(0.1)  # the daemon reports its connections every few milliseconds
    flows = synkeep(net, "flows", net.server.device, "--state", "established")
    show(flows)
    expect("daemon" in flows, "the daemon's connection is not among the flows")
    daemon.terminate()
    daemon.wait(timeout=5)


def lower_the_shield(net, held):
    title("6. Lowering the shield")
    show(synkeep(net, "unload", net.server.device, "--now"))
    net.client.detach()
    after, survived = expect_fetch(net, "after the shield was unloaded"), held.fetch()
    say(f"""Now {after}, without the shield. The connection that was kept open
        {"goes on: it was the kernel's own all the time" if survived else "is dead"}.""")
    expect(survived, "the connection that was kept open did not survive the unloading")
    expect(not (PINS / net.server.device).exists(), "unload left pins behind")


def conclude(without, behind):
    title("What you have seen")
    say(f"Without the shield, under {without.rate:,.0f} spoofed SYNs a second: {without.many_clients()}.")
    say(f"With the shield, under {behind.rate:,.0f} spoofed SYNs a second: {behind.many_clients()}.")
    expect(behind.crowd["per_second"] > without.crowd["per_second"], "the clients got no more with the shield")
    for failure in _failures:
        say(f"Not as it should be: {failure}.")


@contextlib.contextmanager
def machines():
    """The two machines, made anew, nginx on one of them. Its pins are under the usual root, as a reader's would be."""
    with lab.Lab(server_device=f"demo{os.getpid()}") as net, \
            web.WebServer(net.server, cpu=SERVER_CPU, text=PAGE):
        net.client.send_through_queue()
        net.server.receive_frames()
        net.server.thread_napi(SERVER_CPU)
        try:
            yield net
        finally:
            shutil.rmtree(PINS / net.server.device, ignore_errors=True)
            with contextlib.suppress(OSError):
                PINS.rmdir()  # if it is empty


def main():
    if os.geteuid() != 0:
        sys.exit("demo: needs root, for namespaces and BPF")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("demo: needs two CPUs, one for the outside world and one for the server")
    lab.end_on_signals()
    lab.take_precedence()
    with machines() as net:
        introduce(net)
        without = without_the_shield(net)
    with machines() as net:
        raise_the_shield(net)
        held = HeldConnection(net)
        behind = with_the_shield(net, held)
        read_the_states(net)
        its_own_tcp(net)
        lower_the_shield(net, held)
    conclude(without, behind)
    return 1 if _failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (lab.CommandFailed, TimeoutError) as error:
        sys.exit(f"demo: {error}")
