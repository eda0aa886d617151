"""Versions and the names of boot entries: what is read, in which order the boot loader takes them, how counters move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.entries import Entry, blessed, chosen, condemned, entries, entry, fresh, started
from firmware.version import is_version, version

NUMBERS = st.lists(st.integers(0, 999_999), min_size=1, max_size=4).map(lambda ns: ".".join(map(str, ns)))


def test_versions_compare_as_numbers() -> None:
    assert version("0.10.0") > version("0.9.9")
    assert version("1.2") == version("1.2.0.0")
    assert version("2026.11.2") > version("2026.9.30")


@pytest.mark.parametrize(
    "text", ["", "1.", ".1", "01.2", "1.2.3.4.5", "1.2-rc1", "v1", "1 2", "1.2\n", "\u0661.2", "1234567"]
)
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="no version"):
        version(text)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("casemate_0.2.0.efi", Entry("0.2.0")),
        ("casemate_0.2.0+3.efi", Entry("0.2.0", 3)),
        ("casemate_0.2.0+3-0.efi", Entry("0.2.0", 3)),
        ("casemate_0.2.0+0-3.efi", Entry("0.2.0", 0, 3)),
        ("casemate_0.2.0+0-3.efi.new", None),
        ("casemate_x.efi", None),
        ("other_0.2.0.efi", None),
        ("casemate_0.2.0.EFI.txt", None),
        ("casemate_.efi", None),
    ],
)
def test_names_of_entries(name: str, found: Entry | None) -> None:
    assert entry(name) == found


@given(NUMBERS, st.none() | st.integers(0, 9), st.integers(0, 9))
def test_a_name_comes_back(text: str, left: int | None, done: int) -> None:
    one = Entry(text, left, 0 if left is None else done)
    assert entry(one.name) == one


def test_the_boot_loader_takes_the_newest_that_is_not_bad() -> None:
    old, new = Entry("0.9.0"), fresh("0.10.0", 3)
    assert chosen([old, new]) == new
    assert chosen([old, condemned(new)]) == old
    assert [e.version for e in entries(["casemate_0.9.0.efi", "README", "casemate_0.10.0+0-3.efi"])] == [
        "0.9.0",
        "0.10.0",
    ]
    assert chosen([]) is None


def test_a_release_on_trial_has_as_many_starts_as_it_was_given() -> None:
    one, starts = fresh("2.0", 3), 0
    while not one.bad:
        one, starts = started(one), starts + 1
    assert (starts, one) == (3, Entry("2.0", 0, 3))
    assert started(one) == one
    assert blessed(one).name == "casemate_2.0.efi"
    assert started(blessed(one)) == blessed(one)
