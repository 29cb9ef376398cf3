# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `synkeep doctor` finds: each thing that can be broken here is broken for real, its line appears with its remedy,
and the remedy, run as it stands there, makes it go away."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import lab
import sockets
from family import IPV4
from shield import BPFTOOL

PORT = 8000
IPPROTO_MPTCP = 262
CHECKS_OF_THE_MACHINE = 25
DAEMON_SERVICE = "*:7,owner=daemon,app=echo"
WITHOUT_LOCKS = ("setpriv", "--bounding-set", "-sys_resource,-ipc_lock", "--inh-caps", "-sys_resource,-ipc_lock")


def findings(shield, device=None, before=()):
    """What is found, by check; before: words that stand before the command."""
    words = (lab.SYNKEEP, "doctor", "--pin-root", shield.net.pin_root, "--json", device or shield.device)
    done = shield.net.server.run(*before, *words, check=False)
    found = json.loads(done.stdout)
    problems = [one for one in found if one["finding"] == "problem"]
    assert done.returncode == bool(problems) and not done.stderr, done
    return {one["check"]: one for one in found}


def finding(shield, check, **options):
    return findings(shield, **options)[check]


def is_well(shield, check, **options):
    one = finding(shield, check, **options)
    return one["finding"] == "ok" and one["remedy"] is None


def assert_found(shield, check, kind, part, **options):
    one = finding(shield, check, **options)
    assert one["finding"] == kind and part in one["text"], one
    return one


def assert_mended_by_its_remedy(shield, check, kind, part, **options):
    one = assert_found(shield, check, kind, part, **options)
    shield.net.server.run("sh", "-c", one["remedy"])
    assert is_well(shield, check, **options), finding(shield, check, **options)


def test_all_well(shield):
    """Of the clock nothing is asked here, which is the machine's."""
    found = findings(shield)
    assert {check for check, one in found.items() if one["finding"] != "ok"} <= {"clock", "peer-checksums"}
    assert len([one for one in found.values() if one["device"] is None]) == CHECKS_OF_THE_MACHINE - 1
    assert found["shield"]["text"] == "not loaded"
    assert "veth" in found["xdp"]["text"] and "native" in found["xdp"]["text"]


def test_nothing_is_changed(shield):
    programs = {one["id"] for one in json.loads(shield.bpftool("-j", "prog", "show").stdout)
                if one.get("name") == "synkeep_probe"}
    findings(shield)
    assert shield.is_gone() and not shield.net.pin_root.exists()
    now = {one["id"] for one in json.loads(shield.bpftool("-j", "prog", "show").stdout)
           if one.get("name") == "synkeep_probe"}
    assert now <= programs


def test_in_words(shield):
    lines = shield.run("doctor", shield.device).stdout.splitlines()
    assert lines[0] == "machine" and lines[-1] == "all well"
    assert [line for line in lines if line.split() == ["ok", "link", "up"]]
    shield.net.server.sysctl(net__ipv4__tcp_sack=0, net__ipv4__tcp_syncookies=0)
    done = shield.run("doctor", shield.device, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and lines[-1] == "1 PROBLEM"
    assert [line for line in lines if line.startswith("  note     tcp_sack ") and
            line.endswith(": `sysctl -w net.ipv4.tcp_sack=1`")]
    assert [line for line in lines if line.startswith("  PROBLEM  tcp_syncookies ")]


def test_every_device_where_none_is_named(shield):
    net = shield.net
    net.server.run("ip", "link", "add", "red0", "type", "veth", "peer", "name", "red1")
    found = json.loads(shield.run("doctor", "--json", check=False).stdout)
    assert {one["device"] for one in found} == {None, net.server.device, "red0", "red1"}  # not lo


def test_a_device_that_is_not_there(shield):
    done = shield.run("doctor", "nosuch0", check=False)
    assert done.returncode == 1 and not done.stdout and 'no device "nosuch0"' in done.stderr


# --- sysctls -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("check, broken, kind, part", [
    ("tcp_syncookies", 0, "problem", "forbids the handover"), ("tcp_timestamps", 0, "note", "without timestamps"),
    ("tcp_sack", 0, "note", "without SACK"), ("tcp_window_scaling", 0, "note", "without window scaling"),
    ("tcp_abort_on_overflow", 1, "note", "are reset")])
