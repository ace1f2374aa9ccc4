"""``make fuzz``: a million documents that no person would write, and what the hostile ones cost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from daemon.documents import Request, load
from daemon.errors import Invalid
from tests.hostile import HOSTILE, MIB
from tests.long.fuzz.reading import ROOT, corpus, words

INPUTS = int(os.environ.get("SPORK_FUZZ_INPUTS", "1000000"))
SIDE_BY_SIDE = 2
"""Fuzzers at once, each with a seed of its own."""


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.fault(59, 62, 69, 70, 75, 81)
def test_no_document_raises_anything_but_a_refusal(tmp_path: Path) -> None:
    """No other exception, no second of thought, and the same verdict from both of PyYAML's parsers."""
    (tmp_path / "words").write_text("\n".join(map(_quoted, words())))
    started = time.monotonic()
    fuzzers = [_fuzzer(tmp_path, seed) for seed in range(1, SIDE_BY_SIDE + 1)]
    tallies = []
    for seed, fuzzer in enumerate(fuzzers, 1):
        code = fuzzer.wait()
        told = _log(tmp_path, seed).read_text(errors="replace")
        assert code == 0, told[-4000:]
        tallies.append(json.loads([line for line in told.splitlines() if line.startswith("{")][-1]))
    seen = {kind: sum(t["seen"][kind] for t in tallies) for kind in tallies[0]["seen"]}
    taken = {kind: sum(t["taken"][kind] for t in tallies) for kind in seen}
    total, by_both = (sum(t[key] for t in tallies) for key in ("total", "by_both"))
    assert total >= INPUTS
    assert all(taken.values()), f"of some kind nothing was ever a document: {taken}"
    print(
        f"\n{total:,} documents in {time.monotonic() - started:.0f} s, {by_both:,} of them by both parsers:"
    )
    print("; ".join(f"{kind} {seen[kind]:,}, {taken[kind]:,} taken" for kind in seen))
    print("0 exceptions, 0 hangs, 0 differences")


def _fuzzer(folder: Path, seed: int) -> subprocess.Popen[bytes]:
    begin = folder / f"corpus-{seed}"
    begin.mkdir()
    for number, data in enumerate(corpus()):
        (begin / str(number)).write_bytes(data)
    runs = -(-INPUTS // SIDE_BY_SIDE // 10_000) * 10_000
    limits = [f"-runs={runs}", f"-seed={seed}", "-max_len=2048", "-timeout=120", "-rss_limit_mb=1024"]
    places = [f"-dict={folder / 'words'}", f"-artifact_prefix={folder}/fault-{seed}-", str(begin)]
    # Into a file: a pipe that nobody reads yet would hold the fuzzer up, and that would look like a hang.
    with _log(folder, seed).open("wb") as log:
        command = [sys.executable, "-m", "tests.long.fuzz.documents", *limits, *places]
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def _log(folder: Path, seed: int) -> Path:
    return folder / f"log-{seed}"


def _quoted(word: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"'


@pytest.mark.fault(59, 60, 61, 62, 63, 64, 69, 74)
def test_what_hostile_documents_cost() -> None:
    """Each is refused within 100 MB; the processor time each took is told."""
    load(b"intent: x\n", Request, "f")
    costs = {name: _cost(data) for name, (data, _) in HOSTILE.items()}
    print()
    for name, (seconds, grown) in sorted(costs.items(), key=lambda cost: -cost[1][0]):
        print(f"{seconds * 1000:8.1f} ms {grown / MIB:7.1f} MiB  {name}")
    assert max(grown for _, grown in costs.values()) < 100 * MIB


def _cost(data: bytes) -> tuple[float, float]:
    """Processor seconds and bytes that one refusal takes in a process of its own."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        try:
            load(data, Request, "f")
        except Invalid:
            spent = time.process_time() - started
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            os.write(writer, json.dumps([spent, grown]).encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with open(reader, encoding="ascii") as file:
        spent, grown = json.load(file)
    return spent, grown
