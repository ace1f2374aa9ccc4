"""What a pipeline names and is not there is told before a stage fails for it; in doubt nothing is said."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from daemon import runnable, strictyaml
from daemon.pipelines import load
from tests.studio import ROOT

COUNT = """
import json
from json import dumps as of_json
import os.path

def run(context): ...
assigned = run
first, *rest = [run, run]
if True:
    try:
        def inner(context): ...
    except Exception:
        from os import getcwd
class Callable_: ...
"""


RUNS = "def run(context): ...\n"
DANGER = "import pathlib; pathlib.Path(__file__).with_name('ran').touch(); raise SystemExit\n"


def packages(root: Path) -> None:
    """Modules that would show if one was imported; a package that makes its modules, and one without a file."""
    for place, text in {
        "spam/__init__.py": RUNS + DANGER,
        "spam/eggs/__init__.py": DANGER,
        "spam/eggs/ham.py": RUNS,
        "spam/eggs/fried.py": RUNS + DANGER,
        "spam/maker/__init__.py": "import sys\nsys.modules['spam.maker.hidden'] = sys\n",
        "spam/broken.py": "def run(:\n",
        "apart/deep/er.py": RUNS,
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)


def told(folder: Path, stages: str) -> list[str]:
    """What is said of a pipeline with these stages, without the file's name."""
    text = f"name: p\nstages:\n{stages}".encode()
    found = runnable.problems(load(text, "p.yaml"), strictyaml.parse(text, "p.yaml"), folder)
    return [str(problem).removeprefix("p.yaml:") for problem in found]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    packages(tmp_path / "packages")
    with zipfile.ZipFile(tmp_path / "packages.zip", "w") as archive:
        archive.writestr("zipped.py", "def run(context): ...\n")
    for place in ("packages", "packages.zip"):
        monkeypatch.syspath_prepend(tmp_path / place)
    (tmp_path / "count.py").write_text(COUNT)
    (tmp_path / "star.py").write_text("from json import *\n")
    (tmp_path / "globals.py").write_text("globals()['run'] = print\n")
    (tmp_path / "broken.py").write_text("def run(:\n")
    (tmp_path / "tool.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tool.sh").chmod(0o755)
    (tmp_path / "plain.sh").write_text("#!/bin/sh\n")
    (tmp_path / "plain.sh").chmod(0o644)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ('run: "./cuont.py:run"', "there is no file './cuont.py' beside the pipeline; did you mean './count.py'?"),
        ('run: "./count.py:runn"', "'./count.py' has no function 'runn'; did you mean 'run'?"),
        ('run: "./broken.py:run"', "'./broken.py' cannot be read by Python: invalid syntax (line 1)"),
        ('run: "spaam.eggs:run"', "there is no module 'spaam' where this command's Python looks; did you mean 'spam'?"),
        ('run: "spam.egs.x:run"', "'spam.egs' where this command's Python looks; did you mean 'spam.eggs'?"),
        ('run: "spam.eggs.fried:rum"', "'spam.eggs.fried' has no function 'rum'; did you mean 'run'?"),
        ('run: "spam.broken:run"', "'spam.broken' cannot be read by Python: invalid syntax (line 1)"),
        ('run: "apart.deep2:run"', "there is no module 'apart.deep2'"),
        ('run: "count:run"', "write './count.py:run' for the file beside the pipeline"),
        ('run: "nosuchmoduleatall:run"', "install it beside spork, or write ./FILE.py:FUNCTION"),
        ("command: [./no.sh]", "3:25: stages[0].command[0]: './no.sh', looked for beside the pipeline, is not there"),
        ("command: [./plain.sh]", "is not executable; chmod +x"),
        ("command: [../]", "is no file"),
        ("command: [nosuchprogram]", "there is no program 'nosuchprogram' on the PATH of this command"),
        ("command: [/nosuch/program]", "'/nosuch/program' is not there"),
        ("command: [bin/tool]", "write './bin/tool' for one beside the pipeline"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(folder: Path, stage: str, says: str) -> None:
    """With its place, and the nearest that is there."""
    (said,) = told(folder, f"  - {{name: a, {stage}}}\n")
    assert says in said
    assert not list(folder.rglob("ran")), "it was imported"


@pytest.mark.parametrize(
    "stage",
    [
        *(
            f'run: "./count.py:{n}"'
            for n in "run assigned first rest inner getcwd of_json os Callable_".split()
        ),
        'run: "./star.py:loads"',
        'run: "./globals.py:run"',
        *(f'run: "{m}"' for m in "spam.eggs.fried:run spam.maker.hidden:run spam.eggs.ham:run".split()),
        *(f'run: "{m}"' for m in "os.path:join math:sqrt apart.deep.er:run spam:run zipped:run".split()),
        "command: [./tool.sh, -x]",
        "command: [sh, -c, nosuchprogram]",
        "command: [/bin/sh]",
        'command: ["{run}/made.sh"]',
    ],
)
def test_what_is_there_or_may_be_is_right(folder: Path, stage: str) -> None:
    """However the file defines it; what only an import or a run could tell is believed."""
    assert told(folder, f"  - {{name: a, {stage}}}\n") == []
    assert not list(folder.rglob("ran")), "it was imported"


def test_an_output_belongs_to_one_stage(folder: Path) -> None:
    """The second stage that names it could never publish it; patterns may match other files."""
    stages = "  - {name: a, command: [sh], outputs: [A.txt, '*.png']}\n"
    assert told(folder, f"{stages}  - {{name: b, command: [sh], outputs: ['*.png', b.txt, a.txt]}}\n") == [
        "4:56: stages[1].outputs[2]: 'a.txt' is made by a already; a path belongs to one stage"
    ]


def test_the_pipelines_of_the_repository_can_be_run() -> None:
    for path in (ROOT / "conf/pipelines").glob("*.yaml"):
        data = path.read_bytes()
        assert runnable.problems(load(data, path.name), strictyaml.parse(data, path.name), path.parent) == []
