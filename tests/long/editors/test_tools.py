"""Shells, copiers, sync tools and programs' ways to save: new files and edits, of decisions and of requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hands import TOOLS, save
from tests.saves import CUT, Shop, decision, request

LINES = 6000
"""Some 250 KB: more than any tool writes at once."""


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.makes])
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_new_files(shop: Shop, tmp_path: Path, name: str, marked: bool) -> None:
    """approve.yaml, reject.yaml and a request, made by the tool."""
    jobs = {verb: shop.at_gate() for verb in ("approve", "reject")}
    texts = {verb: decision(verb, lines=LINES, marked=marked) for verb in jobs}
    for verb, job in jobs.items():
        save(TOOLS[name], shop.studio.run(job) / f"{verb}.yaml", texts[verb], tmp_path / verb)
    wanted, path = shop.request()
    asked = request(wanted, lines=LINES, marked=marked)
    save(TOOLS[name], path, asked, tmp_path / "request")
    for verb, job in jobs.items():
        shop.decided(job, verb, texts[verb])
    shop.accepted(wanted, path, asked)


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.edits])
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_edits(shop: Shop, tmp_path: Path, name: str, marked: bool) -> None:
    """A decision that was refused, one that was cut short and a request that waits are edited into ones that count."""
    jobs = {verb: shop.at_gate() for verb in ("approve", "reject")}
    cut = shop.at_gate()
    texts = {verb: decision(verb, lines=LINES, marked=marked) for verb in jobs}
    for verb, job in jobs.items():
        shop.refused(job, verb)
        save(TOOLS[name], shop.studio.run(job) / f"{verb}.yaml", texts[verb], tmp_path / verb)
    shop.studio.write(cut, "approve.yaml", CUT)
    save(TOOLS[name], shop.studio.run(cut) / "approve.yaml", texts["approve"], tmp_path / "cut")
    wanted, path = shop.request()
    asked = request(wanted, lines=LINES, marked=marked)
    shop.sourced(path)
    save(TOOLS[name], path, asked, tmp_path / "request")
    for verb, job in jobs.items():
        shop.decided(job, verb, texts[verb], refusals=1)
    shop.decided(cut, "approve", texts["approve"])
    shop.accepted(wanted, path, asked)
