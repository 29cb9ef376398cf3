# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tests that docs/ names are there."""

import pathlib
import re

import pytest

import lab

TESTS = lab.REPOSITORY / "tests"
NAMED = re.compile(r"`(test_\w+\.(?:py|c))::(test_\w+)`")
DEFINITION = {".py": "def {}(", ".c": "static void {}(void **state)"}


def named_tests():
    """(document, file, test) for each test that a document names."""
    return sorted({(document.name, *names) for document in (lab.REPOSITORY / "docs").glob("*.md")
                   for names in NAMED.findall(document.read_text())})


@pytest.mark.parametrize("document, file, test", named_tests())
def test_named_test_exists(document, file, test):
    directory = TESTS / ("net" if file.endswith(".py") else "bpf")
    assert DEFINITION[pathlib.Path(file).suffix].format(test) in (directory / file).read_text()


def test_every_case_of_the_handover_names_a_test():
    lines = (lab.REPOSITORY / "docs" / "handover.md").read_text().split("## Every case")[1].split("\n## ")[0].splitlines()
    cases = [line for line in lines if line.startswith("| ")][1:]
    assert len(cases) > 25
    assert [case for case in cases if not NAMED.search(case)] == []
