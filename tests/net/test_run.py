# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon as a process: how it begins and ends, what it leaves, and what it follows."""

import contextlib
import signal
import socket
import time

import pytest

import daemon as daemons
import lab
import sockets

ECHO, DAYTIME = 7, 13
OTHER_MAC = "02:00:00:00:99:77"
TCPI_OPTIONS, TCPI_OPT_WSCALE = 5, 4  # in struct tcp_info
RECORD_SECONDS = 0.5  # the record is right in 10 ms; the rest is for this process


def echo(family, net, *keys):
    return daemons.spec(family, net, ECHO, "echo", *keys)


def connect(net, family, port=ECHO, **options):
    return sockets.connect(net.client, family, (family.address(net.server), port), **options)


def assert_echoes(client, text=b"are you there?"):
    client.sendall(text)
    assert sockets.read_exactly(client, len(text)) == text


def assert_reset(client):
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def drop(host, hook):
    """From now on the host's kernel loses all TCP that comes (input), or that goes (output)."""
    host.run("nft", f"add table inet {hook}; add chain inet {hook} loss {{ type filter hook {hook} priority 0; }}; "
                    f"add rule inet {hook} loss meta l4proto tcp drop")


def drop_no_more(host, hook="input"):
    host.run("nft", "delete", "table", "inet", hook)


def limit_descriptors(process, number):
    """So many at most from now on."""
    lab.run("prlimit", f"--pid={process.pid}", f"--nofile={number}:")


# --- it begins -----------------------------------------------------------------------------------------------------


def test_device_that_is_not_loaded_is_loaded(shield, net, family):
    with daemons.serving(shield, echo(family, net)) as daemon:
        assert "1 service, 1 worker (AF_XDP copy)" in daemon.first_line
        status, = shield.read_json("status", shield.device)
        assert status["phase"] == "active"
        assert (daemon.status()["workers"], daemon.status()["zero_copy_workers"]) == (1, 0)
        assert daemon.status()["pid"] == daemon.process.pid
        with connect(net, family) as client:
            assert_echoes(client)
            lab.wait_until(lambda: daemon.status()["connections"] == 1, "the count")


def test_device_that_is_loaded_gets_the_services_besides(shield, net, family):
    shield.load("*:80")
    with daemons.serving(shield, echo(family, net)), connect(net, family) as client:
        assert_echoes(client)
        services = {service["service"] for service in shield.read_json("service", "list", shield.device)}
        assert services == {"*:80", family.spec(net.server, ECHO)}


def test_services_that_are_registered_are_served(shield, net, family):
    shield.load(echo(family, net))
    service, = shield.read_json("service", "list", shield.device)
    assert (service["owner"], service["app"]) == ("daemon", "echo")
    with daemons.serving(shield), connect(net, family) as client:
        assert_echoes(client)


def test_second_daemon_is_refused(shield, net, family):
    with daemons.serving(shield, echo(family, net)), connect(net, family) as client:
        done = shield.run("run", shield.device, check=False)
        assert done.returncode == 1
        assert "is `synkeep run` at work there already?" in done.stderr
        assert_echoes(client)


def test_mtu_that_af_xdp_can_not_carry_is_refused(shield, net):
    for host in (net.client, net.server):
        host.run("ip", "link", "set", host.device, "mtu", "3499")
    done = shield.run("run", shield.device, check=False)
    assert done.returncode == 1
    assert "the MTU" in done.stderr and "is 3499" in done.stderr


def test_frame_of_a_page_is_carried(shield, net, family):
    for host in (net.client, net.server):
        host.run("ip", "link", "set", host.device, "mtu", "3498")
    with daemons.serving(shield, echo(family, net)), connect(net, family) as client:
        for _ in range(100):
            assert_echoes(client, bytes(4 * 3498))


@pytest.mark.parametrize("command", [("load",), ("service", "add")])
def test_application_that_is_not_there_is_refused(shield, command):
    if command[0] == "service":
        shield.load()
    words = ("--service",) if command[0] == "load" else ()
    done = shield.run(*command, shield.device, *words, "*:7,owner=daemon,app=web", check=False)
    assert done.returncode == 2
    assert 'no application "web"' in done.stderr


