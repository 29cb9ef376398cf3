# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two machines with one key and the same address: a SYN is answered by the one, its ACK is taken by the other."""

import contextlib
import time

import pytest

import negotiation
import sockets
from negotiation import SHIELDED
from shield import CONFIG_TEST_ADVANCE
from twins import SPREAD_PORT, twins

EPOCH_SECONDS = 64
SKEW_SECONDS = [1, -1]
OPTIONS = ["timestamps", "window_scaling", "sack"]

assert SPREAD_PORT == SHIELDED


@pytest.fixture
def pair():
    with twins() as shields:
        yield shields


def load_both(pair, tmp_path, policy="always"):
    """Both have the first one's key; the second has the policy, and has never sent a cookie."""
    first, second = pair
    first.load(f"*:{SHIELDED}", policy="always")
    first.run("key", "export", first.device, tmp_path / "key")
    second.load(f"*:{SHIELDED}", policy=policy, key_file=tmp_path / "key")


def set_clock(shield, seconds):
    """Cookies' time, which is UTC, is so many seconds ahead."""
    shield.write_config(CONFIG_TEST_ADVANCE, int(seconds * 10**9).to_bytes(8, "little"))


def advance_to_epoch(pair, epoch, first_seconds, second_seconds):
    """So many seconds before or after an epoch begins; both clocks go on."""
    first, second = pair
    ahead = epoch * EPOCH_SECONDS - time.time()
    assert ahead > 10, "the clock would go back"
    set_clock(second, ahead + second_seconds)
    set_clock(first, ahead + first_seconds)


def key_of(shield):
    return shield.read_json("status", shield.device)[0]["key"]


def dropped_as_old(host):
    """How many segments the host's TCP has dropped because their TSval ran backwards (RFC 7323, PAWS)."""
    names, values = (line.split() for line in host.run("cat", "/proc/net/netstat").stdout.splitlines()[:2])
    return int(dict(zip(names, values))["PAWSEstab"])


@contextlib.contextmanager
def counted(pair):
    """The verdicts meanwhile: two counters, filled when it is over."""
    before = [shield.counters() for shield in pair]
    counters = []
    yield counters
    counters += [shield.counters() - earlier for shield, earlier in zip(pair, before)]


def assert_split(pair, family):
    """A connection made of both: its socket on the second has what a connection with the second alone has."""
    first, second = pair
    old = dropped_as_old(first.net.client)
    with sockets.listen(first.net.server, family, port=SHIELDED), counted(pair) as counters:
        shielded, plain = negotiation.negotiate(second.net, family)
    assert shielded == plain
    assert dropped_as_old(first.net.client) == old, "the socket's clock began behind its SYN-ACK's"
    by_first, by_second = counters
    assert (by_first["SYN_COOKIE"], by_first["COOKIE_ACK"]) == (1, 0), by_first
    assert (by_second["SYN_COOKIE"], by_second["COOKIE_ACK"], by_second["HANDOVER"]) == (0, 1, 1), by_second


def assert_not_split(pair, family):
    """The second does not take what the first has sent."""
    first, second = pair
    with sockets.listen(first.net.server, family, port=SHIELDED), counted(pair) as counters, \
            sockets.listen(second.net.server, family, port=SHIELDED) as listener:
        with contextlib.suppress(ConnectionResetError), sockets.connect(
                first.net.client, family, listener.getsockname()):
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
    by_first, by_second = counters
    assert by_first["SYN_COOKIE"] == 1 and not by_second["COOKIE_ACK"], counters


@pytest.mark.parametrize("skew", SKEW_SECONDS)
@pytest.mark.parametrize("policy", ["always", "auto"])
def test_ack_goes_to_another_machine_than_the_syn(pair, family, tmp_path, policy, skew):
    load_both(pair, tmp_path, policy)
    set_clock(pair[0], 2)
    set_clock(pair[1], 2 + skew)
    assert_split(pair, family)
    pair[1].run("service", "add", pair[1].device, "*:9,policy=off")  # writes the config
    assert key_of(pair[1])["shared"]
    assert_split(pair, family)


