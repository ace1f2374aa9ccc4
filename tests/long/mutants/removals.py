"""What is taken out of the daemon, one at a time: each fsync, lock and check of bytes, each order of two steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

ORDER = "tests/acceptance/test_order.py"
GATES = "tests/acceptance/test_gates.py"
INBOX = "tests/acceptance/test_inbox.py"
STOPPING = "tests/acceptance/test_stopping.py"
SERVICE = "tests/acceptance/test_service.py"
TOOLS = "tests/acceptance/test_cli_tools.py"
CRASHES = "tests/acceptance/test_crashes.py"
LANE = "tests/integration/test_lane.py"
SPOOL = "tests/integration/test_spool.py"
FILES = "tests/integration/test_files.py"
RUNNER = "tests/integration/test_runner.py"
KEEPERS = "tests/integration/test_keeper_deaths.py"
STORE = "tests/integration/test_store.py"
DECISIONS = "tests/integration/test_decisions.py"
RULINGS = "tests/unit/test_rulings.py"
MACHINE = "tests/unit/test_machine.py"
HARVEST = "tests/unit/test_harvest.py"
GOING_ON = "tests/integration/test_going_on.py"
SOURCES = "tests/integration/test_sources.py"
SENT_BACK = "tests/integration/test_sent_back.py"
LIVE = "tests/acceptance/test_cli_live.py"
DRAFTS = "tests/unit/test_drafts.py"
CODEC = "tests/unit/test_codec.py"
UPGRADE = "tests/acceptance/test_upgrade.py"


@dataclass(frozen=True, slots=True)
class Removal:
    """One change of one module of the daemon, and the tests of which one must fail for it."""

    kind: str
    what: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path = ROOT) -> str:
        """The text of the module in a tree without it; ValueError where the text has moved on."""
        text = (root / "daemon" / self.module).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.what}: daemon/{self.module} holds {self.old!r} {text.count(self.old)} times, not once"
            )
        return text.replace(self.old, self.new)


def removals() -> list[Removal]:
    """All of them."""
    return [*syncs(), *LOCKS, *CHECKS, *ORDERS]


_SYNCS = ("os.fsync", "fsync_folder", "sync", "publication.sync", "anchor")


def syncs() -> Iterator[Removal]:
    """Every statement that waits for the disk, found in the source, so that a new one is never forgotten."""
    for path in sorted((ROOT / "daemon").rglob("*.py")):
        module = str(path.relative_to(ROOT / "daemon"))
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for function, node in _statements(ast.parse(text)):
            if not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in _SYNCS):
                continue
            # With the lines around it the text stands there once.
            begin, end = node.lineno - 1, node.end_lineno or node.lineno
            old = "".join(lines[max(begin - 4, 0) : end + 2])
            own = "".join(lines[begin:end])
            new = old.replace(own, f"{' ' * node.col_offset}pass\n")
            what = f"`{ast.unparse(node.value)}` in `{function}`"
            yield Removal("fsync", what, module, old, new, (ORDER, FILES, HARVEST))
    full = 'db.execute("PRAGMA synchronous=FULL")'
    yield Removal(
        "fsync", "SQLite's `synchronous=FULL`", "database.py", full, full.replace("FULL", "OFF"), (ORDER,)
    )


def _statements(tree: ast.Module) -> Iterator[tuple[str, ast.Expr]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Expr):
                    yield function.name, node


LOCKS = (
    Removal("lock", "one daemon a workspace", "opening.py",
            "    lock.acquire()\n    try:\n", "    try:\n", (STOPPING, LANE)),
    Removal("lock", "the daemon's lock around a rebuild", "rebuild.py",
            "    lock.acquire()\n", "", (TOOLS,)),
    Removal("lock", "the lane's flock", "lane.py",
            "if not _turn(self._turn) or not try_flock(self._fd):", "if not _turn(self._turn):", (LANE,)),
    Removal("lock", "the turn beside the lane", "lane.py",
            "if not _turn(self._turn) or not try_flock(self._fd):", "if not try_flock(self._fd):", (LANE,)),
    Removal("lock", "the lane's file is still the one that others lock, when it is taken", "lane.py",
            '        self._close("_bell")\n        self.check()\n', '        self._close("_bell")\n', (LANE,)),
    Removal("lock", "the daemon's lock file is still there", "ground.py",
            "        self._lock.check()\n", "", (STOPPING,)),
    Removal("lock", "the lane's lock file is still there", "ground.py",
            "        self._lane.check()\n", "", ("tests/acceptance/test_pulled_away.py",)),
    Removal("lock", "the database is still there, on a timer", "ground.py",
            "        self._store.check_place()\n", "", (STOPPING,)),
    Removal("lock", "a job changes only from the version that was decided on", "tables.py",
            "if changed.rowcount != 1:", "if changed.rowcount > 1:", (STORE,)),
    Removal("lock", "processes of a killed daemon are ended before anything starts", "recovery.py",
            "ended = end_strays(store.token)", "ended = 0", (KEEPERS, CRASHES)),
    Removal("lock", "a keeper ends what its stage left before it takes its files", "keeper.py",
            "    strays = end_children(spare.pid if spare else 0, 0.0 if watch.ordered else _GRACE_SECONDS)\n", "    strays = 0\n", (RUNNER, KEEPERS)),
    Removal("lock", "who waits for a shared lane has it after each stage", "attempts.py",
            "[] if self._lane.wanted else self._next_start(", "self._next_start(", (GOING_ON,)),
    Removal("lock", "orphans of a stage become the keeper's", "keeper.py",
            "    adopt_orphans()\n", "", (RUNNER, KEEPERS)),
)  # fmt: skip

CHECKS = (
    Removal("check", "a decision's digest against the bytes on disk", "answers.py",
            "if decision.digest is not None and decision.digest != on_disk.digest:", "if False:", (RULINGS,)),
    Removal("check", "a decision's stage and attempt against the gate", "answers.py",
            "if decision.stage not in (None, gate.stage) or decision.attempt not in (None, gate.attempt):",
            "if False:", (RULINGS,)),
    Removal("check", "a gate that was decided stays decided", "answers.py",
            "if earlier is not None and (\n", "if False and (\n", (RULINGS,)),
    Removal("check", "`unbound: refuse`", "answers.py",
            "if refuse_unbound and decision.digest is None:", "if False:", (RULINGS, GATES)),
    Removal("check", "a missing file cannot be approved", "answers.py",
            "        if on_disk.missing:\n            raise Refused", "        if False:\n            raise Refused", (RULINGS,)),
    Removal("check", "answers that lay there before the gate opened", "decisions.py",
            "if job.gate is not None and verb in (\"approve\", \"reject\") and set(keys) & set(job.gate.early):", "if False:", (GATES,)),
    Removal("check", "the gated files are read again for a decision, whatever their stamps say", "decisions.py",
            "fresh=True", "fresh=False", (DECISIONS,)),
    Removal("check", "what an approval bound, before its reader starts", "gated.py",
            "if on_disk.digest != approved or on_disk.missing:", "if on_disk.missing:", (GATES,)),
    Removal("check", "an output equal in bytes is told by its bytes", "publication.py",
            "return digest_of(root, artifact.path) == artifact.sha256", "return True", ("tests/integration/test_publication.py",)),
    Removal("check", "nobody has a file open for writing", "spool.py",
            "if held is Writers.SOME:", "if False:", (SPOOL,)),
    Removal("check", "a file is the same before and after it was read", "spool.py",
            "if not _unchanged(seen.identity, fd, name, dir_fd):", "if False:", (SPOOL, GATES)),
    Removal("check", "a file rests for the settle time", "spool.py",
            "rested = quiet >= needed", "rested = True", (SPOOL,)),
    Removal("check", "a template without its end mark", "spool.py",
            "if is_cut_short(data):", "if False:", (SPOOL,)),
    Removal("check", "links are not followed", "spool.py",
            "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK", (SPOOL,)),
    Removal("check", "a taken file is removed only if its name still holds it", "spool.py",
            "if not Identity.of(status).same_content(identity):", "if False:", (SPOOL,)),
    Removal("check", "the same file is not claimed twice", "inbox.py",
            "if before is not None and before[1] == sha:", "if False:", (INBOX, CRASHES)),
    Removal("check", "an id is taken for ever", "inbox.py",
            "        if known is None:\n            return wanted\n", "        if known != sha:\n            return wanted\n", (INBOX,)),
    Removal("check", "a source is the same before and after it was copied", "files.py",
            "if Identity.of(os.fstat(source)) != Identity.of(before) or position != before.st_size:", "if False:", (FILES,)),
    Removal("check", "a stage leaves no link", "harvest.py",
            "    if stat.S_ISLNK(looked.st_mode):\n", "    if False:\n", (HARVEST,)),
    Removal("check", "a stage leaves no second name of another file", "harvest.py",
            "if looked.st_nlink != 1:", "if False:", (HARVEST,)),
    Removal("check", "declared outputs are there", "harvest.py",
            "    _check_outputs(outputs, made)\n", "", (HARVEST,)),
    Removal("check", "the database is sound at start", "opening.py",
            "        checkup.begin()\n", "", (SERVICE, TOOLS)),
    Removal("check", "the database's schema is one we know", "database.py",
            "    if found != SCHEMA_VERSION:\n", "    if False:\n", (STORE,)),
    Removal("check", "an approval by command is of the files that gate.json shows", "doors.py",
            'if digest_now(run, job) not in (None, bound["digest"]):', "if False:", (LIVE,)),
    Removal("check", "an attempt's end is that of the open attempt", "transitions.py",
            "if not job.open_attempt or (event.stage, event.attempt) != (job.stage, job.attempt):", "if False:", (MACHINE,)),
    Removal("check", "a gate's answer is of the open gate", "gate_transitions.py",
            "if gate is None or (event.stage, event.attempt) != (gate.stage, gate.attempt):", "if gate is None:", (MACHINE,)),
    Removal("check", "an answer by command waits until its gate is shown", "cli/answer.py",
            "    while job.answerable and shown_gate(workspace.run(job.id), job) is None:\n", "    while False:\n", (LIVE,)),
    Removal("check", "a path belongs to the stage that published it", "clashes.py",
            "        if near is None:\n            continue\n", "        continue\n", (RULINGS,)),
    Removal("check", "a path that some file systems take for another stage's belongs to that one", "clashes.py",
            "key = twin_key(path)", "key = path", (RULINGS,)),
    Removal("check", "what somebody has open for writing is not approved by the timer", "gates.py",
            "if written is not None:", "if False:", (DECISIONS,)),
    Removal("check", "what a person saved between look and rename of a template is kept", "drafts.py",
            "if _read(folder, hidden) == found and not _is_being_written(folder, hidden):", "if True:", (DRAFTS,)),
    Removal("check", "what lies in the inbox after a crash goes only if it is what was copied", "finding.py",
            "if chunk != os.pread(copy.fileno(), _CHUNK, position):", "if False:", (SOURCES,)),
    Removal("check", "what was said waits for its stage while others are made", "transitions.py",
            "told=without(job.told, stage.name)", "told={}", (MACHINE,)),
    Removal("check", "an attempt is told what was said of its stage", "ordering.py",
            "waiting(job.told, stage.name)", "waiting(job.told, *job.told)", (SENT_BACK,)),
    Removal("check", "a stage says no number that JSON does not have", "harvest.py",
            ", parse_float=_finite)", ")", (HARVEST,)),
    Removal("check", "a job is not written with a number that JSON does not have", "codec.py",
            "allow_nan=False", "allow_nan=True", (CODEC,)),
    Removal("check", "nor read with one, which an earlier release wrote", "codec.py",
            "parse_float=_finite, parse_constant=_finite", "", (UPGRADE,)),
)  # fmt: skip

ORDERS = (
    Removal("order", "a claim is committed before the request goes", "inbox.py",
            """        if not taken:
            return []
        try:
