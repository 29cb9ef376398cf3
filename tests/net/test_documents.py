# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tests that docs/ names are there, and the code that ARCHITECTURE.md does."""

import pathlib
import re

import pytest

import lab

TESTS = lab.REPOSITORY / "tests"
NAMED = re.compile(r"\b(test_\w+\.(?:py|c))::(test_\w+)")
CONFORMANCE = lab.REPOSITORY / "docs" / "conformance.tsv"
DEFINITION = {".py": "def {}(", ".c": "static void {}(void **state)"}


def named_tests():
    """(document, file, test) for each test that a document names."""
    return sorted({(document.name, *names) for document in (lab.REPOSITORY / "docs").iterdir()
                   for names in NAMED.findall(document.read_text())})


@pytest.mark.parametrize("document, file, test", named_tests())
def test_named_test_exists(document, file, test):
    definition = DEFINITION[pathlib.Path(file).suffix].format(test)
    assert any(definition in path.read_text() for path in TESTS.glob(f"*/{file}"))


ARCHITECTURE = lab.REPOSITORY / "ARCHITECTURE.md"
CODE = [path for folder in ("bpf", "include", "user") for path in (lab.REPOSITORY / folder).rglob("*.[ch]")]


@pytest.mark.parametrize("kind, name", sorted(
    {("file", name) for name in re.findall(r"`([\w/.]+\.[ch])`", ARCHITECTURE.read_text())}
    | {("function", name) for name in re.findall(r"`(\w+)\(\)`", ARCHITECTURE.read_text())}))
def test_architecture_names_what_is_there(kind, name):
    if kind == "file":
        assert any(str(path).endswith("/" + name) for path in CODE)
    else:
        assert any(re.search(rf"\b{name}\(", path.read_text()) for path in CODE)


def test_every_case_of_the_handover_names_a_test():
    lines = (lab.REPOSITORY / "docs" / "handover.md").read_text().split("## Every case")[1].split("\n## ")[0].splitlines()
    cases = [line for line in lines if line.startswith("| ")][1:]
    assert len(cases) > 25
    assert [case for case in cases if not NAMED.search(case)] == []


def conformance():
    """The rows of docs/conformance.tsv: what each RFC asks for, and how it is answered."""
    head, *rows = (line.split("\t") for line in CONFORMANCE.read_text().splitlines())
    assert head == ["id", "source", "level", "requirement", "status", "shown by, or why not"]
    return rows


def test_every_requirement_has_one_complete_row():
    rows = conformance()
    assert len(rows) > 180
    assert [row for row in rows if len(row) != 6 or not all(row)] == []
    identifiers = [row[0] for row in rows]
    assert len(set(identifiers)) == len(identifiers)


def test_every_requirement_names_a_test_or_gives_a_reason():
    """What is met names tests and nothing else; what is not gives a reason, tests or not."""
    for identifier, *_, status, answer in conformance():
        words = NAMED.sub("", answer).split()
        assert status in ("met", "departs", "not built"), identifier
        assert not words if status == "met" else len(words) > 5, identifier
        assert status != "met" or NAMED.search(answer), identifier
