"""The frame a request asks for, and the page of all scenes that a person looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.contract import StageError
from stages.formats import size_asked
from tests.stages.storyboards import storyboard


def test_a_request_chooses_the_frame() -> None:
    """Wide unless another is asked for; what is no format is named with those that are."""
    assert size_asked({}) == (1920, 1080)
    assert size_asked({"format": "vertical"}) == (1080, 1920)
    assert size_asked({"format": "square"}) == (1080, 1080)
    with pytest.raises(StageError, match="'round' is not a format") as fault:
        size_asked({"format": "round"})
    assert "wide, vertical, square" in fault.value.hint


@pytest.mark.video
def test_the_contact_tool_draws_any_storyboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two scenes at three instants in another format and theme: two rows of three; a missing run is told."""
    import skia

    from stages.contact import main

    board = storyboard(only=[0, 3])
    (tmp_path / "storyboard.json").write_text(board.model_dump_json(by_alias=True), encoding="utf-8")
    sheet = tmp_path / "sheet.png"
    wanted = ["-o", str(sheet), "--format", "vertical", "--theme", "paper", "--frames", "3", "--across", "3"]
    assert main([str(tmp_path), *wanted, "--width", "400"]) == 0
    image = skia.Image.open(str(sheet))
    assert image.width() == 400
    assert 2 * 185 < image.height() < 2 * 300
    assert main([str(tmp_path / "nowhere"), "-o", str(sheet)]) == 1
    assert "storyboard.json is missing" in capsys.readouterr().err
