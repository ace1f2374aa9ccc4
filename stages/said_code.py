"""How a person reads code aloud: names, paths, flags and acronyms."""

from __future__ import annotations

import re

from stages.said_numbers import cardinal, decimal

LEXICON = {
    "inotify": "eye-notify", "dnotify": "dee-notify", "fanotify": "eff-ay-notify", "epoll": "ee-poll",
    "kqueue": "kay-queue", "init1": "init one", "stdin": "standard in", "stdout": "standard out",
    "stderr": "standard error", "stat": "stat", "nginx": "engine-ex", "sqlite": "SQL-light",
    "kubectl": "cube-control", "systemd": "system-dee", "json": "jason", "yaml": "yammel",
    "toml": "tommel", "sudo": "soo-doo", "mysql": "my-SQL", "postgresql": "postgres", "async": "ay-sink",
    "regex": "redge-ex", "fd": "FD", "tmp": "temp", "usr": "user", "src": "source", "fs": "FS",
    "proc": "prock", "sys": "sis", "dev": "dev", "lib": "lib", "cmd": "command", "ctx": "context",
    "cfg": "config", "conf": "conf", "env": "env", "dir": "dir", "mkdir": "make dir",
    "chmod": "change mode", "chown": "change owner", "url": "URL", "http": "HTTP", "https": "HTTPS",
    "api": "API", "html": "HTML", "css": "CSS", "sql": "SQL", "cli": "CLI", "tcp": "TCP", "udp": "UDP",
    "ip": "IP", "id": "ID", "ui": "UI", "io": "IO", "os": "OS", "cpu": "CPU", "gpu": "GPU", "ram": "ram",
    "utf": "UTF", "sha": "shah", "uuid": "UUID", "pid": "pid", "uid": "UID", "eof": "EOF",
    "enospc": "E no space", "enoent": "E no entry", "eagain": "E again", "eintr": "E interrupt",
    "eperm": "E perm", "eacces": "E access", "cloexec": "close exec", "wal": "wall", "posix": "pozzix",
    "ascii": "asskey", "gui": "gooey", "linux": "linux", "gnu": "ga-noo", "github": "git-hub",
    "gitlab": "git-lab", "vscode": "VS code", "npm": "NPM", "pypi": "pie-pee-eye", "numpy": "num-pie",
    "ffmpeg": "FF-em-peg", "ssh": "SSH", "rsync": "ar-sync", "cron": "cron", "crontab": "cron-tab",
    "mutex": "mew-tex", "malloc": "mal-lock", "mmap": "em-map", "ioctl": "eye-oh-control",
    "sysctl": "sis-control", "errno": "err-no", "inode": "eye-node", "inodes": "eye-nodes",
    "superblock": "super-block", "fsync": "eff-sync", "flock": "eff-lock", "md": "MD", "txt": "text",
    "py": "pie", "js": "JS", "ts": "TS", "rs": "RS", "c++": "C plus plus", "c#": "C sharp", "cpp": "CPP",
    "gzip": "gee-zip", "bzip2": "bee-zip two", "xz": "ex-zee", "zstd": "zee-standard",
    "kib": "kibibytes", "mib": "mebibytes", "gib": "gibibytes", "len": "len", "max": "max", "min": "min",
}  # fmt: skip
SIGNS = {
    ".": " dot ", "/": " slash ", "\\": " backslash ", "@": " at ", "#": " hash ", "*": " star ",
    "=": " equals ", "|": " pipe ", "~": " tilde ", "%": " percent ", "&": " and ", "+": " plus ",
    "$": " dollar ", "^": " caret ", "<": " less than ", ">": " greater than ", "!": " not ",
    "?": " question mark ", ";": " ", ":": " ", "_": " ", ",": ", ",
}  # fmt: skip
UNSAYABLE = re.compile(
    "[\U0001f000-\U0001faff\u231a\u231b\u23cf\u23e9-\u23fa\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufffc\ufffd]"
)
"""Emoji, marks of direction and the like: neither said nor drawn."""
LOST = "\ue000"
"""Stands where a picture was a word ("users in [flag] asked"): such a sentence is not said."""
PICTURE_WORD = re.compile(
    rf"(?P<before>\b(?:in|with|and|or|the|an?|of|for|to|from|by|at|on|into|as|is|are|was|like|than|between)\s+)"
    rf"(?:{UNSAYABLE.pattern}|\s)*{UNSAYABLE.pattern}(?:{UNSAYABLE.pattern}|\s)*(?=\w|[.,;:!?]|$)",
    re.I,
)
TOKENS = re.compile(r"0x[0-9a-fA-F]+|[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|[A-Z]|\d+(?:\.\d+)?|[^\w\s]|_|\S")


def say_code(text: str, plain: bool = False) -> str:
    """A name, path, flag or call as a person reads it; ``plain`` leaves ordinary words alone."""
    known = LEXICON.get(text.lower())
    if known and not (plain and (text.isupper() or known == text.lower())):
        return known
    if plain:
        return _plain(text)
    text = re.sub(r"\(\s*\)|^https?://|[\[\](){}\"'`]", " ", text).strip()
    text = re.sub(r"->|::|=>|(?<=[A-Z])/(?=\d)|(?<=\d)/(?=\d)", " ", text)
    text = re.sub(r"^--", "dash dash ", text)
    text = re.sub(r"^-(?=\w)", "dash ", text)
    words: list[str] = []
    for token in TOKENS.findall(re.sub(r"(?<=\w)-(?=\w)", " ", text)):
        words += _token(token).split()
    return " ".join(words)


def _plain(word: str) -> str:
    """An ordinary word: those of its parts that are names are said as names."""
    parts = re.split(r"([-'’])", word)
    if len(parts) == 1:
        return word
    return "".join(LEXICON.get(part.lower(), part) if not part.isupper() else part for part in parts)


def _token(token: str) -> str:
    if token.startswith("0x"):
        return f"hex {' '.join(token[2:])}"
    if token[0].isdigit():
        return decimal(token)
    if token in SIGNS:
        return SIGNS[token]
    if token.lower() in LEXICON:
        return LEXICON[token.lower()]
    letters, digits = re.fullmatch(r"(\D*)(\d*)", token).groups()  # type: ignore[union-attr]
    if letters and letters.lower() in LEXICON:
        letters = LEXICON[letters.lower()]
    elif len(letters) > 3 or (letters.isupper() and re.search("[AEIOU]", letters) and len(letters) > 1):
        # Constants shout on the screen, not in the ear; short ones without vowels are spelled.
        letters = letters.lower()
    return f"{letters} {cardinal(int(digits)) if digits else ''}"
