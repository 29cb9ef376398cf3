# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synkeep connect` against listeners of the kernel: both directions, how it ends, what it leaves."""

import concurrent.futures
import contextlib
import errno
import os
import signal
import socket
import subprocess
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire

PORT = 9000
DONE, FAILED, MISUSED, REFUSED, RESET, TIMED_OUT, UNREACHABLE = range(7)


def command(shield, family, *options, to=None, port=PORT):
    return shield.command("connect", family.endpoint(to or family.address(shield.net.client), port), *options)[2:]


def start(shield, family, **options):
    shield.net.client.send_through_queue()
    return shield.net.server.start(*command(shield, family), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False,
                                   **options)


def run(shield, family, *options, to=None, **choices):
    shield.net.client.send_through_queue()
    return shield.net.server.run(*command(shield, family, *options, to=to), check=False, **choices)


@pytest.fixture
def listener(net, family):
    with sockets.listen(net.client, family, port=PORT) as sock:
        yield sock


def accept(listener):
    peer = listener.accept()[0]
    peer.settimeout(sockets.SECONDS)
    return peer


def read_to_end(sock):
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


# --- both directions -----------------------------------------------------------------------------------------------


def test_end_of_input_closes_one_direction(shield, family, listener):
    process = start(shield, family)
    with accept(listener) as peer:
        process.stdin.write(b"question")
        process.stdin.close()
        assert read_to_end(peer) == b"question"
        peer.sendall(b"answer")
    assert process.stdout.read() == b"answer"
    assert process.wait(timeout=sockets.SECONDS) == DONE


def test_peer_that_closes_ends_it(shield, family, listener):
    process = start(shield, family)
    with accept(listener) as peer:
        peer.sendall(b"goodbye")
        peer.shutdown(socket.SHUT_WR)
        assert read_to_end(peer) == b""
    assert process.stdout.read() == b"goodbye"
    assert process.wait(timeout=sockets.SECONDS) == DONE


def test_bulk_goes_both_ways_at_once(shield, family, listener):
    rightward, leftward = os.urandom(8 << 20), os.urandom(8 << 20)
    process = start(shield, family)
    with accept(listener) as peer, concurrent.futures.ThreadPoolExecutor(4) as pool:
        said = pool.submit(process.communicate, rightward, 30)
        heard = pool.submit(read_to_end, peer)
        peer.sendall(leftward)
        peer.shutdown(socket.SHUT_WR)
        assert sockets.digest(said.result()[0]) == sockets.digest(leftward)
        assert rightward.startswith(heard.result())
    assert process.returncode == DONE


def test_answers_come_by_any_queue(shield, net, family, listener):
    for host in (net.client, net.server):
        host.run("ethtool", "-L", host.device, "rx", "2", "tx", "2")
    for _ in range(4):  # the kernel draws a queue for each connection
        process = start(shield, family)
        with accept(listener) as peer:
            process.stdin.write(b"question")
            process.stdin.close()
            assert read_to_end(peer) == b"question"
            peer.sendall(b"answer")
        assert process.stdout.read() == b"answer"
        assert process.wait(timeout=sockets.SECONDS) == DONE


def test_reader_that_does_not_read_holds_the_peer_up(shield, family, listener):
    data = os.urandom(32 << 20)
    process = start(shield, family)
    with accept(listener) as peer:
        peer.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < len(data):
                sent += peer.send(data[sent:sent + (1 << 16)])
        peer.shutdown(socket.SHUT_WR)
        assert sockets.digest(process.stdout.read()) == sockets.digest(data[:sent])
    assert process.wait(timeout=sockets.SECONDS) == DONE


def test_route_that_changes_is_followed(shield, net, family):
    nobody = {"ipv4": "10.99.0.66", "ipv6": "2001:db8:99::66"}[family.name]
    words = ("ip", "-6" if family.name == "ipv6" else "-4")
    net.client.run(*words, "addr", "add", family.peer, "dev", "lo")
    net.client.run(*words, "route", "del", "blackhole", family.peer, check=False)
    net.server.run(*words, "neigh", "replace", nobody, "lladdr", "02:00:00:00:99:66", "dev", net.server.device)
    net.server.run(*words, "route", "add", family.peer, "via", nobody)
    with sockets.listen(net.client, family, address=family.peer, port=PORT) as listener:
        process = net.server.start(*command(shield, family, to=family.peer), stdin=subprocess.PIPE, text=False)
        net.client.send_through_queue()
        listener.settimeout(1)
        with pytest.raises(TimeoutError):
            listener.accept()
        net.server.run(*words, "route", "replace", family.peer, "via", family.address(net.client))
        listener.settimeout(sockets.SECONDS)
        with accept(listener) as peer:
            process.stdin.close()
            assert read_to_end(peer) == b""
    assert process.wait(timeout=sockets.SECONDS) == DONE


