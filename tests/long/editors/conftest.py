"""One live daemon for all saves, with the waits of a workspace as it comes; the count at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.saves import Shop, Tally
from tests.studio import Studio

POLICY = "pipeline: {default: note}\nmin_free_mib: 1\n"
NAMES = ("operations", "decisions", "waits", "early")


@pytest.fixture(scope="session")
def _open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(Studio(tmp_path_factory.mktemp("shop") / "studio", POLICY))
    shop.open()
    yield shop
    shop.studio.close()


@pytest.fixture
def shop(_open_shop: Shop, record_property: Any) -> Iterator[Shop]:
    """The shop, with a tally of this test's own."""
    _open_shop.tally = Tally()
    yield _open_shop
    _open_shop.tally.tell(record_property)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The one line that counts: every save, what it came to, and what was read before it was whole."""
    totals: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                totals.update({k: v for k, v in report.user_properties if k in NAMES})
    terminalreporter.write_line(
        f"editors: {totals['operations']} saves, {totals['decisions']} became the decision or job that was meant, "
        f"the others were cut off; {totals['waits']} looks in between found it waiting, {totals['early']} early reads"
    )
