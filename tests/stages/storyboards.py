"""A storyboard by hand with every layout in it."""

from __future__ import annotations

from typing import Any

from stages.scenes import Scene, Storyboard, Word


def spoken(text: str, start: float = 0.2, step: float = 0.36) -> list[Word]:
    return [
        Word(text=word, start=start + i * step, end=start + i * step + step * 0.85)
        for i, word in enumerate(text.split())
    ]


def scene(index: int, content: dict[str, Any], narration: str, heading: str = "", **more: Any) -> Scene:
    words = spoken(narration) if more.get("seconds") is None else []
    seconds = more.pop("seconds", None) or (round(words[-1].end * 30 + 18) / 30 if words else 2.0)
    return Scene.model_validate(
        {
            "id": f"scene_{index:03d}",
            "heading": heading,
            "content": content,
            "narration": narration,
            "words": words,
            "seconds": seconds,
            **more,
        }
    )


CITIES = {"Berlin": 3.5, "Paris": 12, "Rome": -4, "Oslo": 7.25, "Vienna": 18, "Warsaw": 22, "Lisbon": 9}
CITED = [{"item": "f1", "source": "inotify.md", "line": 12}]
CONTENTS: list[tuple[dict[str, Any], str, str]] = [
    (
        {
            "layout": "title",
            "title": "How inotify works",
            "subtitle": "A bell that tells you to look",
        },
        "Every program that watches a folder faces one question: when it changes, who tells you?",
        "",
    ),
    (
        {
            "layout": "statement",
            "text": "A notification is a hint. The folder is the truth.",
            "emphasis": "The folder is the truth",
        },
        "Treat every notification as a hint. What is really there, only the folder itself can say.",
        "Why it matters",
    ),
    (
        {
            "layout": "statement",
            "text": "Of every burst larger than the queue, the rest is dropped without a word.",
            "emphasis": "without a word",
        },
        "The queue holds sixteen thousand events. Whatever comes after that is dropped.",
        "The limit",
    ),
    (
        {
            "layout": "list",
            "items": [
                "A file was created, moved or deleted",
                "A file was opened for writing and closed again",
                "The queue overflowed and events were lost",
                "The watched folder itself is gone",
            ],
        },
        "Four kinds of news: files that come and go, files written, a queue overflowed, a folder gone.",
        "What the kernel reports",
    ),
    (
        {
            "layout": "steps",
            "items": [
                "Open a descriptor",
                "Add a watch for each folder",
                "Read events in a loop",
                "Scan the folder again",
            ],
        },
        "Open a descriptor, add a watch for every folder, read events in a loop, scan the folder again.",
        "From folder to event",
    ),
    (
        {
            "layout": "comparison",
            "left_heading": "Polling",
            "left": ["Works on every file system", "Costs a scan each time", "Late by half an interval"],
            "right_heading": "inotify",
            "right": ["Local file systems only", "Costs nothing while idle", "Within a millisecond"],
        },
        "Polling works everywhere but comes late. Inotify is local and is there within a millisecond.",
        "Two ways to notice",
    ),
    (
        {
            "layout": "chart",
            "unit": "ms",
            "points": [
                {"label": "inotify", "value": 0.9},
                {"label": "Polling, 100 ms", "value": 52},
                {"label": "Polling, 1 s", "value": 507},
                {"label": "NFS mount", "value": 3000},
            ],
        },
        "Under a millisecond with inotify, fifty with fast polling, then five hundred, then three seconds.",
        "Median delay until noticed",
    ),
    (
        {
            "layout": "chart",
            "unit": "%",
            "points": [
                {"label": f"{name} {2010 + i}", "value": v} for i, (name, v) in enumerate(CITIES.items())
            ],
        },
        "Seven cities, seven numbers, and only one of them fell in all these years, while others grew.",
        "Growth by city and year, and one of them fell",
    ),
    (
        {
            "layout": "table",
            "columns": ["Limit", "Default", "What it bounds"],
            "rows": [
                ["max_user_watches", "65,536", "watches of one user"],
                ["max_user_instances", "128", "descriptors of one user"],
                ["max_queued_events", "16,384", "events that wait to be read"],
            ],
        },
        "Three limits matter: watches, instances, and queued events.",
        "Limits worth knowing",
    ),
    (
        {
            "layout": "code",
            "language": "python",
            "lines": [
                "import os",
                "",
                "def changed(folder: str) -> set[str]:",
                "    # the folder is the truth",
                "    return {entry.name for entry in os.scandir(folder)}",
                "",
                "watch = add_watch('inbox', mask=0x100)",
            ],
        },
        "The code is short: list the folder, compare it with what you knew, and only then act.",
        "Look again, in seven lines",
    ),
    (
        {
            "layout": "code",
            "language": "bash",
            "lines": [
                "$ cat /proc/sys/fs/inotify/max_user_watches",
                "65536",
                "$ sudo sysctl fs.inotify.max_user_watches=524288",
            ],
        },
        "Read the limit, and raise it when you must.",
        "Raise the limit",
    ),
    (
        {
            "layout": "quote",
            "text": "The inotify API provides no information about the user or process that triggered it.",
            "attribution": "inotify(7), Linux manual page",
        },
        "The manual is frank about it: there is no information about who caused an event.",
        "What it will not tell you",
    ),
    (
        {
            "layout": "recap",
            "items": [
                "Events are hints, look for yourself",
                "Watch the queue for overflow",
                "Rescan after every start",
            ],
        },
        "Remember: events are hints, queues overflow, and every start begins with a scan.",
        "To take away",
    ),
    (
        {
            "layout": "sources",
            "items": [
                "inotify.md",
                "Linux manual page inotify(7)",
                "Kernel documentation: filesystems/inotify.rst",
            ],
        },
        "All of this rests on the documents shown here.",
        "Sources",
    ),
    (
        {
            "layout": "statement",
            "text": "An event reaches the program 17 microseconds after the file was closed.",
            "emphasis": "17 microseconds",
        },
        "An event reaches the program seventeen microseconds after the file was closed.",
        "The delay",
    ),
    (
        {
            "layout": "timeline",
            "events": [
                {"when": "1889", "text": "Hollerith patents a machine that counts punched cards"},
                {"when": "1890", "text": "The census is counted in six weeks"},
                {"when": "1924", "text": "His company becomes IBM"},
                {"when": "1964", "text": "Cards feed the System/360"},
                {"when": "1984", "text": "The last card factories close"},
            ],
        },
        "In 1889 a patent, in 1890 a census in six weeks, in 1924 IBM, in 1964 mainframes, in 1984 the end.",
        "A century of punched cards",
    ),
    (
        {
            "layout": "timeline",
            "events": [
                {"when": "March 1805", "text": "Jacquard shows his loom in Lyon"},
                {"when": "1812", "text": "Eleven thousand looms run in France"},
                {
                    "when": "1836",
                    "text": "Babbage takes the cards for his engine, on which he writes for years",
                },
            ],
        },
        "In March 1805 Jacquard shows his loom, by 1812 there are eleven thousand, in 1836 Babbage follows.",
        "The loom",
    ),
]


def storyboard(
    *,
    width: int = 1920,
    height: int = 1080,
    fps: int = 30,
    only: list[int] | None = None,
    seconds: float | None = None,
) -> Storyboard:
    """All layouts, or those numbered ``only``; with ``seconds`` short silent scenes."""
    chosen = [CONTENTS[i] for i in only] if only is not None else CONTENTS
    scenes = [
        scene(
            index,
            content,
            narration,
            heading,
            citations=CITED if heading else [],
            seconds=seconds,
            reveals=_reveals(content) if seconds is None else [],
        )
        for index, (content, narration, heading) in enumerate(chosen)
    ]
    return Storyboard(title="How inotify works", width=width, height=height, fps=fps, scenes=scenes)


PARTS = {"list": 4, "steps": 4, "table": 3, "recap": 3, "sources": 3, "quote": 2, "statement": 1}


def _reveals(content: dict[str, Any]) -> list[float]:
    if content["layout"] == "comparison":
        return [0.6, 3.2]
    count = len(content.get("points", content.get("lines", content.get("events", ())))) or PARTS.get(
        content["layout"], 0
    )
    return [0.4 + (0.35 if "lines" in content else 0.7) * index for index in range(count)]
