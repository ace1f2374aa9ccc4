"""Run directories for the story stages, and a PDF of a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages import outline, research, script, storyboard
from stages.alone import publish
from stages.contract import Context

EXAMPLE = Path(__file__).parents[2] / "examples" / "inotify.md"
STAGES = {"outline": outline, "research": research, "script": script, "storyboard": storyboard}


class Run:
    """One job's run directory, in which single stages are run."""

    def __init__(self, folder: Path, intent: str = "Explain it", minutes: float = 1.0) -> None:
        self.path = folder / "run"
        self.sources = self.path / "sources"
        self.sources.mkdir(parents=True)
        self.intent = intent
        self.params: dict[str, Any] = {"minutes": minutes}

    def source(self, name: str, text: str | bytes) -> Path:
        path = self.sources / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def stage(self, name: str, feedback: str = "", redo: Mapping[str, str] | None = None) -> str:
        """Run a stage, publish what it made, and give the text of its artifact."""
        context = self.context(name, feedback, redo)
        context.out_dir.mkdir(parents=True, exist_ok=True)
        STAGES[name].run(context)
        made = publish(context.out_dir, self.path)
        return made[0].read_text(encoding="utf-8")

    def context(self, name: str, feedback: str = "", redo: Mapping[str, str] | None = None) -> Context:
        """What a stage would see."""
        return Context(
            run_dir=self.path,
            out_dir=self.path / ".work" / name,
            job_id="story",
            stage=name,
            attempt=1,
            intent=self.intent,
            params=self.params,
            feedback=feedback,
            redo=redo or {},
            sources=self.sources,
        )

    def text(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")


def tiny_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF whose pages hold these lines in Helvetica; those that begin with "# " are set larger."""
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for lines in pages:
        sized = [
            f"/F1 {18 if line[:2] == '# ' else 12} Tf ({line.removeprefix('# ')}) Tj T*" for line in lines
        ]
        text = "BT 72 760 Td 16 TL " + " ".join(sized) + " ET"
        number = len(bodies) + 1
        kids.append(f"{number} 0 R")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number + 1} 0 R "
            f"/Resources << /Font << /F1 {font} >> >> >>"
        )
        bodies += [page.encode(), f"<< /Length {len(text)} >>\nstream\n{text}\nendstream".encode()]
    bodies[1] = f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(kids)}] >>".encode()
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(out)
    size = len(bodies) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
