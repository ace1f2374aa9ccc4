"""Which names in a folder of strangers mean something: requests, decisions, and all that only look like them.

Pure. Editors, sync tools and file managers leave complete and valid copies beside the real file
(``#approve.yaml#``, ``approve (conflicted copy).yaml``): only exact names count, look-alikes are named.
"""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from typing import NamedTuple

NO_REQUEST = "does not end in .yaml or .yml"
"""The rule that a name in the inbox breaks which is no side file and no conflict copy."""
DECISIONS = ("approve", "reject", "cancel", "resume")
LONGEST_NAME = 240
"""Bytes; leaves room for what is appended to a name (``.error.txt``) within the 255 a folder takes."""

_OURS = frozenset(
    "state.json events.jsonl pipeline.yaml REVIEW.md gate.json"
    " approve.template.yaml reject.template.yaml".split()
)
# Patterns are compiled where one is first needed: most names tell by a look at their ends, and `spork status`
# would spend more on this list than on the database.
_UNDER_WAY = r"\.(part|partial|filepart|crdownload|download|tmp)"
"""What is appended to a name while its file is being brought."""
_NEAR_REQUEST = rf"(?is)(.+?)(\.ya?ml|\.json)(\.txt|{_UNDER_WAY})?"
_DECISION_WORD = rf"({'|'.join(DECISIONS)})(?![a-z])"
_WORD_WITH_ENDING = rf"({'|'.join(DECISIONS)})(d|ed|ation)?(\.ya?ml|\.txt|\.json)*({_UNDER_WAY})?"
_CONFLICT = (
    (".sync-conflict-", "a conflict copy of Syncthing"),
    ("conflicted copy", "a conflict copy of a sync tool"),
    ("case conflict", "a conflict copy of a sync tool"),
    ("(sfconflict", "a conflict copy of Seafile"),
)
_CONFLICT_PATTERNS = (
    (r"_conflict-\d{8}-\d{6}", "a conflict copy of a sync tool"),
    (r"_(backup|base|local|remote)_\d+\.ya?ml", "a side file of git mergetool"),
)
_EDITING = (
    r"\.(?P<of>.+)\.sw[a-px]",
    r"\.#(?P<of>.+)",
    r"#(?P<of>[^#].*)#",
)
_SIDE = (
    (r"(?s)\._.*", "a side file of macOS"),
    (r"(?s)\.spork-.*", "a file of ours in the making"),
    (r"(?s)\..*", "a hidden file"),
    (r"(?s)#.*", "an autosave file of an editor"),
    (r"(?s)~.*", "a side file of a program"),
    (r"(?s).*~", "a backup copy of an editor"),
    (r"\d+", "a probe of vim"),
)


class Request(NamedTuple):
    """The name of a job request."""

    name: str
    stem: str
    unfit: str = ""
    """Why such a name cannot be carried through, so that the file is to be refused; empty for most."""


class Decision(NamedTuple):
    """The exact name of a decision; ``verb`` is one of `DECISIONS`."""

    name: str
    verb: str


class Ignored(NamedTuple):
    """A name that means nothing here."""

    name: str
    rule: str
    """Why, as in "a hidden file"."""
    meant: str = ""
    """The name that would have counted, where this one looks like it; empty otherwise."""
    editing: str = ""
    """The name that an editor has open, where this is its marker; empty otherwise. Markers can be stale."""


def classify_inbox(name: str) -> Request | Ignored:
    """What a name in the inbox is (contract 2)."""
    ignored = _side_file(name) or _conflict_copy(name)
    if ignored is not None:
        return ignored
    if name.startswith("_"):
        return Ignored(name, "begins with _, which sets a file aside")
    stem, _, ending = name.rpartition(".")
    if stem and ending in ("yaml", "yml"):
        return Request(name, stem, _unfit(name))
    near = re.fullmatch(_NEAR_REQUEST, name)
    return Ignored(name, NO_REQUEST, f"{near[1]}.yaml" if near else "")


