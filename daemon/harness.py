"""What runs in the stage's own process: become a group, then call the function or exec the command."""

from __future__ import annotations

import atexit
import fnmatch
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn, TextIO

from daemon.beneath import opened_beneath
from daemon.orders import Order, receive, seen_from, unpack, with_environ
from daemon.processes import die_with, flush_streams, set_name
from stages.contract import Context, EditError, StageError

EXIT_CANNOT_START = 127
_NAME = "spork-stage"
_SAY_LIMIT = 2_500
_VARIABLES = ("SPORK_RUN", "SPORK_OUT", "SPORK_JOB", "SPORK_STAGE", "SPORK_ATTEMPT", "SPORK_INTENT")
_REHEARSED = with_environ(Order.rehearsal(), {**os.environ, **dict.fromkeys(_VARIABLES, "")}).encode()
"""As a keeper passes on, made before any fork; with the keeper's environment, most of which a stage has."""
_DEFAULTS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_EXEC_DEFAULTS = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)
_SYSTEM_PACKAGES = {"libEGL.so.1": "libegl1", "libGL.so.1": "libgl1", "libGLESv2.so.2": "libgles2"}


@dataclass(frozen=True, slots=True)
class Ends:
    """One side of what is between a stage and its keeper."""

    feed: socket.socket
    """Brings the order, and the lane's descriptor."""
    output: int
    said: int
    """Where the one line of JSON ``{message, hint, final}`` goes that the daemon shows."""

    def close(self) -> None:
        """Let go of all of it."""
        self.feed.close()
        os.close(self.output)
        os.close(self.said)


def become_stage(ends: Ends, keeper: int, ahead: Sequence[str] = ()) -> NoReturn:
    """Turn this process, forked ahead, into the stage once its order is there; never returns.

    ``ahead``: modules to import until then. Here and not in the keeper, which stays small, and goes on without them.
    """
    code = EXIT_CANNOT_START
    try:
        os.setsid()
        die_with(keeper)
        _settle(ends.output)
        # What is wrong here, the stage that needs it tells.
        with suppress(Exception):
            _rehearse()
        for name in ahead:
            with suppress(Exception, SystemExit):
                importlib.import_module(name)
        word, fds = receive(ends.feed, 2)
        if word:
            ends.feed.close()
            order, environ = _read(unpack(fds[0]))
            # Open in every process of the stage: the lane is not free before the last one is gone.
            os.set_inheritable(fds[1], True)
            with opened_beneath(order.run_dir, seen_from(str(order.run_dir), str(order.out_dir))) as folder:
                os.fchdir(folder)
            code = _call(order, environ, ends.said) if order.run else _exec(order, environ, ends.said)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the keeper is told
        with suppress(OSError):
            _say(ends.said, f"cannot start: {error!r}")
    finally:
        os._exit(code)