@pytest.mark.parametrize("words, complaint", [
    (("--service", "*:7,owner=daemon,app=web"), 'no application "web": there are echo, discard, daytime, chargen'),
    (("--service", "*:7,owner=daemon"), "app"),
    (("--msl", "60"), "--msl 60"),
    (("--msl", "0s"), "--msl 0s"),
    (("--recv-buffer", "2G"), "--recv-buffer 2G"),
    (("--send-buffer", "1k"), "--send-buffer 1k"),
    (("--delayed-ack", "500ms"), "below 500ms"),
    (("--connections", "0"), "--connections 0"),
    (("--memory", "1k"), "--memory 1k"),
    (("--ring", "1000"), "a power of two"),
    (("another",), "one device at a time"),
])
def test_wrong_words_are_refused_before_anything_is_loaded(shield, words, complaint):
    done = shield.run("run", shield.device, *words, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert shield.is_gone()


def test_device_of_another_namespace_is_refused(shield, net, family):
    shield.load(echo(family, net))
    index = net.server.read_json("ip", "-j", "link", "show", net.server.device)[0]["ifindex"]
    namespace = f"{net.server.namespace}-other"
    lab.run("ip", "netns", "add", namespace)
    try:
        lab.run("ip", "-n", namespace, "link", "add", net.server.device, "index", str(index), "type", "veth", "peer", "name",
                "peer", "index", str(index + 100))
        done = lab.run("nsenter", f"--net=/run/netns/{namespace}", *shield.command("run", shield.device)[2:], check=False,
                       timeout=daemons.SECONDS)
    finally:
        lab.run("ip", "netns", "del", namespace)
    assert done.returncode == 1
    assert "in another network namespace" in done.stderr


# --- it serves -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "off"])
def test_record_says_what_the_tcb_says(shield, net, family, policy):
    with daemons.serving(shield, echo(family, net, f"policy={policy}")), connect(net, family) as client:
        port = sockets.port_of(client)
        assert_echoes(client)
        time.sleep(RECORD_SECONDS)
        name, record = shield.record(family, port)
        assert (name, record["owner"]) == ("flows", "FLOW_OWNER_DAEMON")
        assert record["state"] == "TCPS_ESTABLISHED"
        client.sendall(b"12345")
        lab.wait_until(lambda: shield.record(family, port)[1]["rcv_nxt"] == (record["rcv_nxt"] + 5) % 2**32,
                       "the sequence number", timeout=1 + RECORD_SECONDS)
        sockets.reset(client)
        time.sleep(RECORD_SECONDS)
        assert shield.record(family, port)[0] != "flows"


def test_half_open_record_says_syn_received(shield, net, family):
    with daemons.serving(shield, echo(family, net, "policy=off")):
        drop(net.client, "input")  # the SYN-ACK is lost
        with sockets.begin_to_connect(net.client, family, (family.address(net.server), ECHO), 40000):
            lab.wait_until(lambda: shield.record(family, 40000)[0], "the record")
            name, record = shield.record(family, 40000)
            assert (name, record["state"]) == ("half", "TCPS_SYN_RECEIVED")
            drop_no_more(net.client)
            lab.wait_until(lambda: shield.flows(state="ESTABLISHED"), "the flow")
            time.sleep(RECORD_SECONDS)
            assert shield.record(family, 40000)[0] == "flows"


def test_answer_to_a_syn_ack_finds_its_record(shield, net, family):
    with daemons.serving(shield, echo(family, net, "policy=off")):
        for _ in range(20):
            with connect(net, family) as client:
                assert_echoes(client)
        assert shield.counters()["DAEMON_SYN"] == 20
        assert shield.counters()["DAEMON_STRANGER"] == 0


def test_records_that_find_the_table_full_are_written_later(shield, net, family):
    shield.load(echo(family, net, "policy=off"), flows=64)
    with daemons.serving(shield, options=("--connections", "100")) as daemon, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(net, family)) for _ in range(100)]
        for client in clients:
            assert_echoes(client)
        lab.wait_until(lambda: daemon.counters()["RECORDS_REFUSED"] > 0, "a full table")
        for client in clients[:60]:
            sockets.reset(client)
        time.sleep(RECORD_SECONDS)
        left = {sockets.port_of(client) for client in clients[60:]}
        assert left == {flow["remote_port"] for flow in shield.flows(state="ESTABLISHED")}
        for client in clients[60:]:
            assert_echoes(client)


def test_time_wait_lasts_two_msl(shield, net, family):
    options = ("--msl", "300ms")
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime"), options=options) as daemon:
        with connect(net, family, DAYTIME) as client:
            while client.recv(100):
                pass
        began = time.monotonic()
        lab.wait_until(lambda: [flow["state"] for flow in shield.flows()] == ["TIME-WAIT"], "TIME-WAIT")
        lab.wait_until(lambda: not shield.flows(state="TIME-WAIT"), "its end")
        assert 0.5 < time.monotonic() - began < 2
        assert daemon.status()["connections"] == 0