def test_sysctl(shield, check, broken, kind, part):
    assert is_well(shield, check)
    shield.net.server.sysctl(**{f"net__ipv4__{check}": broken})
    assert_mended_by_its_remedy(shield, check, kind, part)


def test_sysctl_tcp_max_syn_backlog(shield):
    shield.net.server.sysctl(net__ipv4__tcp_max_syn_backlog=64)
    assert is_well(shield, "tcp_max_syn_backlog")
    shield.net.server.sysctl(net__ipv4__tcp_syncookies=0)
    assert_mended_by_its_remedy(shield, "tcp_max_syn_backlog", "note", "is 64")


def test_sysctl_conntrack_loose_counts_while_something_is_tracked(shield, net):
    net.server.sysctl(net__netfilter__nf_conntrack_tcp_loose=0)
    assert is_well(shield, "nf_conntrack_tcp_loose")
    net.server.run("nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; };"
                          "add rule inet fw in ct state new accept")
    with sockets.listen(net.server, IPV4, port=PORT) as listener, sockets.connected(net, IPV4, listener):
        assert_mended_by_its_remedy(shield, "nf_conntrack_tcp_loose", "note", "end every handover")


def test_sysctl_somaxconn_counts_where_it_cuts(shield, net):
    net.server.sysctl(net__core__somaxconn=16)
    assert is_well(shield, "somaxconn")
    with sockets.listen(net.server, IPV4, port=PORT):
        assert_mended_by_its_remedy(shield, "somaxconn", "note", f"is 16, to which the accept queue of port {PORT}")


def test_sysctl_rp_filter_counts_where_the_way_back_is_another(shield, net):
    net.server.sysctl(net__ipv4__conf__all__rp_filter=1)
    assert is_well(shield, "rp_filter")
    net.server.run("sh", "-c", "ip link add red0 type veth peer name red1; ip link set red0 up; ip link set red1 up;"
                               "ip address add 10.98.0.1/24 dev red0; ip route replace default via 10.98.0.9 dev red0")
    assert_mended_by_its_remedy(shield, "rp_filter", "note", "reverse path filter is strict")


# --- listeners -----------------------------------------------------------------------------------------------------

def test_accept_queue_that_is_full(shield, net):
    with sockets.listen(net.server, IPV4, port=PORT) as listener, contextlib.ExitStack() as stack:
        listener.listen(1)
        for _ in range(2):
            stack.enter_context(sockets.connect(net.client, IPV4, (net.server.ipv4, PORT)))
        lab.wait_until(lambda: not is_well(shield, "accept-queue"), "the queue to be full")
        assert_found(shield, "accept-queue", "problem", f"of port {PORT} is full, with 2")
        stack.enter_context(listener.accept()[0])
        assert is_well(shield, "accept-queue")


def test_mptcp_listener(shield, net):
    with sockets.listen(net.server, IPV4, port=PORT, protocol=IPPROTO_MPTCP):
        assert "GODEBUG=multipathtcp=0" in assert_found(shield, "mptcp", "note", f"as on port {PORT}")["text"]
    with sockets.listen(net.server, IPV4, port=PORT):  # the remedy: plain TCP
        assert is_well(shield, "mptcp")


# --- the process and its place -------------------------------------------------------------------------------------

def test_process_without_capabilities(shield):
    assert is_well(shield, "capabilities")
    without = ("setpriv", "--bounding-set", "-sys_admin,-bpf", "--inh-caps", "-sys_admin,-bpf")
    assert_found(shield, "capabilities", "problem", "run it as root", before=without)


def in_namespaces(*words):
    """What runs a shell line in a mount namespace of its own, and then the command behind it."""
    return ("unshare", *words, "sh", "-c", 'umount -l /sys/fs/bpf 2>/dev/null; eval "$0"; exec "$@"')


