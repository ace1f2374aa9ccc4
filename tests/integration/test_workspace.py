"""Workspaces on a real disk: made, found, checked; and the sample pipeline's own commands."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.check import check, check_request, vet_request
from daemon.errors import BadPolicy, CannotWrite, Invalid
from daemon.pipelines import PLACEHOLDERS, fill, load_named
from daemon.room import shortage
from daemon.settings import load_policy
from daemon.setup import SAMPLES, init
from daemon.workspace import NoWorkspace, Workspace, find

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init(tmp_path / "studio")
    return Workspace(tmp_path / "studio")


def told(path: Path, workspace: Workspace) -> str:
    return "\n".join(map(str, check(path, workspace)))


def test_init_makes_the_contracts_folders(tmp_path: Path) -> None:
    """Folders that people write to are open to the group whatever the umask, the daemon's own are not."""
    before = os.umask(0o077)
    try:
        init(tmp_path / "studio")
    finally:
        os.umask(before)
    modes = {"inbox": 0o2770, "inbox/rejected": 0o2770, "runs": 0o2770, "jobs": 0o2750, "conf": 0o2755}
    found = {name: stat.S_IMODE((tmp_path / "studio" / name).stat().st_mode) for name in modes}
    assert found == modes
    assert stat.S_IMODE((tmp_path / "studio/conf/operator.yaml").stat().st_mode) == 0o644


def test_init_keeps_what_is_there(workspace: Workspace) -> None:
    """A second init writes nothing anew but what is missing and the schemas of this version."""
    workspace.policy_file.write_text("{}\n")
    (workspace.pipelines / "note.yaml").unlink()
    (workspace.conf / "schema/job.schema.json").write_text("{}")
    wrote = {path.name for path in init(workspace.root)}
    assert wrote == {"note.yaml", "job.schema.json"}
    assert workspace.policy_file.read_text() == "{}\n"


def test_every_sample_passes_its_own_check(workspace: Workspace) -> None:
    """What init leaves is right from the first minute."""
    samples = sorted(workspace.root.rglob("*.yaml"))
    assert {path.name for path in samples} >= {"operator.yaml", "note.yaml", "video.yaml"}
    assert [told(path, workspace) for path in samples] == [""] * len(samples)


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    """A file in the way is named."""
    (tmp_path / "studio").write_text("in the way")
    with pytest.raises(CannotWrite, match="studio"):
        init(tmp_path / "studio")


def test_the_samples_are_the_repositorys_own_files() -> None:
    """The copies that a wheel carries are those the repository works with; copy them anew after a change."""
    for sample in SAMPLES.rglob("*.*"):
        assert sample.read_bytes() == (ROOT / sample.relative_to(SAMPLES)).read_bytes(), sample.name
    for pipeline in (ROOT / "conf/pipelines").glob("*.yaml"):
        assert (SAMPLES / "conf/pipelines" / pipeline.name).exists(), pipeline.name


def test_a_workspace_is_found_as_git_finds_a_repository(workspace: Workspace, tmp_path: Path) -> None:
    """The option, then the variable, then the folders above."""
    other = tmp_path / "other"
    init(other)
    deep = workspace.runs / "a/b"
    deep.mkdir(parents=True)
    assert find(deep, None, {}) == workspace
    assert find(deep, None, {"SPORK_WORKSPACE": str(other)}).root == other
    assert find(deep, str(workspace.root), {"SPORK_WORKSPACE": str(other)}) == workspace
    assert find(tmp_path, "studio", {}) == workspace


def test_no_workspace_is_said_with_what_to_do(tmp_path: Path) -> None:
    """The message names the folder and the command that makes one; it is a matter of usage, exit code 2."""
    for explicit, environ in ((None, {}), ("x", {}), (None, {"SPORK_WORKSPACE": "x"})):
        with pytest.raises(NoWorkspace, match="spork init") as caught:
            find(tmp_path, explicit, environ)
        assert caught.value.exit_code == 2


