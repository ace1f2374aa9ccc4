"""What a check found: a value, what it should be, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Value = float | int | str | None


@dataclass(frozen=True)
class Result:
    """One line of ``acceptance_results.json``."""

    name: str
    value: Value
    threshold: str
    verdict: Literal["pass", "fail"]
    note: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict == "fail"

    def printed(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> list[str]:
        """For a table: name, value, threshold, verdict with its note."""
        value = "not measured" if self.value is None else f"{self.value}"
        return [self.name, value, self.threshold, f"{self.verdict}, {self.note}".removesuffix(", ")]

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{self.name}: {self.value}, should be {self.threshold}{note}"


def verdict(name: str, value: Value, threshold: str, good: object, note: str = "") -> Result:
    """A result from whether it is good."""
    shown = round(value, 3) if isinstance(value, float) else value
    return Result(name, shown, threshold, "pass" if good else "fail", note)


def at_most(name: str, value: float, limit: float, unit: str = "", note: str = "") -> Result:
    return verdict(name, value, f"at most {limit:g}{unit}", value <= limit, note)


def at_least(name: str, value: float, limit: float, unit: str = "", note: str = "") -> Result:
    return verdict(name, value, f"at least {limit:g}{unit}", value >= limit, note)


def between(name: str, value: float, low: float, high: float, unit: str = "", note: str = "") -> Result:
    return verdict(name, value, f"{low:g} to {high:g}{unit}", low <= value <= high, note)


def unmeasured(name: str, threshold: str, why: str) -> Result:
    """What cannot be measured has not been shown to be right."""
    return Result(name, None, threshold, "fail", f"not measured: {why}")