def test_bpffs_missing_in_a_mount_namespace_of_its_own(shield):
    assert_found(shield, "bpffs", "problem", "would vanish with this mount namespace",
                 before=(*in_namespaces("-m"), ":"))


def test_bpffs_of_a_mount_namespace_of_its_own(shield):
    assert_found(shield, "bpffs", "problem", "pins vanish with it",
                 before=(*in_namespaces("-m"), "mount -t bpf bpf /sys/fs/bpf"))


def test_bpffs_seen_in_a_mount_namespace_of_its_own(shield):
    assert is_well(shield, "bpffs", before=("unshare", "-m"))


def test_bpffs_missing(shield):
    """Where process 1 has the same mounts: as on a host."""
    as_host = in_namespaces("-m", "-p", "-f", "--mount-proc")
    one = assert_found(shield, "bpffs", "note", "mounts one", before=(*as_host, ":"))
    assert is_well(shield, "bpffs", before=(*as_host, one["remedy"]))


def test_bpffs_elsewhere(shield, tmp_path):
    words = (lab.SYNKEEP, "doctor", shield.device, "--json", "--pin-root", tmp_path)
    one, = [one for one in json.loads(shield.net.server.run(*words, check=False).stdout) if one["check"] == "bpffs"]
    assert one["finding"] == "problem" and one["remedy"] == f"mount -t bpf bpf {tmp_path}", one
    try:
        shield.net.server.run("sh", "-c", one["remedy"])
        one, = [one for one in json.loads(shield.net.server.run(*words).stdout) if one["check"] == "bpffs"]
        assert one["finding"] == "ok", one
    finally:
        lab.run("umount", tmp_path, check=False)


def limited(limit, *words):
    """What runs a command with a limit of locked memory, and the words before it."""
    return ("sh", "-c", f'ulimit -l {limit}; exec "$@"', "sh", *words)


def test_memlock_that_can_not_be_raised(shield):
    assert is_well(shield, "memlock", before=limited(64))  # root needs no limit
    one = assert_found(shield, "memlock", "note", "RLIMIT_MEMLOCK is 64KiB", before=limited(64, *WITHOUT_LOCKS))
    # The remedy is for a shell that may; in one that may not, so much is what the daemon needs.
    mended = limited(f"8192 && {{ {one['remedy']} 2>/dev/null || :; }}", *WITHOUT_LOCKS)
    assert is_well(shield, "memlock", before=mended)


def memory_cgroup():
    """Where this machine keeps memory cgroups, and the name of their limit."""
    if os.path.isdir("/sys/fs/cgroup/memory"):
        return pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    return pathlib.Path("/sys/fs/cgroup"), "memory.max"


def test_memory_that_a_cgroup_does_not_let_it_have(shield):
    assert is_well(shield, "memory")
    root, limit = memory_cgroup()
    group = root / shield.device
    group.mkdir()
    try:
        (group / limit).write_text(str(100 << 20))
        within = ("sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh")
        one = assert_found(shield, "memory", "problem", "100MiB are available", before=within)
        fits = one["text"].split("--flows ")[1].split("`")[0]
        for flows, loads in ((262144, False), (fits, True)):
            done = shield.net.server.run(*within, *shield.command("load", shield.device, "--flows", flows)[2:],
                                         check=False)
            assert (done.returncode == 0) == loads, done
    finally:
        group.rmdir()


# --- the device ----------------------------------------------------------------------------------------------------

def test_device_that_is_down(shield, net):
    net.server.run("ip", "link", "set", "dev", shield.device, "down")
    assert_mended_by_its_remedy(shield, "link", "problem", "down")
    net.client.run("ip", "link", "set", "dev", net.client.device, "down")
    assert_found(shield, "link", "note", "no carrier")


def test_driver_without_native_xdp(shield, net):
    net.server.run("ip", "link", "add", "bridge0", "type", "bridge")
    assert_found(shield, "xdp", "note", "native XDP: `synkeep load` takes generic", device="bridge0")