def test_finding_one_imports_nothing_heavy() -> None:
    """`spork status` does not pay for pydantic or YAML when it looks for its workspace."""
    code = "import sys, daemon.workspace; sys.exit(bool({'pydantic', 'yaml'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_check_knows_files_by_place_and_name(workspace: Workspace) -> None:
    """Decisions by name, policy and pipelines by place or by their stages, all else is a request."""
    root = workspace.root
    cases = {
        "runs/approve.yaml": ("then: retry\n", "has no place in approve.yaml"),
        "conf/pipelines/x.yaml": ("name: y\nstages: [{name: a, command: [x]}]\n", "its file says x"),
        "mine.yaml": ("name: p\nstages: [{name: a}]\n", "exactly one"),
        "inbox/j.yaml": ("intnt: x\n", "did you mean 'intent'?"),
        "conf/operator.yaml": ("gate: {}\n", "did you mean 'gates'?"),
    }
    for name, (text, expected) in cases.items():
        (root / name).write_text(text)
        assert expected in told(root / name, workspace), name
        (root / name).unlink()


def test_a_policy_whose_pipeline_is_missing_is_told(workspace: Workspace) -> None:
    """`spork check conf/operator.yaml` looks at the default pipeline too."""
    workspace.policy_file.write_text("pipeline:\n  default: vidoe\n")
    assert "operator.yaml:2: pipeline.default: there is no pipeline vidoe; did you mean 'video'?" in told(
        workspace.policy_file, workspace
    )


def test_params_that_the_policy_sets(workspace: Workspace) -> None:
    """They come into the job, a wrong one is told by `spork check`, and no request may set what is the policy's."""
    policy = workspace.policy_file
    request = b"intent: Explain bees\nparams: {minutes: 2}\n"
    policy.write_text("pipeline:\n  params: {video: {writer: openai, model: small, minutes: 3}}\n")
    vetted = vet_request(request, "r.yaml", load_policy(workspace), workspace)
    assert {key: vetted.params[key] for key in ("writer", "model", "minutes")} == {
        "writer": "openai", "model": "small", "minutes": 2,
    }  # fmt: skip
    with pytest.raises(Invalid, match=r"is set by pipeline\.params\.video in conf/operator\.yaml"):
        vet_request(
            b"intent: Bees\nparams: {base_url: http://x}\n", "r.yaml", load_policy(workspace), workspace
        )
    policy.write_text("pipeline:\n  params:\n    video: {writer: clippy}\n    vidoe: {}\n")
    said = told(policy, workspace)
    assert "operator.yaml:3: pipeline.params.video.writer: expected one of extractive, openai" in said
    assert "operator.yaml:4: pipeline.params.vidoe: there is no pipeline vidoe; did you mean 'video'?" in said
    with pytest.raises(Invalid, match=r"conf/operator\.yaml:3: writer: expected one of extractive, openai"):
        vet_request(request, "r.yaml", load_policy(workspace), workspace)


def test_a_request_is_held_against_everything(workspace: Workspace) -> None:
    """Params, gates, limits: all that is wrong is told at once, in the file's order."""
    file = workspace.inbox / "j.yaml"
    file.write_text(
        "intent: x\ngates: {script: {required: false}}\nstage_timeouts: {outline: 99}\nparams: {minuts: 3}\n"
    )
    problems = check(file, workspace)
    assert [(p.line, p.field) for p in problems] == [
        (2, "gates.script.required"),
        (3, "stage_timeouts.outline"),
        (4, "params.minuts"),
    ]


def test_sources_are_looked_for_beside_the_request(workspace: Workspace) -> None:
    """A source that nobody can find is named with its line; beside the request or in sources/ it is found."""
    file = workspace.root / "j.yaml"
    file.write_text("intent: x\nparams:\n  sources:\n    - a.md\n    - b.md\n")
    (workspace.sources / "a.md").write_text("a")
    assert told(file, workspace).startswith(f"{file}:5:7: params.sources[1]: 'b.md' is neither beside")
    (workspace.root / "j").mkdir()
    (workspace.root / "j/b.md").write_text("b")
    assert told(file, workspace) == ""


