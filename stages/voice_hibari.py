"""The built-in voice: hibari-tts, its weights in the wheel, with word times read from its graph."""

from __future__ import annotations

from importlib import resources

import numpy as np

from stages.voice import Samples, Speech, SpokenWord
from stages.voice_words import (
    Span,
    around_pauses,
    clauses,
    from_first_sound,
    group_times,
    sentences,
    written_groups,
)

RATE = 24_000
SPEED = 0.83
"""Of the voice's own pace of about 210 words a minute; with all pauses a video has about 150."""
STEP = 600
"""Samples per unit of the graph's phoneme durations: two frames of 300."""
SENTENCE_PAUSE = 0.42
PARAGRAPH_PAUSE = 0.7
CLAUSE_PAUSE = 0.2
QUIET = 0.006
"""Below this the edges of a sentence count as silence; speech peaks near 0.5."""
DURATIONS = "/Clip_output_0"


class HibariVoice:
    """hibari's default voice, one thread, a fixed seed for every sentence."""

    def __init__(self) -> None:
        import onnxruntime
        from hibari import Hibari
        from hibari.g2p.normalize import normalize

        self._normalize = normalize
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._tts = Hibari()
        model = resources.files("hibari").joinpath("assets/hibari.onnx").read_bytes()
        self._tts.sess = onnxruntime.InferenceSession(
            model + _also_output(DURATIONS), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, text: str) -> Speech:
        """Sentence by sentence, so that a sentence sounds the same wherever it stands."""
        parts: list[Samples] = []
        words: list[SpokenWord] = []
        at = 0
        for sentence, pause in _sentences(text):
            samples, spoken = self._sentence(sentence)
            words += [SpokenWord(w.text, w.start + at / RATE, w.end + at / RATE) for w in spoken]
            gap = np.zeros(round(pause * RATE), np.float32)
            parts += [samples, gap]
            at += len(samples) + len(gap)
        return Speech(np.concatenate(parts) if parts else np.zeros(0, np.float32), RATE, tuple(words))

    def _sentence(self, sentence: str) -> tuple[Samples, list[SpokenWord]]:
        from hibari import dsp

        phonemes, spans = self._phonemes(sentence)
        ids = [0, *(self._tts.vocab[sign] for sign in phonemes), 0]
        if len(ids) < 3:
            return np.zeros(0, np.float32), [SpokenWord(word, 0.0, 0.0) for word in sentence.split()]
        *spectra, durations = self._tts.sess.run(
            None, {"ids": np.asarray([ids], np.int64), "speed": np.array([SPEED], np.float32)}
        )
        samples = dsp.synth(*(part[0] for part in spectra), np.random.default_rng(0))
        ends = np.cumsum(durations.ravel()) * STEP / RATE
        return _trimmed(samples, around_pauses(group_times(phonemes, spans, ends), samples, RATE))

    def _phonemes(self, sentence: str) -> tuple[str, list[Span]]:
        """The phonemes the model knows, and which of them belong to which written word."""
        g2p = self._tts.g2p
        normal = self._normalize(sentence)
        known = self._tts.vocab
        phonemes = ""
        groups: list[tuple[str, int, int]] = []
        text, start = "", 0
        for token in g2p.phonemize_tokens(g2p.tokenize(normal)):
            phonemes += "".join(sign for sign in token.phonemes or "" if sign in known)
            text += token.text
            if token.whitespace:
                groups.append((text, start, len(phonemes)))
                phonemes += " "
                text, start = "", len(phonemes)
        if text:
            groups.append((text, start, len(phonemes)))
        return phonemes.rstrip(), written_groups(sentence, groups)


def _sentences(text: str) -> list[tuple[str, float]]:
    """Each sentence with the pause after it; none after the last."""
    found: list[tuple[str, float]] = []
    for paragraph in text.split("\n"):
        for sentence in sentences(paragraph):
            *pieces, last = clauses(sentence)
            found += [*((piece, CLAUSE_PAUSE) for piece in pieces), (last, SENTENCE_PAUSE)]
        if found:
            found[-1] = (found[-1][0], PARAGRAPH_PAUSE)
    return [*found[:-1], *((sentence, 0.0) for sentence, _ in found[-1:])]


def _trimmed(samples: Samples, words: list[SpokenWord]) -> tuple[Samples, list[SpokenWord]]:
    """Without the silence at both ends, faded over 5 ms so that no edge clicks."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    if not len(loud):
        return samples, words
    margin, fade = RATE // 50, RATE // 200
    first, last = max(loud[0] - margin, 0), min(loud[-1] + margin, len(samples))
    cut = samples[first:last].copy()
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    cut[:fade] *= ramp
    cut[-fade:] *= ramp[::-1]
    length = len(cut) / RATE
    at = first / RATE

    def moved(time: float) -> float:
        return float(min(max(time - at, 0.0), length))

    found = [SpokenWord(word.text, moved(word.start), moved(word.end)) for word in words]
    return cut, from_first_sound(found, margin / RATE)


def _also_output(name: str) -> bytes:
    """Protobuf bytes that, appended to a serialized ONNX model, make an inner value an output.

    Fields of a message that occurs twice are merged: ModelProto.graph (7), GraphProto.output (12),
    ValueInfoProto.name (1). Every length here is below 128, one byte.
    """
    field = name.encode()
    for number in (1, 12, 7):
        field = bytes([number << 3 | 2, len(field)]) + field
    return field
