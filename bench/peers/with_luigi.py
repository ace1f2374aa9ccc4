"""Luigi: nine tasks that require each other, built in this process with one worker and the local scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import luigi

from bench.peers.stand import STAGES, mark, stand


class Stage(luigi.Task):
    """One stage of one job; done once its file is there."""

    root = luigi.Parameter()
    name = luigi.Parameter()
    number = luigi.IntParameter()

    def requires(self) -> list[Any]:
        return [Stage(self.root, self.name, self.number - 1)] if self.number > 1 else []

    def output(self) -> Any:
        return luigi.LocalTarget(f"{self.root}/runs/{self.name}/s{self.number}.txt")

    def run(self) -> None:
        mark(self.root, self.name, self.number)


class Luigi:
    """Nothing runs between two jobs: whoever wants one builds it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def job(self, name: str) -> None:
        done = luigi.build(
            [Stage(str(self.root), name, STAGES)], workers=1, local_scheduler=True, log_level="WARNING"
        )
        assert done

    def stop(self) -> None:
        return


if __name__ == "__main__":
    stand(Luigi)
