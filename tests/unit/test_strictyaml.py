"""What strangers' YAML becomes: a small tree with marks, or one clear refusal, by either of two parsers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.documents import Request, as_model
from daemon.errors import Invalid
from daemon.strictyaml import MAX_BYTES, MAX_LINES, parse
from daemon.tree import Plain
from tests.hostile import HOSTILE

ROOT = Path(__file__).parents[2]
both = pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "pure"])


def refusal(data: bytes, pure: bool = False) -> str:
    with pytest.raises(Invalid) as caught:
        parse(data, "job.yaml", pure=pure)
    return str(caught.value)


def test_libyaml_is_there() -> None:
    """The fast parser is installed; else the comparisons below would compare a parser with itself."""
    assert hasattr(yaml, "CBaseLoader")


REFUSED = [
    (b"a: &a [x, x]\nb: [*a, *a]\n", "job.yaml:1:4: anchors are not allowed (&a)"),
    (b"a: &a [*a]\n", "anchors are not allowed"),
    (b"a: *b\n", "job.yaml:1:4: aliases are not allowed (*b)"),
    (b"a: {<<: {b: c}}\n", "merge keys (<<) are not allowed"),
    (b"a: !!python/object:os.system x\n", "tags are not allowed"),
    (b"a: !!binary aGk=\n", "tags are not allowed"),
    (b"a: !!set {x}\n", "tags are not allowed"),
    (b"a: " + b"[" * 20_000, "nested deeper than 32 levels"),
    (b"".join(b" " * i + b"a:\n" for i in range(1000)), "nested deeper than 32 levels"),
    (b"- " * 1000, "not a list"),
    (b"".join(b"k%d: 1\n" % i for i in range(6000)), "more than 10000 keys and values"),
    (b"a: " + b"x" * MAX_BYTES, "larger than 1 MiB"),
    (b"a: 1\n" + b"\n" * MAX_LINES, f"more than {MAX_LINES} lines"),
    (
        b"decision: reject\nby: x\ndecision: approve\n",
        "3:1: decision: key 'decision' is given twice, in line 1 and",
    ),
    (b"a: {b: 1, 'b': 2}\n", "key 'b' is given twice"),
    (b"a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "merge conflict markers at line 2"),
    (b"a: |\n  x\n>>>>>>> theirs\n", "merge conflict markers at line 3"),
    (b"a: " + b"9" * 200_000, "too many digits"),
    (b"a: 9999999999999999999\n", "too large"),
    (b"a: 1e9999\n", "too large"),
    (b"a: 1\n---\nb: 2\n", "several documents"),
    (b"a: 1\n...\nb: 2\n", "job.yaml:3"),
    ("a: ä\n".encode("utf-16"), "save as UTF-8"),
    ("a: ä\n".encode("utf-16-le"), "save as UTF-8"),
    ("a: 1\nb: ä\n".encode("latin-1"), "job.yaml:2: byte 8: not UTF-8 text; save as UTF-8"),
    (b"a: 1\nb: \0\n", "job.yaml:2: contains NUL bytes (the first at byte 8)"),
    (b"\0" * 127, "contains NUL bytes (the first at byte 0)"),
    ("a: x\u0085y\n".encode(), "byte 4: control character U+0085"),
    ("ä: \x1b[31m\n".encode(), "job.yaml:1:4: byte 4: control character U+001B"),
    (b'a: "\\e[31m"\n', "control character in '\\x1b[31m'"),
    (b'a: "x\\0y"\n', "control character"),
    (b'a: "\\uD800"\n', "job.yaml:1"),
    (b"a:\n\tb: 1\n", "job.yaml:2:1: a tab where YAML wants spaces"),
    (b"a:\t1\n", "job.yaml:1:3: a tab where YAML wants spaces"),
    (b"a: 1\t# note\n", "a tab where YAML wants spaces"),
    (b"", "expected a mapping"),
    (b"# nothing\n", "expected a mapping"),
    (b"null\n", "expected a mapping"),
    (b"hello\n", "expected a mapping (key: value) at the top level, not a single value"),
    (b"- a\n", "not a list"),
    (b"? [a]\n: b\n", "a key must be text"),
    (b"a:\n  ?\n  : b\n", "a key without text"),
    (b"%YAML 1.1\n---\na: 1\n", "directives"),
    (b"a: [x?, y]\n", "job.yaml:1:"),
    (b"a: b: c\n", "job.yaml:1"),
    (b'a: "x\n', "job.yaml:2"),
]


@pytest.mark.fault(59, 60, 61, 62, 63, 64, 65, 67, 69, 71, 72, 73, 74, 75, 76, 78)
@both
@pytest.mark.parametrize(("data", "told"), REFUSED, ids=[told[:40] for _, told in REFUSED])
def test_refusals_say_where_and_what(data: bytes, told: str, pure: bool) -> None:
    """Each hostile or broken file is refused, with line and reason, by both parsers."""
    assert told in refusal(data, pure)


READ: list[tuple[bytes, Plain]] = [
    (b"on", "on"),
    (b"yes", "yes"),
    (b"NO", "NO"),
    (b"off", "off"),
    (b"12:30:45", "12:30:45"),
    (b"0777", "0777"),
    (b"00123", "00123"),
    (b"0x1F", "0x1F"),
    (b"0o17", "0o17"),
    (b"1_000", "1_000"),
    (b"2026-13-45", "2026-13-45"),
    (b"2026-11-22", "2026-11-22"),
    (b".nan", ".nan"),
    (b".inf", ".inf"),
    (b"-.inf", "-.inf"),
    (b"+", "+"),
    (b".", "."),
    (b"e1", "e1"),
    (b"=", "="),
    (b"1.2.3", "1.2.3"),
    (b"1e", "1e"),
    (b"''", ""),
    (b"'1'", "1"),
    (b'"true"', "true"),
    (b"true", True),
    (b"False", False),
    (b"TRUE", True),
    (b"~", None),
    (b"null", None),
    (b"", None),
    (b"0", 0),
    (b"-0", 0),
    (b"+12", 12),
    (b"-7", -7),
    (b"1.10", 1.1),
    (b".5", 0.5),
    (b"5.", 5.0),
    (b"1e3", 1000.0),
    (b"-1.5E-2", -0.015),
    (b"[1, a]", (1, "a")),
    (b"{x: {y: z}}", {"x": {"y": "z"}}),
    (b"'tab\tinside'", "tab\tinside"),
    (b"x # a\tcomment", "x"),
    (b"|\n  a\n  \tb\n", "a\n\tb\n"),
]


@pytest.mark.fault(68, 70)
@both
@pytest.mark.parametrize(("text", "value"), READ, ids=repr)
def test_scalars_are_yaml_12_core(text: bytes, value: Plain, pure: bool) -> None:
    """Text that only YAML 1.1 takes for a number, a date or a truth value stays text."""
    assert parse(b"a: " + text + b"\n", "x", pure=pure).plain() == {"a": value}


@pytest.mark.fault(74, 77)
@both
@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"---\na: 1\n...\n", b"a: 1\n...\n# end\n", b"a: 1"]
)
def test_ordinary_files_are_read(data: bytes, pure: bool) -> None:
    """A byte order mark, Windows line ends, start and end marks and a missing last newline do no harm."""
    assert parse(data, "x", pure=pure).plain() == {"a": 1}


def test_places_are_found_again() -> None:
    """A path leads to the line and column of its key or item, and a missing one to what is around it."""
    document = parse(b"a:\n  - b: 1\n    c: 2\n  - 3\n", "x")
    assert document.place(("a",)) == (1, 1)
    assert document.place(("a", 0, "c")) == (3, 5)
    assert document.place(("a", 1)) == (4, 5)
    assert document.place(("a", 0, "nope")) == (2, 5)
    assert str(document.problem(("a", 0, "c"), "no")) == "x:3:5: a[0].c: no"


@pytest.mark.fault(80)
def test_what_a_terminal_would_obey_is_escaped() -> None:
    """Direction marks and line ends in a key come out of a refusal as escapes."""
    told = refusal(b'"a\\nb\\u202e": 1\n"a\\nb\\u202e": 2\n')
    assert told.isprintable()
    assert "\\u202e" in told


def verdict(data: bytes, pure: bool) -> object:
    try:
        return parse(data, "x", pure=pure).plain()
    except Invalid:
        return Invalid


PIECES = [
    "a",
    "b: ",
    "1",
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "?",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "#",
    " # c",
    "\n",
    "\n  ",
    "\n\t",
    "\t",
    " ",
    "|\n",
    ">-\n",
    "|2\n",
    "'",
    '"',
    "\\",
    "&x ",
    "*x",
    "!t ",
    "...\n",
    "---\n",
    "%",
    "@",
    "`",
    "~",
    "<<",
    "true",
    "é",
]


@pytest.mark.fault(81)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), st.booleans())
def test_both_parsers_give_the_same_verdict(text: str, rooted: bool) -> None:
    """Whether libyaml is installed changes neither what is accepted nor what it means."""
    data = f"r: {text}".encode() if rooted else text.encode()
    assert verdict(data, pure=False) == verdict(data, pure=True)


@pytest.mark.fault(69, 75)
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_nothing_but_invalid_is_raised(data: bytes) -> None:
    """Whatever the bytes, the answer is a tree or a refusal."""
    verdict(data, pure=False)


@pytest.mark.fault(59, 60, 61, 62, 63, 64, 69)
@pytest.mark.parametrize(("data", "told"), HOSTILE.values(), ids=HOSTILE)
@both
def test_hostile_files_are_refused(data: bytes, told: str, pure: bool) -> None:
    """What was made to explode, hang or mislead is one refusal, whichever parser is there."""
    with pytest.raises(Invalid) as caught:
        as_model(parse(data, "job.yaml", pure=pure), Request)
    assert told in str(caught.value)


WITHIN_100_MB = """
import resource
from daemon.documents import Request, load
from daemon.documents import Request, as_model
from daemon.errors import Invalid
from tests.hostile import HOSTILE, MIB
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 100 * MIB, size + 100 * MIB))
for name, (data, told) in HOSTILE.items():
    try:
        load(data, Request, "x")
        raise SystemExit(f"{name} was taken")
    except Invalid as error:
        assert "MemoryError" not in str(error), error
"""


@pytest.mark.fault(59, 60, 61, 62, 63, 64)
def test_hostile_files_cost_no_memory() -> None:
    """Files made to explode are answered within 100 MB and without a crash."""
    subprocess.run([sys.executable, "-c", WITHIN_100_MB], check=True, cwd=ROOT, timeout=120)