@functools.lru_cache(maxsize=256)
def classify_decision(name: str) -> Decision | Ignored:
    """What a name in a run directory is (contract 5)."""
    verb = name.removesuffix(".yaml")
    if verb in DECISIONS and name != verb:
        return Decision(name, verb)
    if name in _OURS or name.endswith(".error.txt"):
        hint = "a template: rename it to answer" if ".template." in name else "a file the daemon writes"
        return Ignored(name, hint)
    ignored = _side_file(name)
    if ignored is not None:
        return ignored
    meant = _decision_meant(name)
    conflict = _conflict_copy(name)
    if conflict is not None:
        return Ignored(name, conflict.rule, meant)
    return Ignored(name, f"the exact name is {meant}" if meant else "not a decision's name", meant)


def verb_of(name: str) -> str:
    """The decision that a file of this name is, or becomes when its template is renamed; empty for others."""
    verb = name.removesuffix(".yaml").removesuffix(".template")
    return verb if name.endswith(".yaml") and verb in DECISIONS else ""


def is_ours(name: str) -> bool:
    """Whether the daemon itself writes files of this name beside those of strangers."""
    return name in _OURS or name.startswith(".spork-") or name.endswith(".error.txt")


def shown(name: str) -> str:
    """A name as it may be displayed: control, bidi and undecodable characters escaped, nothing ambiguous."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(_escaped(character) for character in name)


def for_shell(path: str) -> str:
    """A path as a shell takes it, safe to show: what is displayed can be copied into a command."""
    if path.isprintable():
        import shlex

        return shlex.quote(path)
    # $'...' of bash, zsh and ksh knows bytes, so that what cannot be displayed is named for certain.
    return "$'" + "".join(c if c.isprintable() and c not in "\\'" else _bytes(c) for c in path) + "'"


def beside(name: str, suffix: str) -> str:
    """A name for a file of ours about ``name``: printable, and short enough with ``suffix`` appended."""
    safe = shown(name)
    if safe == name and len(os.fsencode(name + suffix)) <= 255:
        return name + suffix
    import hashlib  # the command line starts without it

    mark = "-" + hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    room = 255 - len(os.fsencode(mark + suffix))
    return safe.encode()[:room].decode(errors="ignore") + mark + suffix


def twin_key(name: str) -> str:
    """Equal for names that some file systems take for one: other case, other Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _side_file(name: str) -> Ignored | None:
    if not name.startswith((".", "#", "~")) and not name.endswith("~") and not name.isdecimal():
        return None
    for pattern in _EDITING:
        if match := re.fullmatch(pattern, name):
            return Ignored(name, "an editor's marker of a file being edited", editing=match["of"])
    for pattern, rule in _SIDE:
        if re.fullmatch(pattern, name):
            return Ignored(name, rule)
    return None


def _conflict_copy(name: str) -> Ignored | None:
    plain = name.casefold()
    found = [rule for mark, rule in _CONFLICT if mark in plain]
    if "_" in plain:
        found += [rule for pattern, rule in _CONFLICT_PATTERNS if re.search(pattern, plain)]
    return Ignored(name, found[0]) if found else None


def _unfit(name: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "its name is not UTF-8; rename it"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in name):
        return "its name holds control characters; rename it"
    length = len(os.fsencode(name))
    if length > LONGEST_NAME:
        return f"its name has {length} bytes, at most {LONGEST_NAME} are accepted; rename it"
    return ""


def _decision_meant(name: str) -> str:
    plain = _folded(name)
    match = re.fullmatch(_WORD_WITH_ENDING, plain) if plain.startswith(DECISIONS) else None
    if match is None and plain.endswith((".yaml", ".yml", ".yaml.txt", ".yml.txt")):
        match = re.match(_DECISION_WORD, plain)
        if match is None:
            import difflib  # the command line starts without it, and seldom sees such a name

            near = difflib.get_close_matches(plain.partition(".")[0], DECISIONS, n=1, cutoff=0.8)
            return f"{near[0]}.yaml" if near else ""
    return f"{match[1]}.yaml" if match else ""


def _folded(name: str) -> str:
    """As a person would read it aloud: one case, one width, no invisible characters."""
    if name.isascii():
        return name.lower().strip()
    visible = (c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return "".join(visible).casefold().strip()


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