@pytest.mark.parametrize("mode", ["xdpdrv", "xdpgeneric"])
def test_another_xdp_program(shield, net, mode):
    pins = net.pin_root.with_name(net.pin_root.name + "-other")
    try:
        lab.run(BPFTOOL, "prog", "loadall", lab.BUILD / "tests/lib/sink.bpf.o", pins)
        net.server.run(BPFTOOL, "net", "attach", mode, "pinned", pins / "drop_xdp", "dev", shield.device)
    finally:
        shutil.rmtree(pins, ignore_errors=True)
    assert shield.load("*:80", check=False).returncode == 1
    without = ("setpriv", "--bounding-set", "-sys_admin,-bpf", "--inh-caps", "-sys_admin,-bpf")
    one = assert_found(shield, "xdp-programs", "problem", "can not be found out", before=without)
    assert one["remedy"] is None  # who knows what it would take off?
    assert_mended_by_its_remedy(shield, "xdp-programs", "problem", "another XDP program")
    shield.load("*:80")


def test_qdisc_in_the_place_of_clsact(shield, net):
    net.server.run("tc", "qdisc", "add", "dev", shield.device, "ingress")
    assert shield.load("*:80", check=False).returncode == 1
    assert_mended_by_its_remedy(shield, "tc", "problem", 'qdisc "ingress"')
    shield.load("*:80")


def test_filter_before_ours(shield, net):
    net.server.attach("count-tc")
    assert_found(shield, "tc", "note", "1 filter of others")
    shield.load("*:80")
    net.server.run("tc", "filter", "add", "dev", shield.device, "ingress", "pref", 1,
                   "bpf", "bytecode", "1,6 0 0 4294967295,", "classid", "1:1")
    told = [one for one in json.loads(shield.run("doctor", shield.device, "--json", check=False).stdout)
            if one["check"] == "shield"]
    assert any("comes before tc_ingress" in one["text"] for one in told), told


def test_mtu_beyond_the_daemons_frames(shield, net):
    for host in (net.client, net.server):
        host.run("ip", "link", "set", "dev", host.device, "mtu", 4000)
    assert "too much for" in assert_found(shield, "mtu", "ok", "4000")["text"]
    shield.load(DAEMON_SERVICE)
    assert_mended_by_its_remedy(shield, "mtu", "problem", "at most 3498")


# --- the peer of a veth --------------------------------------------------------------------------------------------

def connects(net):
    with sockets.listen(net.server, IPV4, port=PORT):
        try:
            sockets.connect(net.client, IPV4, (net.server.ipv4, PORT), timeout=1).close()
        except TimeoutError:
            return False
        return True


def test_peer_without_an_xdp_program(shield, net):
    """What is said of it is true: SYN-ACKs are lost, and generic XDP helps."""
    net.client.detach()
    remedy = assert_found(shield, "peer", "problem", f"{net.client.device}, has no XDP program")["remedy"]
    shield.load(f"*:{PORT}", xdp="native")
    assert finding(shield, "peer")["finding"] == "problem" and not connects(net)
    shield.unload("--now")
    assert remedy == f"synkeep load {shield.device} --xdp generic"
    shield.load(f"*:{PORT}", xdp="generic")
    assert is_well(shield, "peer") and connects(net)
    shield.unload("--now")
    net.client.attach("pass")  # the other remedy
    assert is_well(shield, "peer")


def test_peer_that_leaves_checksums_out(shield, net):
    net.client.run("ethtool", "-K", net.client.device, "tx", "on")
    assert_mended_by_its_remedy(shield, "peer-checksums", "note", "would drop")
    net.client.run("ethtool", "-K", net.client.device, "tx", "on")
    shield.load("*:80")
    assert is_well(shield, "peer-checksums")
    shield.add_service(DAEMON_SERVICE)
    assert_mended_by_its_remedy(shield, "peer-checksums", "problem", "the daemon drops")


def test_peer_in_the_same_namespace(shield, net):
    net.server.run("ip", "link", "add", "red0", "type", "veth", "peer", "name", "red1")
    assert_found(shield, "peer", "problem", "red1, has no XDP program", device="red0")
    assert_mended_by_its_remedy(shield, "peer-checksums", "note", "red1", device="red0")


