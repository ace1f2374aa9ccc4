"""Look at a video on one page: ``python -m stages.contact RUN -o sheet.png``.

RUN is a run directory or a ``storyboard.json``, whose scenes are drawn for it, or a video, whose frames are
decoded. Each scene is shown at some instants, by default one; drawn scenes can be seen in another theme and
format than the run's own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages import theme as themes
from stages.contact_sheet import Seen, write_sheet
from stages.contract import StageError
from stages.formats import FORMATS
from stages.theme import Theme


def main(arguments: list[str] | None = None) -> int:
    """Write the sheet; 0, or 1 after saying why it cannot be made."""
    options = _parser().parse_args(arguments)
    try:
        theme = themes.load(options.theme) if options.theme else _own_theme(options.path)
        seen = list(
            _decoded(options.path, options.frames)
            if options.path.suffix in (".mp4", ".mkv", ".webm")
            else _drawn(options, theme)
        )
        write_sheet(seen, theme, options.output, options.across, options.width)
    except StageError as error:
        print(f"contact: {error}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
        return 1
    print(options.output)
    return 0


def _own_theme(path: Path) -> Theme:
    """The theme that the request of a run asks for, by its state.json; for anything else the default."""
    run_dir = path if path.is_dir() else path.parent
    try:
        params = json.loads((run_dir / "state.json").read_bytes())["params"]
    except (OSError, ValueError, KeyError, TypeError):
        return themes.load()
    return themes.asked(params if isinstance(params, dict) else {}, run_dir / "sources")


def _drawn(options: argparse.Namespace, theme: Theme) -> Iterator[Seen]:
    """The scenes of a storyboard at their instants, captions and all."""
    from stages import storyboard_file
    from stages.shot import order, prepare

    run_dir = options.path.parent if options.path.name == storyboard_file.NAME else options.path
    board = storyboard_file.load(run_dir)
    if options.format:
        width, height = FORMATS[options.format]
        board = board.model_copy(update={"width": width, "height": height})
    for index, scene in enumerate(board.scenes):
        if options.scenes and index not in options.scenes:
            continue
        wanted = order(board, index, theme, options.variant, captions=not options.no_captions)
        canvas = prepare(wanted).canvas()
        for seconds in _instants(scene.seconds, options.frames):
            canvas.show(seconds)
            facts = f"{scene.content.layout}  ·  {seconds:.1f} of {scene.seconds:.1f} s"
            yield Seen(canvas.surface.makeImageSnapshot(), scene.id, facts)


def _instants(seconds: float, count: int) -> list[float]:
    """Spread over a scene; a single one stands where everything has come and nothing leaves."""
    if count == 1:
        return [max(seconds - 0.7, seconds * 0.6)]
    return [seconds * (number + 0.5) / count for number in range(count)]


def _decoded(path: Path, per_chapter: int) -> Iterator[Seen]:
    """Frames of a video: ``per_chapter`` of each chapter, or of each ten seconds where there is none."""
    import av
    import skia

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        length = float(container.duration or 0) / 1_000_000
        chapters = [_span(chapter) for chapter in container.chapters()] or [
            (float(begin), min(begin + 10.0, length), "") for begin in range(0, int(length) + 1, 10)
        ]
        wanted = [
            (start + seconds, title)
            for start, end, title in chapters
            for seconds in _instants(end - start, per_chapter)
        ]
        for frame in container.decode(stream):
            while wanted and (frame.time or 0.0) >= wanted[0][0]:
                seconds, title = wanted.pop(0)
                pixels = frame.to_ndarray(format="rgba")
                image = skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)
                yield Seen(image, title or path.name, f"{int(seconds // 60)}:{seconds % 60:04.1f}")
            if not wanted:
                break


def _span(chapter: Any) -> tuple[float, float, str]:
    start, end = (float(chapter[name] * chapter["time_base"]) for name in ("start", "end"))
    return start, end, chapter["metadata"].get("title", "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stages.contact", description="All scenes of a video on one picture."
    )
    parser.add_argument("path", type=Path, help="a run directory, a storyboard.json or a video")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--theme", default="", help="the look of drawn scenes (default: the run's own)")
    parser.add_argument("--format", choices=FORMATS, help="draw the scenes in this format")
    parser.add_argument(
        "--frames", type=int, default=1, help="pictures of each scene or chapter (default: 1)"
    )
    parser.add_argument("--scenes", type=int, nargs="*", help="only the scenes of these numbers")
    parser.add_argument("--variant", type=int, default=0, help="another arrangement of each scene")
    parser.add_argument("--no-captions", action="store_true", help="draw the scenes without captions")
    parser.add_argument(
        "--across", type=int, default=0, help="pictures in a row (default: 3, upright ones 6)"
    )
    parser.add_argument(
        "--width", type=int, default=1920, help="width of the sheet in pixels (default: 1920)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
