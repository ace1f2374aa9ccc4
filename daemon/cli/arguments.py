"""The verbs and their options."""

from __future__ import annotations

# argparse and not typer: typer, click and rich cost more start time than `spork status` has in all.
import argparse
from collections.abc import Callable
from typing import Any

from daemon.cli.screen import terminal_width

EXIT_CODES = """exit codes:
  0 done   1 the job failed   2 usage   3 waits for a decision   65 bad input   73 cannot write
  75 try again, a lock is held   78 bad policy"""

MOST_DAYS = 36_500

Verbs = Callable[..., argparse.ArgumentParser]


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments; ``module`` names the verb's module. SystemExit after help and for bad usage."""
    parser = _without_verbs()
    # prog is given because finding it out costs argparse ten milliseconds.
    group = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True, prog="spork")
    asked = _verb_of(argv)
    if not asked and (word := _first_word(argv)):
        parser.error(_unknown(word))

    def verb(
        name: str, help_text: str, module: str = "", epilog: str | None = None
    ) -> argparse.ArgumentParser:
        if asked not in ("", name):
            return _UNASKED
        made = group.add_parser(
            name,
            help=help_text,
            description=f"{help_text[0].upper()}{help_text[1:]}.",
            epilog=epilog,
            formatter_class=_Help,
            allow_abbrev=False,
        )
        made.set_defaults(module=module or name)
        # Also after the verb; SUPPRESS keeps one given before it.
        made.add_argument("--workspace", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    _work(verb)
    _reading(verb)
    _answers(verb)
    _tools(verb)
    return parser.parse_args(argv)


def _without_verbs() -> argparse.ArgumentParser:
    """What may be given before the verb."""
    parser = argparse.ArgumentParser(
        prog="spork",
        description="Work enters as files in inbox/, people answer with files in runs/ID/; "
        "these commands write the same files and show where everything is.",
        epilog=EXIT_CODES,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--workspace",
        metavar="DIR",
        help="default: $SPORK_WORKSPACE, then the current folder or one above it",
    )
    parser.add_argument("--version", action="version", version=_Version("%(prog)s"))
    return parser


_VERBS = frozenset(
    "init daemon run submit check status review events logs explain approve reject resume cancel doctor rebuild backup"
    " prune reload schema systemd".split()
)


def _verb_of(argv: list[str]) -> str:
    """The verb, where it is plain which one is meant: then only its options are made. Else empty."""
    word = _first_word(argv)
    return word if word in _VERBS else ""


def _first_word(argv: list[str]) -> str:
    """What stands where the verb does; empty where an option does, or nothing."""
    given = argv[2:] if argv[:1] == ["--workspace"] else argv
    if given and given[0].startswith("--workspace="):
        given = given[1:]
    return given[0] if given and not given[0].startswith("-") else ""


def _unknown(word: str) -> str:
    """That there is no such command, with the one that was meant."""
    from difflib import get_close_matches

    near = get_close_matches(word, sorted(_VERBS), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "spork --help lists them"
    return f"there is no command {word!r}; {hint}"


class _Unasked(argparse.ArgumentParser):
    """Takes the options of a verb that was not asked for: to make them all takes longer than to print a status."""

    def __init__(self) -> None:
        pass

    def add_argument(self, *_: Any, **__: Any) -> Any:
        return None

    def add_mutually_exclusive_group(self, **_: Any) -> Any:
        return self


_UNASKED = _Unasked()


class _Help(argparse.RawDescriptionHelpFormatter):
    """argparse asks a formatter about every option, and its own imports shutil for the terminal's width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_width() - 2)


class _Version(str):
    """The version, looked up only where it is printed: argparse fills in a text that has ``%(prog)``, and no other."""

    __slots__ = ()

    def __mod__(self, _names: object) -> str:
        from importlib.metadata import PackageNotFoundError, version

        try:
            return f"spork {version('probable-spork')}"
        except PackageNotFoundError:
            return "spork (not installed)"


def _work(verb: Verbs) -> None:
    init = verb("init", "make a folder a workspace, or complete one; what is there stays")
    init.add_argument("folder", nargs="?", default=".", metavar="DIR")
    daemon = verb("daemon", "work: take what is dropped, run its stages, wait at gates; until told to stop")
    daemon.add_argument("--drain", action="store_true", help="end when nothing can move, gates included")
    daemon.add_argument(
        "--poll", action="store_true", help="look on a timer instead of being told of changes"
    )
    daemon.add_argument("--only", metavar="inbox/NAME|ID", help=argparse.SUPPRESS)
    run = verb("run", "submit a request and see it through, asking at gates on a terminal")
    run.add_argument("file", metavar="JOB.yaml")
    run.add_argument(
        "--approve-all", action="store_true", help="pass every gate, recorded as by: approve-all"
    )
    run.add_argument("-v", "--verbose", action="store_true", help="with the daemon's log, if one is started")
    submit = verb("submit", "check requests, then drop them into inbox/ with the sources beside them")
    submit.add_argument("files", nargs="+", metavar="FILE")
    check = verb(
        "check", "say what is wrong with requests, decisions, policy or pipelines, as the daemon would"
    )
    check.add_argument("files", nargs="+", metavar="FILE")
    _json(check)


def _reading(verb: Verbs) -> None:
    status = verb("status", "show where every job is, or one job in detail")
    status.add_argument("job", nargs="?", metavar="JOB")
    status.add_argument("--waiting", action="store_true", help="only what a person must answer, and how")
    status.add_argument("--stats", action="store_true", help="how many jobs there are in each status")
    status.add_argument("--watch", action="store_true", help="again and again, on a terminal")
    status.add_argument("--limit", type=_positive, default=30, metavar="N", help="jobs of each kind (30)")
    _json(status)
    review = verb("review", "show what waits at a job's gate")
    review.add_argument("job", metavar="JOB")
    review.add_argument("--diff", action="store_true", help="only what changed")
    _json(review)
    events = verb("events", "show what happened to a job")
    events.add_argument("job", metavar="JOB")
    events.add_argument("-f", "--follow", action="store_true", help="go on until the job is over")
    _json(events)
    logs = verb("logs", "show what a job's stages printed; the latest attempt's, or of one stage")
    logs.add_argument("job", metavar="JOB")
    logs.add_argument("stage", nargs="?", metavar="STAGE", help="script, or script.2 for its second attempt")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job is over")
    explain = verb("explain", "say why a file in inbox/ or runs/ID/ was or was not taken")
    explain.add_argument("paths", nargs="+", metavar="PATH")
    _json(explain)


def _answers(verb: Verbs) -> None:
    said = {
        "approve": "approve what waits at a job's gate",
        "reject": "reject what waits at a job's gate",
        "resume": "let a paused or failed job go on",
        "cancel": "end a job for good",
    }
    for name, help_text in said.items():
        made = verb(name, help_text, module="answer")
        made.add_argument("job", metavar="JOB")
        made.add_argument("--stage", metavar="S", help="refuse unless the job is at this stage")
        made.add_argument(
            "--notes", metavar="TEXT", help="recorded; the stage sees a rejection's and a resume's"
        )
        made.add_argument("--by", metavar="NAME", help="who says so; default: your user name")
        made.add_argument("--wait", action="store_true", help="until it is recorded or refused")
        if name == "reject":
            made.add_argument(
                "--then", choices=("pause", "retry", "stop"), help="default: pause; with --redo: retry"
            )
            made.add_argument(
                "--redo",
                action="append",
                type=_part,
                metavar="NAME=WHY",
                help="make this part again, by the stage's own names; may be given more than once",
            )
        if name in ("reject", "resume"):
            made.add_argument(
                "--from", dest="from_stage", metavar="STAGE", help="go back to this earlier stage"
            )
        if name == "approve":
            made.add_argument(
                "--unbound", action="store_true", help="without naming stage, attempt and digest"
            )


def _tools(verb: Verbs) -> None:
    doctor = verb("doctor", "look for what is wrong with the workspace and the machine, with its mend")
    doctor.add_argument(
        "--full", action="store_true", help="compare the copies of all jobs and the whole ledger"
    )
    _json(doctor)
    verb("rebuild", "make the database anew from jobs/ and runs/; the old one is kept aside")
    backup = verb("backup", "write a backup while the daemon works", epilog=BACKUP_HELP)
    backup.add_argument("file", metavar="FILE")
    prune = verb("prune", "remove the run directories of jobs that were over long ago; their ids stay taken")
    prune.add_argument(
        "--older-than", required=True, type=_days, metavar="30d", help="days (d), hours (h) or weeks (w)"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say which")
    verb("reload", "make the running daemon read conf/operator.yaml again")
    schema = verb("schema", "print a JSON Schema, for editors")
    schema.add_argument("kind", choices=("job", "decision", "operator", "pipeline"))
    systemd = verb("systemd", "print or install a systemd unit for this workspace")
    what = systemd.add_mutually_exclusive_group(required=True)
    what.add_argument("--print", dest="print_unit", action="store_true")
    what.add_argument("--install", action="store_true")
    systemd.add_argument("--user", action="store_true", help="for your own user manager, not for the system")
    systemd.add_argument("--as", dest="as_user", metavar="NAME", help="the user the system service runs as")


BACKUP_HELP = """FILE is a tar archive with the database as of one moment (jobs/spork.db), the accepted
requests and the ledger up to it, conf/, and the run directories of the jobs that are not over. Finished
runs, which are large and change no more, are not in it: copy them with rsync or cp. Never copy
jobs/spork.db yourself: without its -wal it may be empty, with another's it is damaged.

To restore into a new folder:
  mkdir FOLDER && tar -xf FILE -C FOLDER
  spork init FOLDER
  spork --workspace FOLDER rebuild     (folds in what the runs know beyond the database)
  spork --workspace FOLDER doctor
and start the daemon there. docs/cli.md says how finished runs are brought back, and what to do where
runs/ itself survived."""


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number from 1")
    return number


def _part(text: str) -> tuple[str, str]:
    """The part's name and why from ``scene_003=too much text``."""
    name, equals, why = (each.strip() for each in text.partition("="))
    if not (name and equals and why):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=WHY, like 'scene_003=too much text'")
    return name, why


def _days(text: str) -> float:
    """Days from ``30d``, ``12h`` or ``2w``."""
    factors = {"d": 1.0, "h": 1 / 24, "w": 7.0}
    number, unit = text[:-1], text[-1:]
    if unit not in factors or not number.replace(".", "", 1).isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number and d, h or w, like 30d")
    days = float(number) * factors[unit]
    if days > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r}: at most {MOST_DAYS}d, a hundred years")
    return days
