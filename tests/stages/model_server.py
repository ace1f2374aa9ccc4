"""A small server that speaks the protocol of a language model, and answers as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Question = dict[str, Any]
Answer = str | int | float | dict[str, Any]
"""The text of an answer; a status of HTTP; seconds of silence; or a message with other fields."""


class Model:
    """What it was asked, and how it answers: ``answers`` in turn, the last one for ever."""

    def __init__(self, *answers: Answer | Callable[[Question], Answer]) -> None:
        self.answers = list(answers)
        self.asked: list[Question] = []
        self.keys: list[str] = []
        self.url = ""

    def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(question) if callable(answer) else answer

    @property
    def prompts(self) -> list[str]:
        """The last message of each question."""
        return [question["messages"][-1]["content"] for question in self.asked]


def listed(question: Question) -> list[dict[str, Any]]:
    """The sections or research items that a question holds."""
    text = question["messages"][1]["content"]
    inside = text.split("<sources>\n", 1)[1].split("\n</sources>", 1)[0]
    return [json.loads(line) for line in inside.split("\n")]


@contextmanager
def serving(model: Model) -> Iterator[Model]:
    """The model on a port of its own, ``model.url`` as its base."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            model.keys.append(self.headers["Authorization"])
            answer = model.answer(json.loads(body))
            if isinstance(answer, float):
                time.sleep(answer)
            status = answer if isinstance(answer, int) else 200
            message = answer if isinstance(answer, dict) else {"role": "assistant", "content": str(answer)}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            made = {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": "small",
                "choices": [choice],
            }
            said = json.dumps(made if status == 200 else {"error": {"message": "not like this"}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            try:
                self.wfile.write(said)
            except BrokenPipeError:
                pass  # the client did not wait

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
