"""Only the options of the verb that was asked for are made, and nobody notices."""

from __future__ import annotations

import re

import pytest

from daemon.cli.arguments import _VERBS, parse


def test_every_verb_is_known_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    """The list that tells which verb is meant is the parser's own."""
    with pytest.raises(SystemExit):
        parse(["--", "no-such-verb"])
    assert set(re.findall(r"'([a-z]+)'", capsys.readouterr().err.partition("choose from")[2])) == _VERBS


@pytest.mark.parametrize("before", [[], ["--workspace", "/w"], ["--workspace=/w"]])
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("aprove", "there is no command 'aprove'; did you mean approve?"),
        ("stat", "there is no command 'stat'; did you mean status?"),
        ("frobnicate", "there is no command 'frobnicate'; spork --help lists them"),
    ],
)
def test_who_mistypes_a_verb_is_told_the_right_one(
    before: list[str], typed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In place of a list of all."""
    with pytest.raises(SystemExit) as end:
        parse([*before, typed, "job-1"])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(f"{told}\n")


@pytest.mark.parametrize("verb", sorted(_VERBS))
def test_a_verb_alone_has_its_own_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also with a workspace named before it, and after an option that stands in the way of knowing it."""
    for before in ([], ["--workspace", "/w"], ["--workspace=/w"]):
        with pytest.raises(SystemExit) as end:
            parse([*before, verb, "--help"])
        assert end.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: spork {verb} ")


def test_options_are_read_as_before() -> None:
    """Of the verb, and of all."""
    found = parse(["--workspace", "/w", "reject", "job-1", "--then", "retry"])
    assert (found.module, found.job, found.then, found.workspace) == ("answer", "job-1", "retry", "/w")
    assert parse(["status", "--workspace", "/v"]).workspace == "/v"
