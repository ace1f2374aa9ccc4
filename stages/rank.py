"""How near two texts are in meaning, and which of many say the most with the least repetition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _model() -> Any:
    """The word vectors that come inside the wordllama wheel: nothing is downloaded."""
    import wordllama

    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def embed(texts: Sequence[str]) -> Any:
    """One unit vector a text, as an array of shape (texts, 256)."""
    import numpy

    if not texts:
        return numpy.zeros((0, 256), dtype=numpy.float32)
    vectors = numpy.asarray(_model().embed(list(texts), norm=False), dtype=numpy.float32)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return numpy.nan_to_num(vectors / numpy.maximum(lengths, 1e-9))


def relevance(brief: str, texts: Sequence[str]) -> list[float]:
    """How much each text says about the brief and about what all of them are about, 0 to 1.

    The brief alone would prefer whatever repeats its words.
    """
    vectors = embed([brief, *texts])
    if len(vectors) < 2:
        return []
    middle = vectors[1:].mean(axis=0)
    middle /= max(float((middle**2).sum()) ** 0.5, 1e-9)
    both = vectors[1:] @ (0.4 * vectors[0] + 0.6 * middle)
    return [round(max(0.0, float(value)), 4) for value in both]


def nearness(texts: Sequence[str]) -> Any:
    """The cosine of every text with every other, as a square array."""
    vectors = embed(texts)
    return vectors @ vectors.T


SAME = 0.93
"""Two texts this near say the same."""


def most_telling(scores: Sequence[float], texts: Sequence[str], count: int, weight: float = 0.7) -> list[int]:
    """The places of ``count`` texts by maximal marginal relevance, best first.

    Carbonell and Goldstein 1998: score * weight - (1 - weight) * nearness to what is already taken.
    """
    vectors = embed(texts)
    left, taken = list(range(len(texts))), list[int]()
    while left and len(taken) < count:
        best = max(left, key=lambda place: _margin(place, scores, vectors, taken, weight))
        taken.append(best)
        left.remove(best)
    return taken


def _margin(place: int, scores: Sequence[float], vectors: Any, taken: list[int], weight: float) -> float:
    nearest = max((float(vectors[place] @ vectors[other]) for other in taken), default=0.0)
    return weight * scores[place] - (1 - weight) * nearest - (1.0 if nearest > SAME else 0.0)
