# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every network test has: a laboratory, a shield on its server's device, and both address families.

A test that changes the shield or sysctls asks for `shield`, which is its own; modules whose tests leave it as it was
define a `shield` of their own that lives for the module.
"""

import os
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import pytest

import family as families
import lab
from shield import shielded


def pytest_sessionstart():
    """Nothing is skipped: what can not be tested here ends the run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # laboratories are taken away, as after Ctrl-C
    if os.geteuid() != 0:
        pytest.exit("tests/net makes network namespaces and loads programs: run it as root", returncode=1)
    for built in (lab.SYNKEEP, *map(lab.tool, ("sink", "flood", "fetch", "impair", "silent"))):
        if not os.access(built, os.X_OK):
            pytest.exit(f"{built} is not built: `make tests` builds it", returncode=1)
    lab.mount_bpffs()


@pytest.fixture
def net(shield):
    """The laboratory that the shield stands in."""
    return shield.net


@pytest.fixture
def shield():
    """A shield that is not loaded yet, in a laboratory of its own."""
    with shielded() as own:
        yield own


@pytest.fixture(params=[families.IPV4, families.IPV6], ids=lambda family: family.name)
def family(request):
    return request.param
