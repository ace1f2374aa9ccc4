"""Documents made to hurt a reader, each with what it is told; every one is a refusal."""

from __future__ import annotations

import pickle

from daemon.strictyaml import MAX_BYTES

MIB = 1 << 20
LAUGHS = b"a0: &a0 [lol, lol]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)
)
CONFLICT = b"<<<<<<< ours\nby: alice\n=======\nby: bob\n>>>>>>> theirs\n"

HOSTILE: dict[str, tuple[bytes, str]] = {
    "billion laughs": (LAUGHS, "anchors are not allowed"),
    "recursive alias": (b"a: &a [*a]\n", "anchors are not allowed"),
    "20,000 anchors": (
        b"".join(b"k%d: &a%d [*a]\n" % (n, n) for n in range(20_000)),
        "anchors are not allowed",
    ),
    "20,000 merges": (b"a: {<<: {b: c}}\n" * 10_000, "merge keys (<<) are not allowed"),
    "20,000 lists deep": (b"a: " + b"[" * 20_000, "nested deeper"),
    "1,400 mappings deep": (b"".join(b" " * n + b"a:\n" for n in range(1400)), "nested deeper"),
    "700,000 keys": (b"".join(b"key%d: 1\n" % n for n in range(700_000)), "larger than"),
    "many keys within the size": (b"{" + b"".join(b"k%d: 1, " % n for n in range(90_000)), "more than 10000"),
    "20 MB of one value": (b"intent: " + b"x" * (20 * MIB), "larger than"),
    "duplicate keys": (b"by: reject\nby: approve\n", "given twice, in line 1 and line 2"),
    "conflict markers": (CONFLICT, "merge conflict markers at line 1"),
    "a number of 200,000 digits": (b"a: " + b"9" * 200_000, "too many digits"),
    "a float of 200,000 digits": (b"a: 0." + b"9" * 200_000, "too many digits"),
    "python/object": (b"a: !!python/object/apply:os.system [id]\n", "tags are not allowed"),
    "binary": (b"a: !!binary " + b"aGk=" * 9, "tags are not allowed"),
    "set": (b"a: !!set {x}\n", "tags are not allowed"),
    "a pickle": (pickle.dumps({"intent": "x"}), "contains NUL bytes"),
    "several documents": (b"intent: x\n---\nintent: y\n", "several documents"),
    "9,000 documents": (b"---\na: 1\n" * 9_000, "several documents"),
    "200,000 end marks": (b"intent: x\n" + b"...\n" * 200_000, "more than 20000 lines"),
    "UTF-16": ("intent: x\n".encode("utf-16"), "save as UTF-8"),
    "Latin-1": ("intent: gr\xfcn\n".encode("latin-1"), "byte 10: not UTF-8 text; save as UTF-8"),
    "C1 controls": ("intent: a\x85b\n".encode(), "control character U+0085"),
    "NUL": (b"intent: x\0\n", "NUL bytes"),
    "terminal escapes": (b"intent: \x1b]0;owned\x07\n", "control character U+001B"),
    "tabs": (b"intent:\tx\n", "a tab where YAML wants spaces"),
    "a list": (b"- intent: x\n", "not a list"),
    "a scalar": (b"approve\n", "not a single value"),
    "a comment": (b"# approve\n", "expected a mapping"),
    "null": (b"~\n", "expected a mapping"),
    "a list as key": (b"? [a]\n: b\n", "a key must be text"),
    "unclosed quotes": (b'intent: "' + b"x\\n" * (MIB // 4), "not YAML"),
    "1 MiB of escapes": (b'intent: "' + b"\\x41" * (MAX_BYTES // 4 - 9) + b'"\n', ""),
    "1 MiB of colons": (b"intent: " + b"::" * (MAX_BYTES // 2 - 9), ""),
    "1 MiB of question marks": (b"? " * (MAX_BYTES // 2), ""),
    "1 MiB of dashes": (b"- " * (MAX_BYTES // 2), ""),
    "1 MiB of braces": (b"{" * MAX_BYTES, ""),
    "1 MiB of tabs": (b"intent: 'x' " + b"\t" * (MAX_BYTES - 20), "a tab where YAML wants spaces"),
    "1 MiB of flow mappings": (b"{a: b," * (MAX_BYTES // 6), ""),
    "an id that climbs": (b"intent: x\nid: ../../etc\n", "is not an id"),
    "an unknown key": (b"intent: x\nprioritty: high\n", "did you mean 'priority'?"),
    "a value of another type": (b"intent: x\ngates: {a: {timeout_minutes: .inf}}\n", "expected a number"),
}
"""Name: bytes, and what a request with these bytes is told ("" where any refusal will do)."""
