"""References of functions, told in whole sentences: "Creates a queue." under a signature says who creates it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.script_text import Line

NAME = r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|#)~?[A-Za-z_$][\w$]*)*"
TYPES = (
    r"(?:(?:def|async|fn|func|function|class|pub|public|private|static|const|unsigned|signed|struct|export|extern|"
    r"inline|void|bool|boolean|char|int|short|long|float|double|string|str|auto|FILE|\w+_t)\b[\s*&]*)*"
)
"""What may stand before a name in a declaration; any other word makes the heading a sentence."""
SIGNATURE = re.compile(
    rf"^`?(?P<types>{TYPES})(?P<name>{NAME})\((?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\)\s*"
    r"(?:(?:->|=>|:)\s*.{1,60}|const|;)?`?$"
)
PLURALS = ("s", "es", "ies")
"""In "argument(s)" the brackets call nothing."""
INSIDE = re.compile(
    rf"`{TYPES}(?P<quoted>{NAME})\((?P<given>[^()`]+)\)(?:\s*->[^`]*|;)?`"
    rf"|(?<![\w`]){TYPES}(?P<bare>{NAME})\((?P<typed>[^()`]+)\)"
)
LONGEST = 2000
"""Characters of what can be a sentence; looking for signatures takes the square of it."""
LITERAL = re.compile(r"^\s*(?:[\"'\d\[{(-]|True\b|False\b|None\b|NULL\b|[A-Z][A-Z_\d]+\b)")
"""An argument that is a value: "sleep(5)" is a call and not a signature."""
VERBS = {
    "accept", "acquire", "add", "allocate", "append", "apply", "attach", "bind", "block", "build", "call",
    "cancel", "check", "clear", "close", "compare", "compute", "connect", "convert", "copy", "count",
    "create", "decode", "delete", "destroy", "detach", "disable", "discard", "duplicate", "enable", "encode",
    "execute", "fetch", "fill", "find", "flush", "format", "free", "get", "give", "initialize", "insert",
    "install", "iterate", "join", "launch", "load", "lock", "look", "make", "map", "mark", "merge", "move",
    "notify", "open", "parse", "perform", "print", "produce", "provide", "push", "put", "raise", "read",
    "receive", "register", "release", "reload", "remove", "rename", "replace", "report", "reset", "restore",
    "resume", "retrieve", "return", "run", "save", "schedule", "search", "send", "set", "show", "sort",
    "split", "start", "stop", "store", "subscribe", "suspend", "take", "tell", "test", "throw", "truncate",
    "unlock", "unregister", "update", "validate", "verify", "wait", "wake", "walk", "watch", "write",
    "yield",
}  # fmt: skip
"""What functions do, as their references say it."""
FIRST = re.compile(r"^(?P<verb>[A-Z][a-z]+)\s+(?!(?:is|are|was|were|has|have|can|may|must|will|do|does)\b)")
ITSELF = re.compile(
    r"^(?:This|The) (?:function|method|call|system call|macro|routine|command)\s+(?=[a-z]+\b)"
)
MEMBER = re.compile(
    rf"^`?(?:{TYPES})(?P<name>{NAME})\([^()`]*\)[^`\w:–—-]*`?\s*(?::|–|—|\s-)\s+(?P<what>[A-Z].*)$"
)


def called(heading: str) -> str:
    """The name of the function that a heading is the signature of; empty for any other heading."""
    match = SIGNATURE.match(heading.strip())
    return match["name"] if match and match["arguments"].strip() not in PLURALS else ""


def as_call(text: str) -> str:
    """The text with each signature as a person writes it of a function: ``name()``."""
    return INSIDE.sub(_as_call, text) if "(" in text and len(text) <= LONGEST else text


def _as_call(match: re.Match[str]) -> str:
    if match["quoted"]:
        name, arguments = match["quoted"], match["given"]
    else:
        name, arguments = match["bare"], match["typed"]
        if not re.search(r"_|::|->", name):
            return match[0]  # "argument(s)", "read(2)", "GitHub(the site)": words and manual pages
    if arguments in PLURALS or any(LITERAL.match(each) for each in arguments.split(",")):
        return match[0]
    return f"`{name}()`"


def whole(sentence: str, section: str, *, opens: bool) -> str:
    """The sentence with its subject, if it stands under a signature and has none of its own.

    "Create a queue." tells what the function does only where it ``opens`` its part; later it tells what to do.
    """
    if name := called(section):
        if own := ITSELF.match(sentence):
            sentence = f"`{name}()` {sentence[own.end() :]}"
        else:
            sentence = _with_subject(sentence, name, orders=opens)
    return as_call(sentence)


def whole_member(part: str) -> str:
    """A member of a list of functions as a sentence: "`close(fd)`: Closes it" is "`close()` closes it"."""
    match = MEMBER.match(part)
    told = _with_subject(match["what"], match["name"], orders=True) if match else part
    return as_call(part) if match and told == match["what"] else as_call(told)


def _with_subject(sentence: str, name: str, *, orders: bool) -> str:
    match = FIRST.match(sentence)
    verb = match["verb"].lower() if match else ""
    if verb in VERBS and orders and verb != "call" and not re.search(r"\byour?\b", sentence):
        verb = _third(verb)
    elif not any(verb == _third(base) for base in VERBS):
        return sentence
    return f"`{name}()` {verb} {sentence[match.end() :]}" if match else sentence


def _third(verb: str) -> str:
    """ "copy" is "copies" for he, she and it."""
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search(r"(?:s|sh|ch|x|z)$", verb) else f"{verb}s"


def named_once(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of a paragraph: a function that the one before it begins with is "it"."""
    told: list[Line] = []
    before = ""
    for line in lines:
        match = re.match(r"`[^`]+\(\)`(?= [a-z]+s\b)", line.text)
        again = match is not None and match[0] == before
        before = match[0] if match else ""
        told.append(replace(line, text=f"It{line.text[len(before) :]}") if again else line)
    return tuple(told)
