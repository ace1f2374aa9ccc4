"""Read a theme's YAML strictly, and keep the line of every key for what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stages.contract import StageError

KeyPath = tuple[int | str, ...]
_MOST_BYTES = 65_536
_HINT = "correct the theme; those in stages/themes/ are examples"


class Lines:
    """A YAML file as plain values, and where in it each key stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise StageError(f"{path.name} is no theme: it has {len(data):,} bytes", _HINT)
        try:
            text = data.decode("utf-8")
            # Aliases are refused while only events exist: composing them first could take all memory.
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    raise self.fault(_line_of(event.start_mark), "aliases are not read")
            self.root = yaml.compose(text, Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            raise StageError(f"{path.name} is no text in UTF-8: {error.reason}", _HINT) from error
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or str(error)
            raise self.fault(_line_of(mark), f"this is no YAML: {what}") from error
        self._check_keys(self.root)
        try:
            self.values: Any = yaml.load(text, Loader=yaml.SafeLoader)  # it is the safe one
        except (yaml.YAMLError, ValueError) as error:
            raise self.fault(1, f"a value cannot be read: {error}") from error

    def fault(self, line: int, what: str) -> StageError:
        """What to raise about a line."""
        return StageError(f"{self.path.name} line {line}: {what}", _HINT)

    def line(self, path: KeyPath) -> int:
        """The line of the key at ``path``, or of its nearest parent that is there."""
        node, line = self.root, 1
        for key in path:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next(((k, v) for k, v in pairs if k.value == key), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def _check_keys(self, node: Any) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    raise self.fault(
                        key.start_mark.line + 1, f"the key {key.value} stands here a second time"
                    )
                seen.add(str(key.value))
                self._check_keys(value)
        elif isinstance(node, yaml.SequenceNode):
            for each in node.value:
                self._check_keys(each)


def _line_of(mark: Any) -> int:
    return mark.line + 1 if mark else 1