def _rehearse() -> None:
    """Go the way of an order before there is one, so that this process has its own copies of the pages it takes."""
    with opened_beneath(Path("/"), "proc"):
        order, environ = _read(_REHEARSED)
    set_name(_NAME)
    _put_on(environ)
    _context(order)
    path = Path(__file__).with_name("__init__.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is not None and isinstance(spec.loader, SourceFileLoader):
        importlib.util.module_from_spec(spec)
        # Read and unmarshalled as a stage's module is, and not run.
        spec.loader.get_code(path.stem)


def _read(message: bytes) -> tuple[Order, dict[str, str]]:
    """The order and its stage's environment."""
    said = json.loads(message)
    return Order.from_facts(said["order"]), said["environ"]


def _settle(output: int) -> None:
    """Standard descriptors, signals and umask as a stage may expect them."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    # New streams, because the old ones still believe in what their descriptors were before.
    sys.stdout, sys.stderr = _printer(1), _printer(2)
    for number in _DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # It was blocked since before the fork, so that one that came meanwhile counts now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEFAULTS)
    os.umask(0o007)
    # Out of memory, the kernel should end the stage rather than the daemon that has to tell of it.
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"500")


def _say(said: int, message: str, hint: str = "", *, final: bool = False) -> None:
    # At most 12 bytes for a character: all of it finds room in the pipe, which is read once this process is gone.
    line = json.dumps({"message": message[:_SAY_LIMIT], "hint": hint[:_SAY_LIMIT], "final": final})
    os.write(said, line.encode())


def _exec(order: Order, environ: Mapping[str, str], said: int) -> int:
    for number in _EXEC_DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    program = order.command[0]
    if program.startswith(("./", "../")):
        program = str(order.pipeline_dir / program)
    try:
        os.execvpe(program, order.command, dict(environ))  # noqa: S606  # argv and no shell, on purpose
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _say(said, f"cannot run {program!r}: {reason}", "look at the stage's command in the pipeline")
    return EXIT_CANNOT_START


def _call(order: Order, environ: Mapping[str, str], said: int) -> int:
    """Import the stage's function afresh and call it; the process's exit code."""
    gc.enable()
    _put_on(environ)
    context = _context(order)
    try:
        find(order.run, order.pipeline_dir)(context)
    except StageError as error:
        _say(said, str(error) or "the stage gave no reason", error.hint, final=isinstance(error, EditError))
        return _leave(1)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            _say(said, leaving.code)
        return _leave(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
    except ImportError as error:
        message, hint, missing = _explain_import(order, error)
        if missing and order.placeholders and order.stage != "acceptance":
            _leave_placeholders(context, order.outputs, f"{message}; {hint}")
            return _leave(0)
        _print_traceback()
        _say(said, message, hint)
        return _leave(1)
    except BaseException as error:  # noqa: BLE001  # a stage may raise anything
        _print_traceback()
        summary = " ".join(f"{type(error).__name__}: {error}".split())
        _say(said, summary[:500])
        return _leave(1)
    return _leave(0)


def _put_on(environ: Mapping[str, str]) -> None:
    """Make this the environment."""
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    os.environ.update((name, text) for name, text in environ.items() if os.environ.get(name) != text)


def _printer(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _leave(code: int) -> int:
    # os._exit follows: it spares the teardown of a warm interpreter, so what it would do is done here.
    threads = sys.modules.get("threading")
    with suppress(BaseException):
        if threads is not None:
            # Waits for those that an interpreter waits for: what they still write belongs to the stage.
            threads._shutdown()  # noqa: SLF001  # the interpreter itself calls it
    with suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001  # as multiprocessing does
    for stream in (sys.stdout, sys.stderr):
        # The stage may have put anything there.
        with suppress(Exception):
            stream.flush()
    flush_streams()
    return code


def _print_traceback() -> None:
    import traceback  # here, because only a failing stage needs it

    traceback.print_exc()


def _context(order: Order) -> Context:
    return Context(
        run_dir=order.run_dir,
        out_dir=order.out_dir,
        job_id=order.job_id,
        stage=order.stage,
        attempt=order.attempt,
        intent=order.intent,
        params=order.params,
        feedback=order.feedback,
        redo=order.redo,
        sources=order.sources,
        artifacts=order.artifacts,
        progress_file=order.beside("progress"),
    )


def find(named: str, pipeline_dir: Path) -> Callable[[Context], Any]:
    """The function that a pipeline names so; ImportError or StageError if there is none."""
    place, _, name = named.rpartition(":")
    local = place.startswith("./")
    module = _load(pipeline_dir / place) if local else importlib.import_module(place)
    function = getattr(module, name, None)
    if not callable(function):
        raise StageError(f"{place} has no function {name!r}", f"look at {named} in the pipeline")
    return function  # type: ignore[no-any-return]


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise StageError(f"there is no Python file {path}", "look at the pipeline, which names it")
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _explain_import(order: Order, error: ImportError) -> tuple[str, str, bool]:
    """Message, hint, and whether something that can be installed is missing."""
    module = order.run.rpartition(":")[0]
    library = str(error).partition(":")[0]
    if "cannot open shared object file" in str(error):
        package = _SYSTEM_PACKAGES.get(library, f"the package that has {library}")
        return f"the system library {library} is missing", f"apt install {package}", True
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return f"{type(error).__name__}: {error}", "", False
    if module == error.name or module.startswith(f"{error.name}."):
        return f"there is no module {error.name!r}", f"look at run: {order.run} in the pipeline", False
    top = error.name.partition(".")[0]
    hint = (
        "in a clone of spork: pip install '.[video]'"
        if module.startswith("stages.")
        else f"pip install {top}"
    )
    return f"the module {error.name!r} is missing", hint, True


def _leave_placeholders(context: Context, outputs: tuple[str, ...], why: str) -> None:
    print(f"placeholders instead of real outputs: {why}", flush=True)
    for pattern in outputs:
        name = "/".join(
            "placeholder" if part == "**" else part.replace("*", "placeholder").replace("?", "0")
            for part in pattern.split("/")
        )
        name = name + "placeholder" if name.endswith("/") else name
        if any(character in name for character in "[]") and not fnmatch.fnmatchcase(name, pattern):
            raise StageError(f"no placeholder can be named for {pattern!r}", why)
        target = context.out_dir / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"PLACEHOLDER, not a result: {why}\n", encoding="utf-8")
        context.describe(name, "placeholder", placeholder=True)