@pytest.mark.parametrize("policy", ["always", "off"])
def test_window_scaling_can_be_turned_off(shield, net, family, policy):
    for options, has_scale in (((), True), (("--no-window-scaling",), False)):
        with daemons.serving(shield, echo(family, net, f"policy={policy}"), options=options):
            with connect(net, family) as client:
                assert_echoes(client)
                info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
                assert bool(info[TCPI_OPTIONS] & TCPI_OPT_WSCALE) == has_scale


def test_connections_beyond_the_limit_are_refused(shield, net, family):
    with daemons.serving(shield, echo(family, net, "policy=off"), options=("--connections", "3")) as daemon, \
            contextlib.ExitStack() as stack:
        for _ in range(3):
            assert_echoes(stack.enter_context(connect(net, family)))
        with pytest.raises(OSError):
            connect(net, family, timeout=2)
        assert daemon.counters()["NO_ROOM"] > 0


def test_each_receive_queue_has_a_worker(shield, net, family):
    # Without cookies: what XDP_TX sends now and then stays lying in a veth that has several queues.
    for host in (net.client, net.server):
        host.run("ethtool", "-L", host.device, "rx", "2", "tx", "2")
    with daemons.serving(shield, echo(family, net, "policy=off")) as daemon, contextlib.ExitStack() as stack:
        assert "2 workers" in daemon.first_line
        for _ in range(40):
            assert_echoes(stack.enter_context(connect(net, family)))
        lab.wait_until(lambda: daemon.status()["connections"] == 40, "the count")


def test_connections_whose_first_segments_find_its_ring_full_are_served(shield, net, family):
    count = 200
    with daemons.serving(shield, echo(family, net), options=("--ring", "64")) as daemon, contextlib.ExitStack() as stack:
        daemon.process.send_signal(signal.SIGSTOP)
        clients = [stack.enter_context(connect(net, family)) for _ in range(count)]
        daemon.process.send_signal(signal.SIGCONT)
        for client in clients:
            assert_echoes(client)
        lab.wait_until(lambda: daemon.counters()["RX_DROPPED"] > 0, "the count of frames that were lost")
        lab.wait_until(lambda: daemon.counters()["ACCEPTED"] == count, "the last of them")


def test_generic_xdp_serves(shield, net, family):
    with daemons.serving(shield, echo(family, net), options=("--xdp", "generic")), connect(net, family) as client:
        for _ in range(100):
            assert_echoes(client, bytes(4000))


def test_busy_polling_serves(shield, net, family):
    with daemons.serving(shield, echo(family, net), options=("--busy-poll",)), connect(net, family) as client:
        assert_echoes(client)


# --- it follows ----------------------------------------------------------------------------------------------------


def test_service_that_is_added_is_served_and_one_that_is_deleted_is_not(shield, net, family):
    with daemons.serving(shield) as daemon:
        shield.add_service(echo(family, net))
        time.sleep(RECORD_SECONDS)
        with connect(net, family) as client:
            assert_echoes(client)
            shield.delete_service(family.spec(net.server, ECHO))
            time.sleep(RECORD_SECONDS)
            assert_echoes(client, b"still there")
            with pytest.raises(ConnectionRefusedError):
                connect(net, family)
        assert daemon.process.poll() is None


def test_connections_outlive_their_service(shield, net, family):
    """The port stays the daemon's when the service goes, for its records' sake."""
    with daemons.serving(shield, echo(family, net)), connect(net, family) as client:
        assert_echoes(client)
        time.sleep(RECORD_SECONDS)
        shield.delete_service(family.spec(net.server, ECHO))
        shield.advance_clock(300)  # no cookie of it can come back any more
        shield.add_service("*:80")  # which takes away what has expired
        assert_echoes(client)


def test_service_that_gets_another_application_is_served_by_that(shield, net, family):
    with daemons.serving(shield, echo(family, net)):
        shield.add_service(daemons.spec(family, net, ECHO, "daytime"))
        time.sleep(RECORD_SECONDS)
        with connect(net, family) as client:
            assert client.recv(100).endswith(b"-UTC\r\n")


def test_next_hop_that_gets_another_mac_is_followed(shield, net, family):
    with daemons.serving(shield, echo(family, net)), connect(net, family) as client:
        assert_echoes(client)
        drop(net.client, "input")
        client.sendall(b"unheard")
        time.sleep(0.1)
        drop(net.client, "output")  # from now on nothing tells of the new address but the neighbour table
        net.client.run("ip", "link", "set", net.client.device, "address", OTHER_MAC)
        net.server.run("ip", "neigh", "replace", family.address(net.client), "lladdr", OTHER_MAC, "dev",
                       net.server.device)
        drop_no_more(net.client, "input")
        assert sockets.read_exactly(client, len(b"unheard")) == b"unheard"