def test_a_source_that_the_inbox_refuses_is_refused_here(workspace: Workspace) -> None:
    """A link and a folder are never read as a source; one that is still being written is only waited for."""
    file = workspace.root / "j.yaml"
    file.write_text("intent: x\nparams:\n  sources:\n    - a.md\n    - b.md\n    - c.md\n")
    (workspace.root / "a.md").symlink_to("/etc/hostname")
    (workspace.sources / "b.md").mkdir()
    with (workspace.inbox / "c.md").open("w"):
        said = told(file, workspace).splitlines()
    assert [line.split(": ", 2)[1] for line in said] == ["params.sources[0]", "params.sources[1]"], said
    assert "'a.md': a link" in said[0]
    assert "'b.md': " in said[1]


@pytest.mark.parametrize("name", ["j.yaml", "approve.yaml"])
def test_what_begins_like_a_template_and_has_no_end_is_not_right(workspace: Workspace, name: str) -> None:
    """The daemon waits for its last line without end; so it is neither called right nor submitted."""
    file = workspace.root / name
    text = "# spork decision template\n" + (
        "intent: x\npipeline: note\n" if name == "j.yaml" else "stage: draft\n"
    )
    file.write_text(text)
    assert "its last line, `...`, is missing" in told(file, workspace)
    if name == "j.yaml":
        assert check_request(file, workspace) != []
    file.write_text(text + "...\n")
    assert told(file, workspace) == ""


def test_an_unknown_pipeline_is_told_at_the_requests_line(workspace: Workspace) -> None:
    """Also where it is the policy's default that is missing."""
    policy = load_policy(workspace)
    with pytest.raises(Invalid, match=r"inbox/j.yaml:2:1: pipeline: there is no pipeline 'vide'"):
        vet_request(b"intent: x\npipeline: vide\n", "inbox/j.yaml", policy, workspace)
    (workspace.pipelines / "video.yaml").unlink()
    with pytest.raises(Invalid, match=r"the default is set in conf/operator.yaml:\d+"):
        vet_request(b"intent: x\n", "inbox/j.yaml", policy, workspace)


def test_all_that_is_wrong_is_told_at_once(workspace: Workspace) -> None:
    """What the schema refuses hides neither a wrong param nor a gate that would be loosened."""
    wrong = b"priority: hihg\npipeline: note\nparams: {widht: 7}\nlables: {}\nstage_timeouts: {drafd: 1}\n"
    with pytest.raises(Invalid) as caught:
        vet_request(wrong, "inbox/j.yaml", load_policy(workspace), workspace)
    told = {problem.field: problem.message for problem in caught.value.problems}
    assert set(told) == {"intent", "priority", "params.widht", "lables", "stage_timeouts.drafd"}
    assert [p.line for p in caught.value.problems] == sorted(p.line for p in caught.value.problems)


@pytest.mark.parametrize("line", [b"pipline: note", b"parms: {width: 40}", b"params: 7", b"pipeline: [note]"])
def test_what_cannot_be_judged_is_not(workspace: Workspace, line: bytes) -> None:
    """Where the pipeline or the params are what is wrong, nothing is told of what would follow from that."""
    with pytest.raises(Invalid) as caught:
        vet_request(b"intent: x\n" + line + b"\n", "inbox/j.yaml", load_policy(workspace), workspace)
    assert len(caught.value.problems) == 1, caught.value