""", """        for t in taken:
            self._box.claim_unlink(self._workspace.inbox, t.name, t.whole.identity)
        if not taken:
            return []
        try:
""", (ORDER,)),
    Removal("order", "large sources have their name before it is synced", "carrier.py",
            """        os.rename(errand.result, name, src_dir_fd=incoming, dst_dir_fd=incoming)
        os.fsync(incoming)
""", """        os.fsync(incoming)
        os.rename(errand.result, name, src_dir_fd=incoming, dst_dir_fd=incoming)
""", (ORDER,)),
    Removal("order", "sources are copied before the folder they are for is synced", "finding.py",
            """        try:
            with opened_beneath(run, "sources") as target:
                for one in found:
                    if pause is not None:
                        pause()
                    _copy(one, target, pause)
            os.fsync(run)
""", """        try:
            os.fsync(run)
            with opened_beneath(run, "sources") as target:
                for one in found:
                    if pause is not None:
                        pause()
                    _copy(one, target, pause)
""", (ORDER,)),
    Removal("order", "a decision is committed before it is taken away", "decisions.py",
            """        after = self._recorder.one(Change(job, events, decision=file))
""", """        self._files.counted(job, whole)
        self._files.put_away(lambda *_: None)
        after = self._recorder.one(Change(job, events, decision=file))
