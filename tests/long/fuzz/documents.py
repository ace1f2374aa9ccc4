"""``python -m tests.long.fuzz.documents``, with libFuzzer's arguments: documents made by coverage-guided mutation."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

import atheris

TELL_EVERY = 10_000
LONGEST_SECONDS = 1.0


def main() -> None:
    """Until ``-runs`` inputs are done, or the first fault: then the exit code is not 0 and the input is kept.

    libFuzzer ends the process itself, so what was counted is told now and then, as lines of JSON.
    """
    with atheris.instrument_imports(include=["daemon"]):
        tally = import_module("tests.long.fuzz.reading").Tally()

    def took(data: bytes) -> float:
        """Seconds of the processor's time, not the clock's: a busy machine is no hang."""
        began = time.process_time()
        tally.read(data)
        return time.process_time() - began

    def one(data: bytes) -> None:
        # A second time where it took long: what the fuzzer and Python tidy up in between is not the input's.
        assert took(data) < LONGEST_SECONDS or took(data) < LONGEST_SECONDS, "a hang"
        if tally.total % TELL_EVERY == 0:
            print(json.dumps(vars(tally)), flush=True)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
