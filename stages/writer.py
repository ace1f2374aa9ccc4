"""A language model behind an OpenAI-compatible server (Ollama, vLLM, llama.cpp): asked, checked, asked again.

What it answers is material to judge. Nothing of it is used before ``accept`` has taken it, and where no
answer can be taken the caller writes by extraction instead and says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stages.contract import StageError

TRIES = 3
TEMPERATURE = 0.2
SHOWN = 300
"""Characters of a server's complaint that a note repeats."""

Answer = TypeVar("Answer", bound=BaseModel)
Taken = TypeVar("Taken")


class BadAnswerError(Exception):
    """What is wrong with an answer, in words that the model is told."""


class NoAnswerError(Exception):
    """Why no answer could be taken, in words for the person at the gate."""


@dataclass
class Writer:
    """One model of one server."""

    base_url: str
    model: str
    key: str = field(repr=False)
    seconds: float = 120.0
    shapes: list[str] = field(default_factory=lambda: ["json_schema", "json_object", "text"])
    """How a JSON answer is asked for; a server that knows no better way falls back to the next."""

    def ask(
        self,
        system: str,
        question: str,
        form: type[Answer],
        accept: Callable[[Answer, bool], Taken],
    ) -> Taken:
        """The first answer that fits ``form`` and is accepted.

        ``accept`` gets the answer and whether it is the last try; it raises BadAnswerError with what is wrong,
        which the model is told. Raises NoAnswerError after the last try.
        """
        wrong = ""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        for number in range(1, TRIES + 1):
            text = ""
            try:
                text = self._complete(messages, form)
                return accept(_parsed(text, form), number == TRIES)
            except BadAnswerError as error:
                wrong = str(error)
                messages = messages[:2]
                if text:
                    told = f"That answer cannot be used: {wrong}\nGive the whole answer again, corrected."
                    messages += [{"role": "assistant", "content": text}, {"role": "user", "content": told}]
        raise NoAnswerError(f"{self.model} gave no usable answer in {TRIES} tries: {wrong[:SHOWN]}")

    def _complete(self, messages: list[dict[str, str]], form: type[BaseModel]) -> str:
        """The text of one answer. Raises BadAnswerError for a refusal, an error of the server and silence."""
        import openai

        try:
            return _said(self._asked(messages, form))
        except openai.APITimeoutError:
            raise BadAnswerError(f"no answer within {self.seconds:g} seconds") from None
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise NoAnswerError(f"{self.base_url} answered: {_short(error)}") from None
        except openai.APIConnectionError as error:
            raise BadAnswerError(f"{self.base_url} cannot be reached: {_short(error)}") from None
        except openai.OpenAIError as error:
            raise BadAnswerError(f"the server failed: {_short(error)}") from None
        except ValueError as error:
            raise BadAnswerError(f"the server's answer is not of the protocol: {_short(error)}") from None

    def _asked(self, messages: list[dict[str, str]], form: type[BaseModel]) -> Any:
        """One answer; a server that knows no way of asking for JSON is asked in the next one."""
        import openai

        with openai.OpenAI(
            base_url=self.base_url, api_key=self.key, timeout=self.seconds, max_retries=0
        ) as client:
            create: Any = client.chat.completions.create
            while len(self.shapes) > 1:
                try:
                    return create(model=self.model, messages=messages, **_shaped(self.shapes[0], form))
                except openai.BadRequestError:
                    self.shapes.pop(0)
            return create(model=self.model, messages=messages, **_shaped(self.shapes[0], form))


def writer_of(params: Mapping[str, Any]) -> Writer | None:
    """The model that the policy names as the writer; None for extraction.

    Raises StageError if it names too little, or a key that this stage does not have.
    """
    if params.get("writer", "extractive") != "openai":
        return None
    place = "pipeline.params.video in conf/operator.yaml"
    missing = [name for name in ("base_url", "model") if not params.get(name)]
    if missing:
        raise StageError(
            f"writer: openai needs {' and '.join(missing)}", f"set {' and '.join(missing)} under {place}"
        )
    variable = str(params.get("api_key_env") or "")
    if variable and not os.environ.get(variable):
        raise StageError(
            f"the key of the writer is expected in the variable {variable}, which this stage does not have",
            f"add {variable} to stages: {{env: [...]}} in conf/operator.yaml and to the daemon's environment",
        )
    _need_client()
    # A local server asks for no key, but the client insists on some text.
    key = os.environ[variable] if variable else "none"
    return Writer(
        str(params["base_url"]), str(params["model"]), key, float(params.get("writer_seconds") or 120)
    )


def _need_client() -> None:
    try:
        import openai  # noqa: F401
    except ModuleNotFoundError:
        raise StageError("writer: openai needs the package openai", 'pip install ".[llm]"') from None


def _shaped(shape: str, form: type[BaseModel]) -> dict[str, Any]:
    """The arguments that ask for JSON of a form, in one of the ways that servers know."""
    if shape == "text":
        return {}
    asked: dict[str, Any] = {"type": shape}
    if shape == "json_schema":
        schema = _strict(form.model_json_schema())
        asked["json_schema"] = {"name": form.__name__, "schema": schema, "strict": True}
    return {"response_format": asked, "temperature": TEMPERATURE}


def _strict(schema: Any) -> Any:
    """The schema as strict servers want it: every field required, no others, no defaults."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _strict(value) for key, value in schema.items() if key != "default"}
    if kept.get("type") == "object":
        kept |= {"additionalProperties": False, "required": list(kept.get("properties", {}))}
    return kept


def _said(made: Any) -> str:
    choices = getattr(made, "choices", None)
    if not choices:
        raise BadAnswerError("the server's answer is empty")
    message, why = choices[0].message, choices[0].finish_reason
    if getattr(message, "refusal", None):
        raise BadAnswerError(f"the model refused: {' '.join(str(message.refusal).split())[:SHOWN]}")
    if why == "content_filter":
        raise BadAnswerError("the server's filter withheld the answer")
    if why == "length":
        raise BadAnswerError("the answer was cut off: it is too long")
    if not (message.content or "").strip():
        raise BadAnswerError("the server's answer is empty")
    return str(message.content)


def _parsed(text: str, form: type[Answer]) -> Answer:
    """The answer as its form. Raises BadAnswerError saying which field is wrong."""
    bare = re.sub(r"\A.*</think>|\A\s*```(?:json)?|```\s*\Z", "", text, flags=re.S).strip()
    try:
        return form.model_validate(json.loads(bare))
    except json.JSONDecodeError as error:
        raise BadAnswerError(f"it is not JSON: {error.msg} at character {error.pos}: {bare[:80]!r}") from None
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise BadAnswerError("it is nested too deep") from None
        first = error.errors()[0]
        raise BadAnswerError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:SHOWN]