def test_device_that_is_down_is_waited_for(shield, net, family):
    with daemons.serving(shield, echo(family, net)) as daemon, connect(net, family) as client:
        assert_echoes(client)
        drop(net.client, "input")
        client.sendall(b"unheard")
        time.sleep(0.1)
        net.server.run("ip", "link", "set", net.server.device, "down")
        before = daemon.cpu_seconds()
        time.sleep(2)
        assert daemon.cpu_seconds() - before < 0.05
        net.server.run("ip", "link", "set", net.server.device, "up")
        drop_no_more(net.client)
        assert sockets.read_exactly(client, len(b"unheard")) == b"unheard"


def test_device_that_is_unloaded_ends_it(shield, net, family):
    with daemons.serving(shield, echo(family, net)) as daemon:
        shield.unload("--now")
        assert daemon.process.wait(timeout=daemons.SECONDS) == 1
        assert "was unloaded" in daemon.process.stderr.read()


def test_device_that_is_gone_ends_it(shield, net):
    with daemons.serving(shield) as daemon:
        net.server.run("ip", "link", "del", net.server.device)
        assert daemon.process.wait(timeout=daemons.SECONDS) == 1
        assert "is gone" in daemon.process.stderr.read()


def test_key_of_the_cookies_is_not_in_its_memory(shield, net, family, tmp_path):
    key = bytes(range(0x41, 0x51))
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(key.hex())
    with daemons.serving(shield, echo(family, net), options=("--key-file", path)) as daemon:
        with connect(net, family) as client:
            assert_echoes(client)
        daemon.process.send_signal(signal.SIGSTOP)
        memory = daemon.memory()
        daemon.process.send_signal(signal.SIGCONT)
    assert str(path).encode() in memory
    assert key not in memory and key[7::-1] + key[:7:-1] not in memory


# --- it ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_orderly_end_resets_connections_and_leaves_the_device_loaded(shield, net, family, number):
    with daemons.serving(shield, echo(family, net)) as daemon, connect(net, family) as client:
        assert_echoes(client)
        assert daemon.end(number) == (0, "")
        assert_reset(client)
        assert daemon.status() is None
        assert shield.read_json("status", shield.device)[0]["phase"] == "active"
        assert shield.record(family, sockets.port_of(client))[0] != "flows"


def test_without_it_syns_are_dropped_or_refused(shield, net, family):
    with daemons.serving(shield, echo(family, net), daemons.spec(family, net, DAYTIME, "daytime", "gone=refuse")) as daemon:
        daemon.end()
        with pytest.raises(TimeoutError):
            connect(net, family, timeout=1)
        with pytest.raises(ConnectionRefusedError):
            connect(net, family, DAYTIME)
        assert shield.counters()["DAEMON_GONE"] > 0
        assert shield.counters()["DAEMON_GONE_REFUSED"] > 0


def test_services_of_the_kernel_do_not_notice_its_end(shield, net, family):
    with daemons.serving(shield, echo(family, net), "*:8000") as daemon, \
            sockets.listen(net.server, family, port=8000) as listener, \
            sockets.connected(net, family, listener) as ends:
        sockets.exchange(*ends, 10000)
        daemon.end(signal.SIGKILL)
        sockets.exchange(*ends, 10000)
        with sockets.connected(net, family, listener) as others:
            sockets.exchange(*others, 10000)


def test_connections_of_a_daemon_that_was_killed_are_reset_by_the_next(shield, net, family):
    with daemons.serving(shield, echo(family, net)) as first:
        client = connect(net, family)
        assert_echoes(client)
        first.end(signal.SIGKILL)
    with client, daemons.serving(shield) as second:
        client.sendall(b"anybody?")
        assert_reset(client)
        lab.wait_until(lambda: shield.record(family, sockets.port_of(client))[0] is None, "the record to go")
        lab.wait_until(lambda: second.counters()["NO_CONNECTION"] == 1, "the count")
        with connect(net, family) as another:
            assert_echoes(another)


def test_daemon_without_descriptors_goes_on_and_follows_when_it_has_some(shield, net, family):
    with daemons.serving(shield, echo(family, net)) as daemon, connect(net, family) as client:
        limit_descriptors(daemon.process, 3)
        time.sleep(0.5)  # it looks after the device several times
        assert_echoes(client)
        shield.add_service(daemons.spec(family, net, DAYTIME, "daytime"))
        time.sleep(0.5)
        limit_descriptors(daemon.process, 1024)
        time.sleep(0.5)
        with connect(net, family, DAYTIME) as other:
            assert other.recv(100)
        assert_echoes(client)