""", (ORDER,)),
    Removal("order", "a decision is kept before its file goes", "decisionfiles.py",
            """        keep(run, job, stage, attempt, whole.name, whole.data)
        self._box.claim_unlink(run, whole.name, whole.identity)
""", """        self._box.claim_unlink(run, whole.name, whole.identity)
        keep(run, job, stage, attempt, whole.name, whole.data)
""", (ORDER,)),
    Removal("order", "a refused request is kept before it goes", "inbox.py",
            "            kept = _free_name(rejected, name, whole.data)\n", """            self._box.claim_unlink(self._workspace.inbox, name, whole.identity)
            kept = _free_name(rejected, name, whole.data)
""", (ORDER,)),
    Removal("order", "a start is committed before the keeper hears of it", "attempts.py",
            """        try:
            job = self._recorder.one(Change(job, started))
        except BaseException:
            self._lane.give_back()
            raise
        self._launch(job, now)
""", """        from daemon.machine import fold
        self._launch(fold(started, job) or job, now)
        import time
        time.sleep(5)
        self._recorder.one(Change(job, started))
""", (ORDER,)),
    Removal("order", "moves are synced before they are noted", "recorder.py",
            """        publication.sync(settled.folders)
        publication.clear(self.workspace.run(job_id), settled.debts)
        for debt in settled.debts:
            self.store.moved(job_id, debt)