@pytest.mark.parametrize("switched_off", OPTIONS)
def test_option_that_the_client_has_not_survives_as_such(pair, family, tmp_path, switched_off):
    load_both(pair, tmp_path)
    set_clock(pair[1], 1)
    pair[0].net.client.sysctl(**{f"net__ipv4__tcp_{switched_off}": 0})
    assert_split(pair, family)


@pytest.mark.parametrize("mss", [1220, 1400])
def test_mss_of_the_client_survives(pair, family, tmp_path, mss):
    load_both(pair, tmp_path)
    set_clock(pair[1], 1)
    first, second = pair
    ip, route = f"-{family.suffix}", family.address(second.net.server)
    for device, table in ((first.net.client.device, 101), (f"{first.net.client.device[:-1]}d", "main")):
        first.net.client.run("ip", ip, "route", "change", route, "dev", device, "src", family.address(first.net.client),
                             "table", table, "advmss", mss)
    # The cookie keeps an MSS of its table: the greatest that is not above the client's.
    kept = {1220: {"ipv4": 536, "ipv6": 1220}, 1400: {"ipv4": 1400, "ipv6": 1380}}[mss][family.name]
    with sockets.listen(first.net.server, family, port=SHIELDED), \
            sockets.listen(second.net.server, family, port=SHIELDED) as listener, \
            sockets.connected(second.net, family, listener) as (client, server):
        sockets.exchange(client, server, 10000)
        has = sockets.negotiated(family, second.net.server, SHIELDED, sockets.port_of(client))
        assert has["mss"] <= kept and has["timestamps"] and has["wscale"] and has["sack"], has


@pytest.mark.parametrize("ahead", [2, -2])
def test_epoch_begins_on_one_machine_before_the_other(pair, family, tmp_path, ahead):
    load_both(pair, tmp_path)
    advance_to_epoch(pair, key_of(pair[0])["from_epoch"] + 3, ahead, -ahead)
    assert_split(pair, family)


def test_machine_with_another_key_takes_nothing(pair, family):
    for shield in pair:
        shield.load(f"*:{SHIELDED}", policy="always")
    assert_not_split(pair, family)


# --- a rotation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [2, -2])
def test_key_imported_while_a_rotation_is_pending_agrees_in_each_epoch(pair, family, tmp_path, ahead):
    first, second = pair
    load_both(pair, tmp_path)
    first.run("key", "rotate", first.device, "--in", "70s")
    assert_split(pair, family)  # the new key is still to come, and the other machine has not heard of it
    first.run("key", "export", first.device, tmp_path / "new")
    second.run("key", "import", second.device, tmp_path / "new")
    begins = key_of(second)["from_epoch"]
    assert key_of(second)["pending"] and begins == key_of(first)["from_epoch"]
    assert_split(pair, family)
    advance_to_epoch(pair, begins, ahead, -ahead)  # one of them is in the new key's epoch, then both
    assert_split(pair, family)
    advance_to_epoch(pair, begins, 30, 31)
    assert_split(pair, family)
    assert not key_of(second)["pending"]


def test_machine_that_did_not_import_a_rotated_key_takes_nothing_from_then_on(pair, family, tmp_path):
    first, _second = pair
    load_both(pair, tmp_path)
    first.run("key", "rotate", first.device, "--in", "70s")
    advance_to_epoch(pair, key_of(first)["from_epoch"], -20, -20)
    assert_split(pair, family)
    advance_to_epoch(pair, key_of(first)["from_epoch"], 10, 10)
    assert_not_split(pair, family)


def test_machine_takes_the_key_out_of_a_pipe(pair, family):
    first, second = pair
    for shield in pair:
        shield.load(f"*:{SHIELDED}", policy="always")
    exported = first.run("key", "export", first.device).stdout
    done = second.run("key", "import", second.device, "-", input=exported)
    assert "key imported; cookies that it has sent under another key are void" in done.stdout
    assert key_of(first)["shared"] and key_of(second)["shared"]
    assert_split(pair, family)