# --- how it ends ---------------------------------------------------------------------------------------------------


def test_refused(shield, family):
    done = run(shield, family)
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "connection refused" in done.stderr


def test_reset(shield, family, listener):
    process = start(shield, family)
    sockets.reset(accept(listener))
    assert process.wait(timeout=sockets.SECONDS) == RESET
    assert b"reset by the peer" in process.stderr.read()


def test_no_answer(shield, family):
    done = run(shield, family, "--timeout", "2s", to=family.peer)  # the client has no such address, and forwards nothing
    assert done.returncode == TIMED_OUT
    assert "does not answer" in done.stderr


def test_no_neighbour(shield, net, family):
    nobody = {"ipv4": "10.99.0.77", "ipv6": "2001:db8:99::77"}[family.name]
    done = run(shield, family, to=nobody)
    assert done.returncode == UNREACHABLE
    assert "the next hop does not answer" in done.stderr


def test_no_route(shield, net, family):
    net.server.run("ip", "-6" if family.name == "ipv6" else "-4", "route", "del", "default")
    done = run(shield, family, to=family.peer)
    assert done.returncode == UNREACHABLE
    assert "no way to" in done.stderr


def test_own_address_is_refused(shield, net, family):
    done = run(shield, family, to=family.address(net.server))
    assert done.returncode == FAILED
    assert "this host itself" in done.stderr


def test_signal_resets_it(shield, family, listener):
    process = start(shield, family)
    with accept(listener) as peer:
        process.stdin.write(b"a")
        process.stdin.flush()
        assert peer.recv(1) == b"a"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=sockets.SECONDS) == FAILED
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    assert shield.is_gone()


def test_signal_ends_it_though_nobody_reads_what_came_last(shield, family, listener):
    text = bytes(200_000)  # more than a pipe holds
    process = start(shield, family)
    with accept(listener) as peer:
        process.stdin.close()
        assert read_to_end(peer) == b""
        peer.sendall(text)
    with listener:  # nothing of the peer's is left that could reset it
        lab.wait_until(lambda: not shield.flows(state="ESTABLISHED") and not shield.flows(state="FIN_WAIT_2"), "the end")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=sockets.SECONDS) == FAILED
    assert shield.is_gone()


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_descriptor_that_is_closed_is_no_other(shield, net, family, listener, closed):
    net.client.send_through_queue()
    process = net.server.start("sh", "-c", f'exec "$@" {closed}', "sh", *command(shield, family), stderr=subprocess.PIPE,
                               stdin=subprocess.PIPE)
    with accept(listener) as peer:
        with contextlib.suppress(ConnectionResetError):
            peer.sendall(b"a")
            peer.recv(1)
    assert process.wait(timeout=sockets.SECONDS) == FAILED
    assert os.strerror(errno.EBADF) in process.stderr.read()
    assert shield.is_gone()


@pytest.mark.parametrize("words, complaint", [
    ((), "ADDR:PORT is missing"),
    (("10.0.0.1",), "has no port"),
    (("10.0.0.1:*",), "one address and one port"),
    (("*:80",), "one address and one port"),
    (("10.0.0.1:80,policy=off",), "one address and one port"),
    (("10.0.0.1:80", "more"), "one ADDR:PORT"),
    (("10.0.0.1:80", "--timeout", "10"), "--timeout 10"),
])
def test_wrong_words_are_refused(shield, words, complaint):
    done = shield.run("connect", *words, check=False)
    assert done.returncode == MISUSED
    assert complaint in done.stderr


# --- what it leaves ------------------------------------------------------------------------------------------------


def test_device_that_was_not_loaded_is_not_afterwards(shield, family, listener):
    process = start(shield, family)
    with accept(listener) as peer:
        assert shield.pins.exists()
        process.stdin.close()
        assert read_to_end(peer) == b""
    assert process.wait(timeout=sockets.SECONDS) == DONE
    assert shield.is_gone()


