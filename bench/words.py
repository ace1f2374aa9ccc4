"""How far our word times are from a forced alignment of the same sound by another program; a Markdown table.

``python -m bench.words``: three texts, spoken by the built-in voice, and the same at another pace and pitch, treated as
recordings; aligned by pocketsphinx in an environment of its own (build/peers/).
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.peers.environments import Peer, python_of
from stages.align import recorded_speech
from stages.voice import Speech, speak

POCKETSPHINX = Peer("pocketsphinx", "with_pocketsphinx", ("pocketsphinx==5.1.1",), "yes", approves=False)
RATE = 16_000
TEXTS = {
    "a manual": (
        "When a program wants to know that a file has changed, it can look again and again, but that costs time. "
        "The system already knows. So a better way is to ask for a message. First, open a queue. Then name each "
        "folder that matters, and wait until the queue can be read. Whatever comes after the queue is full is lost, "
        "so a careful program looks at the folder once more."
    ),
    "a report": (
        "The station counted every bicycle that crossed the bridge for eleven years. In the first summer there were "
        "four thousand a day. Last year there were nine thousand, more than twice as many. Rain takes away a third "
        "of them, and snow takes nearly all. The new lane opened in spring, and since then the number grew by twelve "
        "percent. Accidents fell in the same time."
    ),
    "a piece of history": (
        "In the summer of that year the harbor was quiet. Ships came slowly, carrying salt, timber, and letters from "
        "the north. The old keeper climbed the tower every evening and lit the lamp. Nobody knew that the war was "
        "over. When the first boat arrived with the news, the people rang all the bells, and they danced until morning."
    ),
}
QUANTILES = (0.5, 0.9)
SLOWER = 1.12


def table() -> str:
    """All texts; starts and ends, median and what nine of ten stay within, in milliseconds."""
    rows = [
        "| text | words | start, median | start, 90 % within | end, median | end, 90 % within |",
        "|---|---|---|---|---|---|",
    ]
    for name, text in TEXTS.items():
        rows.append(_row(f"{name}, built-in voice", speak(text, "hibari")))
    for name, text in TEXTS.items():
        rows.append(_row(f"{name}, as a recording", _recorded(text)))
    return "\n".join(rows)


def _recorded(text: str) -> Speech:
    """The speech slower and lower, as somebody might have recorded it, its words found by ours alone."""
    said = speak(text, "hibari")
    at = np.arange(round(len(said.samples) * SLOWER)) / SLOWER
    slow = np.interp(at, np.arange(len(said.samples)), said.samples).astype(np.float32)
    return recorded_speech(slow, said.rate, said)


def _row(name: str, speech: Speech) -> str:
    pairs = zip(speech.words, align(speech, [_bare(word.text) for word in speech.words]), strict=True)
    starts, ends = zip(
        *((abs(word.start - start) * 1000, abs(word.end - end) * 1000) for word, (_, start, end) in pairs),
        strict=True,
    )
    told = [f"{np.quantile(values, share):.0f} ms" for values in (starts, ends) for share in QUANTILES]
    return f"| {name} | {len(starts)} | {' | '.join(told)} |"


def align(speech: Speech, words: Sequence[str]) -> list[tuple[str, float, float]]:
    """Word, start and end in seconds, as the aligner hears them."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as target:
        _write(Path(target.name), speech)
        script = Path(__file__).parent / "peers/with_pocketsphinx.py"
        command = [str(python_of(POCKETSPHINX)), str(script), target.name, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [(word, start, end) for word, start, end in json.loads(done.stdout)]


def _write(path: Path, speech: Speech) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(speech.samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = speech.rate
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(part.to_ndarray().tobytes() for part in parts))


def _bare(word: str) -> str:
    return re.sub(r"[^a-z']", "", word.lower())


if __name__ == "__main__":
    print(table())
