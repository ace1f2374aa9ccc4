"""What can befall a database file, at random: bit flips, cuts, zeroed pages, noise, a foreign or missing log."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.studio import Studio
from tests.support import wait_for
from tests.worked import copy_of

PAGE = 4096
SAME = ("jobs", "events", "artifacts", "attempts", "decisions")
"""What `tests.worked.told` gives that must be the same after a rebuild: all but the token."""


def flip(database: Path, chance: random.Random) -> None:
    """Up to twenty single bits."""
    data = bytearray(database.read_bytes())
    for _ in range(chance.randint(1, 20)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    database.write_bytes(data)


def cut(database: Path, chance: random.Random) -> None:
    """Somewhere, down to nothing."""
    with database.open("r+b") as file:
        file.truncate(chance.randrange(database.stat().st_size))


def zero(database: Path, chance: random.Random) -> None:
    """A few pages of zeros, as a disk gives that lost them."""
    for _ in range(chance.randint(1, 4)):
        _write(database, chance.randrange(database.stat().st_size) // PAGE * PAGE, b"\0" * PAGE)


def noise(database: Path, chance: random.Random) -> None:
    """Up to twenty stretches of random bytes."""
    for _ in range(chance.randint(1, 20)):
        place = chance.randrange(database.stat().st_size)
        _write(database, place, chance.randbytes(chance.randint(1, 400)))


def header(database: Path, chance: random.Random) -> None:
    """Its beginning gone."""
    _write(database, 0, chance.randbytes(chance.randint(1, 5000)))


def swap(database: Path, chance: random.Random) -> None:
    """Two pages in each other's place."""
    data = bytearray(database.read_bytes())
    one, two = (chance.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[two : two + PAGE] = data[two : two + PAGE], data[one : one + PAGE]
    database.write_bytes(data)


def lose_log(database: Path, chance: random.Random) -> None:
    """The write-ahead log is gone, or cut, or noise is in it."""
    log = Path(f"{database}-wal")
    match chance.randrange(3):
        case 0:
            log.unlink()
        case 1:
            cut(log, chance)
        case _:
            noise(log, chance)


def remove(database: Path, chance: random.Random) -> None:
    """It is gone, with or without its log."""
    database.unlink()
    if chance.randrange(2):
        Path(f"{database}-wal").unlink(missing_ok=True)


KINDS: tuple[Callable[[Path, random.Random], None], ...] = (
    flip,
    cut,
    zero,
    noise,
    header,
    swap,
    remove,
    lose_log,
)


def damage(database: Path, seed: int) -> str:
    """Do one of them, by the seed; gives its name. With a log beside the database either may be hit."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if kind is not lose_log or Path(f"{database}-wal").exists()]
    kind = kinds[seed % len(kinds)]
    kind(database, chance)
    return kind.__name__


def _write(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def killed_copy(history: Path, root: Path) -> Path:
    """The workspace after a kill -9: its newest events are in the write-ahead log, and an answer lies there."""
    copy_of(history, root)
    studio = Studio(root, init_it=False)
    studio.start()
    studio.submit("late-1", "gated")
    studio.wait("late-1", "needs_approval")
    wait_for(lambda: "late-1" in (root / "jobs/state.jsonl").read_text(), "the ledger")
    studio.kill()
    studio.answer("wait-1", "approve")
    assert (root / "jobs/spork.db-wal").stat().st_size
    return root