def test_peer_in_a_namespace_without_a_name(shield, net):
    net.server.run("ip", "link", "add", "red0", "type", "veth", "peer", "name", "red1")
    with subprocess.Popen(["unshare", "-n", "sleep", "60"]) as sleeper:
        try:
            own = os.stat("/proc/self/ns/net").st_ino
            lab.wait_until(lambda: os.stat(f"/proc/{sleeper.pid}/ns/net").st_ino != own, "the namespace")
            net.server.run("ip", "link", "set", "red1", "netns", sleeper.pid)
            assert_found(shield, "peer", "note", "in a network namespace without a name", device="red0")
        finally:
            sleeper.kill()


# --- what is loaded ------------------------------------------------------------------------------------------------

def test_service_of_an_address_that_is_not_here(shield, net):
    shield.load(f"{net.server.ipv4}:{PORT}")
    assert is_well(shield, "addresses")
    shield.add_service(f"10.97.0.1:{PORT}")
    assert_found(shield, "addresses", "note", f"10.97.0.1:{PORT} is protected")
    net.server.run("ip", "address", "add", "10.97.0.1/32", "dev", "lo")
    assert is_well(shield, "addresses")


def test_what_status_knows_of_a_loaded_device(shield, net):
    shield.load(f"*:{PORT}")
    assert "nothing listens there" in assert_found(shield, "shield", "problem", "")["text"]
    with sockets.listen(net.server, IPV4, port=PORT):
        assert assert_found(shield, "shield", "ok", "")["text"] == "loaded, and all well"
        net.server.sysctl(net__ipv4__tcp_sack=0)
        told = json.loads(shield.run("doctor", shield.device, "--json").stdout)
        assert len([one for one in told if "SACK" in one["text"]]) == 1  # once, though status says it, too


def assert_nothing_of_ours_is_to_be_detached(shield, **options):
    found = findings(shield, **options)
    assert not {"xdp-programs", "tc", "vlan", "memory"} & set(found)
    assert not [one for one in found.values() if "off" in (one["remedy"] or "").split()], found


def test_half_load_is_found(shield):
    shield.load("*:80")
    (shield.pins / "config").unlink()
    assert_found(shield, "shield", "problem", "half")
    assert_nothing_of_ours_is_to_be_detached(shield)


def test_load_that_can_not_be_read(shield):
    shield.load("*:80")
    nobody = ("setpriv", "--reuid", "65534", "--clear-groups")
    assert_found(shield, "shield", "problem", "needs root", before=nobody)
    assert_nothing_of_ours_is_to_be_detached(shield, before=nobody)


def test_loaded_device_that_was_renamed(shield, net):
    shield.load("*:80")
    net.server.run("ip", "link", "set", shield.device, "down")
    net.server.run("ip", "link", "set", shield.device, "name", "new0", "up")
    assert_found(shield, "shield", "problem", "", device="new0")
    assert_nothing_of_ours_is_to_be_detached(shield, device="new0")


def test_pins_of_a_device_that_is_gone(shield, net):
    shield.load("*:80")
    net.server.run("ip", "link", "del", shield.device)
    done = shield.run("doctor", "--json", check=False)
    found = [one for one in json.loads(done.stdout) if one["device"] == shield.device]
    assert done.returncode == 1 and {one["check"] for one in found} == {"shield"}
    assert [one for one in found if one["finding"] == "problem" and "only its pins are left" in one["text"]]
    shield.run("unload", shield.device)
    assert not [one for one in json.loads(shield.run("doctor", "--json", check=False).stdout) if one["device"]]


def test_load_that_fails_names_the_doctor(shield, net):
    net.server.run("tc", "qdisc", "add", "dev", shield.device, "ingress")
    done = shield.load("*:80", check=False)
    assert f"`synkeep doctor {shield.device} --pin-root {net.pin_root}`" in done.stderr
    net.server.run("tc", "qdisc", "del", "dev", shield.device, "ingress")
    shield.load("*:80")
    assert "doctor" not in shield.load("*:80", check=False).stderr  # it is loaded already: all is well