""", """        for debt in settled.debts:
            self.store.moved(job_id, debt)
        self.store.record()
        publication.sync(settled.folders)
        publication.clear(self.workspace.run(job_id), settled.debts)
""", (ORDER,)),
    Removal("order", "moves are synced before the attempt's folder goes", "recorder.py",
            """        publication.sync(settled.folders)
        publication.clear(self.workspace.run(job_id), settled.debts)
""", """        publication.clear(self.workspace.run(job_id), settled.debts)
        publication.sync(settled.folders)
""", (ORDER,)),
    Removal("order", "what the disk refused to move is kept from the sweep", "recorder.py",
            "for debt in (*settled.debts, *owed)]", "for debt in settled.debts]", (GOING_ON,)),
    Removal("order", "what was moved and not synced is kept from the sweep", "recorder.py",
            "for debt in (*settled.debts, *owed)]", "for debt in owed]", (GOING_ON,)),
    Removal("order", "state.json is written after the job's events", "recorder.py",
            """                    self._projection.add(job, events)
                    self._projection.show(job)
""", """                    self._projection.show(job)
                    self._projection.add(job, events)
""", (ORDER,)),
    Removal("order", "state.json is written after the review", "recorder.py",
            """                show(job)
                if job.id not in self._lagging:
                    self._projection.add(job, events)
                    self._projection.show(job)
""", """                if job.id not in self._lagging:
                    self._projection.add(job, events)
                    self._projection.show(job)
                show(job)
""", (ORDER,)),
    Removal("order", "what comes first is seen to before a job goes on", "starts.py",
            "if not quiet or ", "if ", (GOING_ON,)),
    Removal("order", "decisions are looked at before timers", "looks.py",
            "                looked = self.look(job_id, now, self._clock.boot())\n",
            "                looked = True\n", (DECISIONS,)),
    Removal("order", "ready is said after the first full scan", "serve.py",
            """    signs = Signs(opened)
    wait = loop.turn()
""", """    signs = Signs(opened)
    notify.ready()
    wait = loop.turn()
""", (SERVICE,)),
    Removal("order", "a reject that lies beside an approve comes first", "answers.py",
            '("cancel", "reject", "approve", "resume")', '("cancel", "approve", "reject", "resume")', (GATES,)),
)  # fmt: skip
