# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Kernel memory of a record: each table of a loaded device, made once more for 2^20 records, and the pages counted."""

import json
import pathlib
import re

import defences
import lab

SLOTS = 1 << 20
TABLES = ("flows4", "flows6", "tw4", "tw6")
_AREA = re.compile(r"^(0x\w+-0x\w+) .* htab_map_alloc.* pages=(\d+)", re.M)  # of a hash map: elements and buckets
_PAGE_BYTES = 4096
_AREA_MIN_PAGES = 4096  # the buckets of SLOTS; a smaller area is of a map that someone else has just made
SLABS = {"tw_sock_TCP": "TIME-WAIT socket, IPv4", "tw_sock_TCPv6": "TIME-WAIT socket, IPv6",
         "nf_conntrack": "nf_conntrack"}


def _hash_areas():
    """The large memory areas of all hash maps of the machine: {place: pages}."""
    areas = _AREA.findall(pathlib.Path("/proc/vmallocinfo").read_text())
    return {place: int(pages) for place, pages in areas if int(pages) >= _AREA_MIN_PAGES}


def _show(pin):
    return json.loads(lab.run("bpftool", "map", "show", "pinned", pin, "--json").stdout)


def _table_bytes(shape, directory):
    """The bytes that a map of this shape and SLOTS records takes: (pages counted, what the kernel says of it)."""
    pin = directory / "bench"
    before = _hash_areas()
    lab.run("bpftool", "map", "create", pin, "type", shape["type"], "key", shape["bytes_key"],
            "value", shape["bytes_value"], "entries", SLOTS, "name", "bench")
    try:
        pages = sum(pages for place, pages in _hash_areas().items() if place not in before)
        said = _show(pin)["bytes_memlock"]
    finally:
        pin.unlink()
    return pages * _PAGE_BYTES, said


def _slab_bytes(name):
    """What an object of a slab takes. None: there is no such slab."""
    size = pathlib.Path("/sys/kernel/slab", name, "slab_size")
    return int(size.read_text()) if size.exists() else None


def measure():
    """Bytes of kernel memory a record: {table: {"key", "value", "bytes", "said"}}, those of the kernel's own, by
    slab, and what the presence filter has for each flow that there is room for."""
    tables = {}
    with lab.Lab() as net:
        pins = defences.load_synkeep(net)
        presence = _show(pins / "presence")["bytes_memlock"] / _show(pins / "flows4")["max_entries"]
        for name in TABLES:
            shape = _show(pins / name)
            counted, said = _table_bytes(shape, net.pin_root)
            tables[name] = {"key": shape["bytes_key"], "value": shape["bytes_value"], "bytes": counted / SLOTS,
                            "said": said / SLOTS}
    return {"tables": tables, "presence": presence, "slabs": {name: _slab_bytes(name) for name in SLABS}}
