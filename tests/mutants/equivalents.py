"""The list of mutants that no test can kill: ``equivalent.toml``, with the reason for each."""

from __future__ import annotations

import tomllib
import typing as t
from pathlib import Path

PATH = Path(__file__).with_name("equivalent.toml")


class Change(t.NamedTuple):
    """The change that a mutant makes. It has no line numbers, so an edit elsewhere leaves it the same.

    :param function: the dotted name of the function, with its module.
    :param original: the changed lines, without indentation.
    :param mutated: the lines in their place.
    """

    function: str
    original: str
    mutated: str


class Equivalent(t.NamedTuple):
    """A change after which the function still does the same, and the reason."""

    change: Change
    reason: str


def read_equivalents(text: str) -> list[Equivalent]:
    """Read the list. An entry may have several mutations of the same lines.

    A mutation that is listed twice excuses two mutants: a function may have the same line twice.
    """
    return [
        Equivalent(Change(entry["function"], entry["original"], mutated), entry["reason"])
        for entry in tomllib.loads(text)["equivalent"]
        for mutated in entry["mutated"]
    ]
