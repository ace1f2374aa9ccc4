"""Editors in a terminal: typed into for longer than the hold, saved, left; their side files lie beside the gate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.saves import CUT, Shop, decision, request
from tests.terminal import EDITORS, edit

HOLD = 2.5
"""Seconds; the hold is two."""


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_new_files(shop: Shop, tmp_path: Path, name: str, marked: bool) -> None:
    """Nothing counts while it is only typed, whatever the editor leaves beside it; the save does."""
    jobs = {verb: shop.at_gate() for verb in ("approve", "reject")}
    texts = {verb: decision(verb, marked=marked) for verb in jobs}
    for verb, job in jobs.items():

        def rest(job: str = job) -> None:
            time.sleep(HOLD)
            shop.still_waits(job)

        edit(EDITORS[name], shop.studio.run(job) / f"{verb}.yaml", texts[verb], tmp_path / verb, rest)
    wanted, path = shop.request()
    asked = request(wanted, marked=marked)
    edit(EDITORS[name], path, asked, tmp_path / "request")
    for verb, job in jobs.items():
        shop.decided(job, verb, texts[verb])
    shop.accepted(wanted, path, asked)


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("name", EDITORS)
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_edits(shop: Shop, tmp_path: Path, name: str, marked: bool) -> None:
    """A decision that was refused, one that was cut short and a request that waits are edited into ones that count."""
    refused, cut = shop.at_gate(), shop.at_gate()
    text = decision("reject", marked=marked)
    shop.refused(refused, "reject")
    shop.studio.write(cut, "reject.yaml", CUT)

    def rest() -> None:
        time.sleep(HOLD)
        shop.still_waits(refused, refusals=1)

    edit(EDITORS[name], shop.studio.run(refused) / "reject.yaml", text, tmp_path / "refused", rest)
    edit(EDITORS[name], shop.studio.run(cut) / "reject.yaml", text, tmp_path / "cut")
    wanted, path = shop.request()
    asked = request(wanted, marked=marked)
    shop.sourced(path)
    edit(EDITORS[name], path, asked, tmp_path / "request")
    shop.decided(refused, "reject", text, refusals=1)
    shop.decided(cut, "reject", text)
    shop.accepted(wanted, path, asked)


@pytest.mark.parametrize("name", EDITORS)
def test_a_template_without_its_end(shop: Shop, tmp_path: Path, name: str) -> None:
    """Saved as far as it was typed, a template waits; saved with its last line, it counts."""
    job = shop.at_gate()
    target = shop.studio.run(job) / "approve.yaml"
    text = CUT + "by: alice\nnotes: half typed\n"
    edit(EDITORS[name], target, text, tmp_path / "half")
    time.sleep(HOLD)
    shop.still_waits(job)
    with target.open("a") as file:
        file.write("...\n")
    shop.decided(job, "approve", target_text(text))


def target_text(text: str) -> str:
    return text + "...\n"