def test_what_becomes_a_job(workspace: Workspace) -> None:
    """A vetted request carries its pipeline's bytes, its params with defaults, its sources and its gates."""
    data = (
        b"intent: Make it short\npipeline: note\n"
        b"params: {sources: [a.md]}\ngates: {publish: {required: true}}\n"
    )
    vetted = vet_request(data, "inbox/j.yaml", load_policy(workspace), workspace)
    assert vetted.slug == "make-it-short"
    assert vetted.pipeline_bytes == (workspace.pipelines / "note.yaml").read_bytes()
    assert vetted.params == {"width": 72, "sources": ["a.md"]}
    assert vetted.sources == ("a.md",)
    assert vetted.gated == {"draft", "publish"}


def test_only_regular_files_are_read(workspace: Workspace) -> None:
    """A link, a FIFO, a folder, a giant and a file that is gone are refused without being opened for long."""
    inbox = workspace.inbox
    (inbox / "link.yaml").symlink_to("/etc/passwd")
    os.mkfifo(inbox / "fifo.yaml")
    (inbox / "folder.yaml").mkdir()
    with (inbox / "giant.yaml").open("wb") as file:
        file.truncate(10 * 1024**3)
    expected = {
        "link": "is a link",
        "fifo": "not a regular file",
        "folder": "not a regular file",
        "giant": "larger than 1 MiB",
        "gone": "No such file",
    }
    for name, reason in expected.items():
        assert reason in told(inbox / f"{name}.yaml", workspace)


def test_a_bad_policy_stops_the_check_of_requests(workspace: Workspace) -> None:
    """A request cannot be judged where the policy cannot be read."""
    (workspace.inbox / "j.yaml").write_text("intent: x\n")
    workspace.policy_file.write_text("gates: 3\n")
    with pytest.raises(BadPolicy, match=r"conf/operator.yaml:1:1"):
        check(workspace.inbox / "j.yaml", workspace)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
def test_the_note_pipelines_commands_do_what_they_say(tmp_path: Path) -> None:
    """The draft holds the brief, sources and feedback as text, whatever they contain; publish copies it."""
    pipeline, _ = load_named(ROOT / "conf/pipelines", "note")
    run, out, sources = tmp_path / "run", tmp_path / "out", tmp_path / "sources"
    for folder in (run, out, sources):
        folder.mkdir()
    intent = '-n $(touch owned) `touch owned` "; touch owned; %s \\n {run} ' + "word " * 20
    (sources / "a $(touch owned).md").write_text("# One\nline 2\nline 3\nline 4\n")
    (tmp_path / "params.json").write_text(json.dumps({"sources": ['"width": 5'], "width": 30}))
    (tmp_path / "feedback.txt").write_text("Shorter, please")
    environ = {
        "PATH": os.environ["PATH"],
        "SPORK_INTENT": intent,
        "SPORK_RUN": str(run),
        "SPORK_SOURCES": str(sources),
        "SPORK_PARAMS": str(tmp_path / "params.json"),
        "SPORK_FEEDBACK": str(tmp_path / "feedback.txt"),
    }
    draft, publish = pipeline.stages
    values = dict.fromkeys(PLACEHOLDERS, "-")
    subprocess.run(fill(draft.command or (), values), check=True, cwd=out, env=environ)
    note = (out / "note.txt").read_text()
    assert "".join(note.split()).startswith("".join(intent.split()))
    assert max(len(line) for line in note.splitlines()) <= 30
    assert "# One\nline 2\nline 3\n\nChanged as asked:\nShorter, please" in note
    assert sorted(path.name for path in out.iterdir()) == ["note.txt"]
    (out / "note.txt").rename(run / "note.txt")
    subprocess.run(fill(publish.command or (), values), check=True, cwd=out, env=environ)
    assert (out / "published/note.txt").read_text() == note


@pytest.mark.parametrize(("wanted", "said"), [(99_999_999.0, "99999999"), (1_000_000.5, "1000000.5")])
def test_the_room_that_is_wanted_is_a_number_as_people_write_it(
    tmp_path: Path, wanted: float, said: str
) -> None:
    """Never 1e+08."""
    workspace = Workspace(tmp_path)
    workspace.runs.mkdir()
    assert f" {said} are wanted (min_free_mib)" in shortage(workspace, wanted)
