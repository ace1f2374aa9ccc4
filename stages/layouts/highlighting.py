"""What each stretch of a piece of code is, by the grammar of its language: Pygments reads it as a whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.theme import Colours

SHELLS = ("sh", "bash", "shell", "console", "terminal", "zsh")
_PROMPT = re.compile(r"[$%>] ")

Run = tuple[int, str, str]
"""The column where it begins, what stands there, and its colour."""


def coloured(lines: Sequence[str], language: str, colours: Colours) -> list[list[Run]]:
    """The coloured runs of each line; of a language that Pygments does not know all is ink."""
    from pygments.token import Token

    by_kind = {
        Token.Comment: colours.muted,
        Token.Comment.Preproc: colours.second,
        Token.Literal.String: colours.positive,
        Token.Literal.Number: colours.accent,
        Token.Keyword: colours.second,
        Token.Operator.Word: colours.second,
        Token.Name.Tag: colours.second,
        Token.Name.Attribute: colours.second,
        Token.Generic.Prompt: colours.accent,
        Token.Generic.Inserted: colours.positive,
        Token.Generic.Deleted: colours.negative,
    }
    found: list[list[Run]] = [[]]
    for kind, text in _lexer(lines, language).get_tokens("\n".join(lines)):
        known = next((each for each in reversed(kind.split()) if each in by_kind), None)
        colour = by_kind[known] if known else colours.ink
        for number, piece in enumerate(text.split("\n")):
            if number:
                found.append([])
            _append(found[-1], piece, colour)
    # The last line may lack its end, or have one more.
    return [*found, *([] for _ in lines)][: len(lines)]


def _append(runs: list[Run], text: str, colour: str) -> None:
    if not text:
        return
    column = runs[-1][0] + len(runs[-1][1]) if runs else 0
    if runs and runs[-1][2] == colour:
        start, before, _ = runs.pop()
        runs.append((start, before + text, colour))
    else:
        runs.append((column, text, colour))


def _lexer(lines: Sequence[str], language: str) -> Any:
    """The grammar of a language; of a shell with prompts, one that knows what was typed from what was answered."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    name = language.lower()
    if name in SHELLS:
        name = "console" if any(map(_PROMPT.match, lines)) else "bash"
    try:
        return get_lexer_by_name(name or "text", stripnl=False)
    except ClassNotFound:
        return get_lexer_by_name("text", stripnl=False)
