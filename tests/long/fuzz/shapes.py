"""Documents of the right shape and any content, made of a fuzzer's bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence

VALUES: Sequence[object] = (
    None, True, False, 0, 1, -1, 3, 10**17, 1.5, 0.001, "", "a", "run", "draft", "video", "x y", "é", "a/../b", "../x",
    "{run}", "{", "m:f", "./m.py:f", "number", "integer", "files", "string", "boolean", "pause", "retry", "stop", "low",
    "urgent", "cancel", "fail", "refuse", "poll", "sha256:" + "0" * 64, "sha256:", "a.txt", "*.txt", "SSH_AUTH_SOCK",
)  # fmt: skip
MOST_PARTS = 6
DEEPEST = 5


class Shaper:
    """Bytes as choices: each byte is one, and when they are used up every choice is the first."""

    def __init__(self, data: bytes, keys: Sequence[str]) -> None:
        self._data, self._at, self._keys = data, 0, keys

    def document(self) -> bytes:
        """A mapping, as JSON: every JSON text of ours is YAML too."""
        return json.dumps(self._mapping(0), ensure_ascii=False).encode()

    def _choice(self, most: int) -> int:
        self._at += 1
        return self._data[self._at - 1] % most if self._at <= len(self._data) else 0

    def _mapping(self, depth: int) -> dict[str, object]:
        return {
            self._keys[self._choice(len(self._keys))]: self._value(depth + 1)
            for _ in range(self._choice(MOST_PARTS + 1))
        }

    def _value(self, depth: int) -> object:
        kind = self._choice(4) if depth < DEEPEST else 0
        if kind == 1:
            return self._mapping(depth)
        if kind == 2:
            return [self._value(depth + 1) for _ in range(self._choice(MOST_PARTS))]
        return VALUES[self._choice(len(VALUES))]
