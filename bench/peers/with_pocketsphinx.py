"""A forced alignment by another program: ``with_pocketsphinx.py SOUND.wav WORD...`` prints ``[[word, start, end]]``.

pocketsphinx and its en-us model, 10 ms frames; the sound is mono, 16 bit, 16 kHz. It runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
import wave

from pocketsphinx import Decoder

FRAMES_PER_SECOND = 100
LEAD_FRAMES = 30
QUIET = bytes(2 * 16_000 * LEAD_FRAMES // FRAMES_PER_SECOND)
"""The model expects silence at both ends."""


def main(path: str, words: list[str]) -> None:
    """Align, and print; words that the dictionary lacks end it with their names."""
    # Wide beams: an alignment must reach the end, however unlikely a word sounds to it.
    decoder = Decoder(lm=None, loglevel="FATAL", beam=1e-100, pbeam=1e-100, wbeam=1e-80)
    unknown = [word for word in words if not decoder.lookup_word(word)]
    if unknown:
        sys.exit(f"not in the dictionary: {' '.join(unknown)}")
    with wave.open(path) as file:
        sound = QUIET + file.readframes(file.getnframes()) + QUIET
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    if not decoder.seg():
        sys.exit("no alignment reaches the end of the sound")
    found = [
        (
            segment.word.split("(")[0],
            (segment.start_frame - LEAD_FRAMES) / FRAMES_PER_SECOND,
            (segment.end_frame + 1 - LEAD_FRAMES) / FRAMES_PER_SECOND,
        )
        for segment in decoder.seg()
        if not segment.word.startswith("<") and segment.word != "(NULL)"
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
