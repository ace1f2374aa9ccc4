"""What the request asks for, in words that can be compared with the sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stages.contract import StageError

VERBS = re.compile(
    r"^\s*(?:please\s+)?(?:(?:explain|describe|show|tell|teach|introduce|present|summari[sz]e|cover|give|make|create|produce|"
    r"build|write)\b\s*)(?:(?:me|us|people|everyone)\s+)?(?:(?:a|an|the)?\s*(?:short\s+)?(?:video|overview|introduction|"
    r"explanation|summary|tour)\s*(?:of|on|about|to|for)?\s*)?",
    re.I,
)
AUDIENCE = re.compile(r"\s+(?:to|for)\s+(?:a|an|the|our|my|new|all)?\s*[^,.;]*$", re.I)
DEFAULT_MINUTES = 1.5


def subject(intent: str) -> str:
    """The brief without "Explain ..." and "... to an engineer": what the video is about."""
    text = VERBS.sub("", " ".join(intent.split())).strip(" .")
    without = AUDIENCE.sub("", text) if len(text.split()) > 4 else text
    return (without if len(without.split()) >= 2 else text) or intent.strip()


def minutes_asked(params: Mapping[str, Any]) -> float:
    """The length asked for. Raises StageError if it is no length."""
    value = params.get("minutes", DEFAULT_MINUTES)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 60:
        raise StageError(f"minutes: {value!r} is not a length", "give minutes as a number, for example 1.5")
    return float(value)


def audience_asked(params: Mapping[str, Any]) -> str:
    """Who is to watch; empty for anybody."""
    return " ".join(str(params.get("audience") or "").split())
