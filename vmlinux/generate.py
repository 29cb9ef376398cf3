#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prints vmlinux.h: the types in types.txt, as the running kernel's BTF has them.

It works on the C text that bpftool prints, whose declarations are parted by blank lines and stand in an order that
compiles. Layouts are not its business: bpftool prints padding where a whole type needs it, and the places of members
of a type that is cut down are found when a program is loaded.
"""
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

HEAD = """\
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types that the programs in bpf/ use, and no more: listed in types.txt, printed by generate.py (make
 * vmlinux) from the BTF of Linux {release}, {machine}. Do not edit.
 *
 * The kernel's own types are cut down to the members named in types.txt; where these stand in the kernel that the
 * program is loaded into is found then (CO-RE). Their bit fields are read with BPF_CORE_READ_BITFIELD(p, a.b.field)
 * only, p being a pointer that the program was given, not &q->a.
 */
#ifndef SYNKEEP_VMLINUX_H
#define SYNKEEP_VMLINUX_H"""
PUSH = "#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)"
POP = "#pragma clang attribute pop"
TAIL = "#endif /* SYNKEEP_VMLINUX_H */"

NAMED = re.compile(r"(?:struct|union|enum) (\w+) \{")
CONSTANT = re.compile(r"^\t(\w+) = ", re.M)
# The declared name at the end of a member's or a typedef's line: a function pointer's, or one before [], : and ;
DECLARED = re.compile(r"\(\*(\w+)\)\(|(\w+)(?:\[\d*\])*(?:: \d+)?(?: __attribute__\(.*\))?;$")
# The type that a line begins with, and whether the declared name is a pointer. A function pointer's arguments are not
# looked at: no type that is wanted here has one.
TYPE = re.compile(
    r"^(?:typedef |\t+)(?:const |volatile )*(struct |union |enum )?(\w+) (?:__attribute__\(\S+ )?(\*?)", re.M
)


def fail(sentence):
    sys.exit(f"generate.py: {sentence}")


def declared_name(line):
    match = DECLARED.search(line)
    return match and (match[1] or match[2])


def names_of(declaration):
    """The names that types.txt can call a declaration by."""
    first, last = declaration.split("\n", 1)[0], declaration.rsplit("\n", 1)[-1]
    if first.startswith("typedef"):
        return [declared_name(last)]
    if first == "enum {":
        return CONSTANT.findall(declaration)
    match = NAMED.match(first)
    return [match[1]] if match else []


def read_kernel():
    """name: declaration, in an order that compiles. Of two declarations of a name the first is meant."""
    bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin")  # where users' PATH does not look
    if not bpftool:
        fail("no bpftool: make deps installs it")
    command = [bpftool, "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    kernel = {}
    for declaration in text.split("\n\n"):
        for name in names_of(declaration):
            kernel.setdefault(name, declaration)
    return kernel


def read_wanted(path):
    """name: its members, or None for a whole type."""
    wanted = {}
    for line in path.read_text().splitlines():
        name, colon, members = (part.strip() for part in line.partition("#")[0].partition(":"))
        if name:
            wanted[name] = (wanted.get(name) or []) + members.split() if colon else None
    return wanted


def cut(declaration, members):
    """The declaration with these members only, and with what encloses them."""
    missing = set(members)
    kept = []
    opened = []  # where in kept each enclosing anonymous struct or union begins
    first, *body, last = declaration.split("\n")
    for line in body:
        if line.endswith("{"):
            opened.append(len(kept))
            kept.append(line)
            continue
        closes = line.lstrip().startswith("}")
        start = opened.pop() if closes else len(kept)
        kept.append(line)
        name = declared_name(line)
        if name in missing:
            missing.remove(name)
        elif not (closes and len(kept) - start > 2):
            del kept[start:]
    if missing:
        fail(f"{first} has no {', '.join(sorted(missing))} in this kernel: mend types.txt")
    return "\n".join([first, *kept, last])


def choose(kernel, wanted):
    """name: declaration, of what is wanted and of what that contains."""
    chosen = {}
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name in chosen:
            continue
        if name not in kernel:
            fail(f"{name}: not a type of this kernel: mend types.txt")
        members = wanted.get(name)
        if members is None:
            chosen[name] = kernel[name]
        elif members:
            chosen[name] = cut(kernel[name], members)
        else:
            chosen[name] = f"struct {name};"
        for tag, type_name, pointer in TYPE.findall(chosen[name]):
            if type_name in kernel and not (tag and pointer):  # C declares what it meets as "struct x *"
                todo.append(type_name)
    return chosen


def main():
    here = pathlib.Path(__file__).parent
    kernel = read_kernel()
    wanted = read_wanted(here / "types.txt")
    chosen = choose(kernel, wanted)
    whole = list(dict.fromkeys(chosen[name] for name in kernel if name in chosen and wanted.get(name) is None))
    relocated = [chosen[name] for name in kernel if name in chosen and wanted.get(name) is not None]
    head = HEAD.format(release=platform.release().partition("-")[0], machine=platform.machine())
    print("\n\n".join([head, *whole, PUSH, *relocated, POP, TAIL]))


if __name__ == "__main__":
    main()
