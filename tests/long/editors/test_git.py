"""A person's git in the workspace brings new answers, again and again, in every way that it writes files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.colleagues import Clone, share
from tests.saves import Shop, decision

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

WAYS = {
    "pull": [["pull", "-q", "--no-rebase", "origin", "main"]],
    "pull --rebase": [["pull", "-q", "--rebase", "origin", "main"]],
    "fetch, merge": [["fetch", "-q", "origin"], ["merge", "-q", "--no-edit", "origin/main"]],
    "fetch, checkout of the file": [["fetch", "-q", "origin"], ["checkout", "-q", "origin/main", "--", "{file}"]],
    "fetch, restore": [["fetch", "-q", "origin"], ["restore", "-s", "origin/main", "{file}"]],
    "fetch, reset": [["fetch", "-q", "origin"], ["reset", "-q", "--hard", "origin/main"]],
    "fetch, cherry-pick": [["fetch", "-q", "origin"], ["cherry-pick", "origin/main"]],
    "apply": [["fetch", "-q", "origin"], ["-c", "core.pager=cat", "diff", "HEAD", "origin/main", "--output={desk}/p",
                                          "--", "{file}"], ["apply", "{desk}/p"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def git_shop(_open_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Clone]:
    """The shop's workspace, and a colleague's clone."""
    return share(_open_shop.studio.root, tmp_path_factory.mktemp("git") / "git")


@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
@pytest.mark.parametrize("way", WAYS)
def test_new_answers(
    shop: Shop, git_shop: tuple[Clone, Clone], tmp_path: Path, way: str, marked: bool
) -> None:
    """What the colleague committed is recorded, once, byte for byte."""
    ours, theirs = git_shop
    for verb in ("approve", "reject"):
        ours.git("fetch", "-q", "origin")
        ours.git("reset", "-q", "--hard", "origin/main")
        job = shop.at_gate()
        text = decision(verb, lines=6000, marked=marked)
        name = f"runs/{job}/{verb}.yaml"
        theirs.commit(name, text)
        theirs.push()
        for command in WAYS[way]:
            ours.git(*(part.format(file=name, desk=tmp_path) for part in command))
        shop.decided(job, verb, text)
        theirs.git("rm", "-q", name)
        theirs.git("commit", "-q", "-m", "decided")
        theirs.push()


@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_stash_pop(shop: Shop, git_shop: tuple[Clone, Clone], marked: bool) -> None:
    """An answer that was stashed before anybody looked is given when it is popped."""
    ours, _ = git_shop
    for verb in ("approve", "reject"):
        job = shop.at_gate()
        text = decision(verb, lines=6000, marked=marked)
        path = shop.studio.run(job) / f"{verb}.yaml"
        beside = Clone(ours.root.parent / f"beside-{job}")
        ours.git("worktree", "add", "-q", "--detach", str(beside.root))
        inside = beside.root / path.relative_to(ours.root)
        inside.parent.mkdir(parents=True)
        inside.write_text(text)
        beside.git("add", "-f", str(inside))
        beside.git("stash", "push", "-q")
        ours.git("stash", "pop", "-q")
        shop.decided(job, verb, text)
        ours.git("reset", "-q", "--hard")