def test_device_that_was_loaded_stays_as_it_was(shield, net, family, listener):
    shield.load("*:80")
    ports = shield.dump("ports")
    process = start(shield, family)
    with accept(listener) as peer:
        port = peer.getpeername()[1]
        lab.wait_until(lambda: shield.flows(state="ESTABLISHED"), "the record")
        time.sleep(0.1)  # until the one of its SYN has gone, too
        flow = shield.flow(family, PORT)
        assert (flow["state"], flow["owner"], flow["local_port"]) == ("ESTABLISHED", "daemon", port)
        with sockets.inside(net.server), socket.socket(family.af) as other, pytest.raises(OSError):
            other.bind((family.address(net.server), port))
        peer.shutdown(socket.SHUT_WR)  # first: no TIME-WAIT is here
        assert read_to_end(peer) == b""
    assert process.wait(timeout=sockets.SECONDS) == DONE
    assert shield.read_json("status", shield.device)[0]["phase"] == "active"
    assert shield.dump("ports") == ports
    assert shield.flows() == []


def test_time_wait_that_it_leaves_is_answered(shield, net, family):
    """Whose end has closed first, and is gone: the device was loaded before, and stays."""
    shield.load("*:80")
    net.client.send_through_queue()
    with wire.Peer(net, family, None, source_port=PORT) as peer:
        process = net.server.start(*command(shield, family, to=family.peer), stdin=subprocess.PIPE)
        peer.meet("SEC")
        peer.send("SA")
        peer.receive("A")
        process.stdin.close()
        peer.take(peer.receive("FA"))
        peer.send("FA")
        peer.receive("A")
        assert process.wait(timeout=sockets.SECONDS) == DONE
        assert shield.flow(family, PORT)["state"] == "TIME-WAIT"
        peer.send("FA", seq=peer.snd_nxt - 1)
        again = peer.receive("A")
        assert (again.seq, again.ack) == (peer.rcv_nxt, peer.snd_nxt)
        assert shield.counters()["TIME_WAIT_ACK"] == 1


def test_port_of_its_time_wait_is_not_drawn_for_the_same_peer(shield, net, family):
    shield.load("*:80")
    net.server.sysctl(net__ipv4__ip_local_port_range="40000 40000")
    with sockets.listen(net.client, family, port=PORT) as listener:
        process = start(shield, family)
        with accept(listener) as peer:
            process.stdin.close()
            assert read_to_end(peer) == b""
        assert process.wait(timeout=sockets.SECONDS) == DONE
        done = run(shield, family)
        assert (done.returncode, "no free port" in done.stderr) == (FAILED, True)
    with sockets.listen(net.client, family, port=PORT + 1):
        process = net.server.start(*command(shield, family, port=PORT + 1), stdin=subprocess.DEVNULL, text=False)
        lab.wait_until(lambda: shield.flows(state="FIN_WAIT_2"), "another connection from the port")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=sockets.SECONDS)
    assert shield.flow(family, PORT)["state"] == "TIME-WAIT"


def test_device_whose_mtu_has_grown_carries_its_frames(shield, net, family, listener):
    with daemons.serving(shield):
        pass  # it has told XDP how long frames are
    for host in (net.client, net.server):
        host.run("ip", "link", "set", host.device, "mtu", "3000")
    process = start(shield, family)
    with accept(listener) as peer:
        peer.sendall(bytes(50_000))
        peer.shutdown(socket.SHUT_WR)
        assert process.communicate(timeout=sockets.SECONDS)[0] == bytes(50_000)
    assert shield.counters()["DAEMON_FRAME_TOO_LARGE"] == 0


def test_port_of_a_service_is_not_drawn(shield, net, family, listener):
    shield.load("*:40000,owner=daemon,app=echo")
    ports = shield.dump("ports")
    net.server.sysctl(net__ipv4__ip_local_port_range="40000 40000")
    done = run(shield, family)
    assert done.returncode == FAILED
    assert "no free port" in done.stderr
    assert shield.dump("ports") == ports


def test_device_that_a_daemon_serves_is_refused(shield, family):
    with daemons.serving(shield) as daemon:
        done = run(shield, family)
        assert done.returncode == FAILED
        assert "`synkeep run`" in done.stderr
        assert daemon.process.poll() is None
