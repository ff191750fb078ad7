"""A chat completion's body, read: one page image, one instruction, limits.

Knows: JSON as OpenAI's clients send it, data URIs. Does not know: engines, answers.
Law: no address that a client names is ever asked for anything.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from smoldocling.pages.documents import IMAGE_MARKS

DATA = re.compile(r"data:image/(?:png|jpeg|jpg|webp|tiff);base64,", re.IGNORECASE)
MOST_STOPS, MOST_STOP_CHARACTERS = 16, 256
# A question has some dozens of values; a list of millions of numbers takes a second and a gigabyte to be read.
MOST_SIGNS = 10_000


class Unclear(Exception):
    """A body that cannot be answered. `param`: which part of it."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Question:
    """What a client wants to know.

    most   ids of the answer; None: as many as there is room for
    usage  tell the counts at the end of a stream
    """

    model: str
    instruction: str
    image: bytes = field(repr=False)
    most: int | None
    stops: tuple[str, ...]
    stream: bool
    usage: bool


# What would change the answer, and what it may be: anything else is not done here.
PLAIN: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "tools": (None, []),
    "functions": (None, []),
    "audio": (None,),
    "logit_bias": (None, {}),
    "skip_special_tokens": (None, False),
    "echo": (None, False),
}


def read(body: bytes) -> Question:
    """Raises Unclear."""
    if sum(map(body.count, (b",", b"[", b"{", b":"))) > MOST_SIGNS:
        raise Unclear("the body has far more in it than a question")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unclear("the body is no JSON") from error
    if not isinstance(given, dict):
        raise Unclear("the body is no JSON object")
    for name, allowed in PLAIN.items():
        if given.get(name) not in allowed:
            raise Unclear(f"{name} {_short(given[name])} is not done here", name, "unsupported_value")
    form = given.get("response_format")
    if form is not None and form != {"type": "text"}:
        raise Unclear("the answer is text: DocTags", "response_format", "unsupported_value")
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise Unclear("the name of a model is needed", "model")
    instruction, image = _message(given.get("messages"))
    options = given.get("stream_options")
    return Question(
        model,
        instruction,
        image,
        _most(given),
        _stops(given.get("stop")),
        _flag(given, "stream"),
        isinstance(options, dict) and options.get("include_usage") is True,
    )


def _message(messages: Any) -> tuple[str, bytes]:
    if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], dict):
        raise Unclear("one message is taken, with a page image and an instruction", "messages")
    message = messages[0]
    if message.get("role") != "user":
        raise Unclear(f"role {_short(message.get('role'))}: a message of the user is taken", "messages")
    parts = message.get("content")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Unclear("content: a list is taken, an image_url and a text in it", "messages")
    texts = [part.get("text") for part in parts if part.get("type") in ("text", "input_text")]
    images = [part.get("image_url") for part in parts if part.get("type") == "image_url"]
    if len(images) != 1 or len(texts) != 1 or len(parts) != 2 or not isinstance(texts[0], str):
        raise Unclear("content: one image_url and one text are taken", "messages")
    return texts[0], _image(images[0])


def _image(given: Any) -> bytes:
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str):
        raise Unclear("image_url: an object with a url is taken", "messages")
    head = DATA.match(url)
    if head is None:
        raise Unclear(
            f"image_url {_short(url)}: nothing is fetched; PNG, JPEG, WebP or TIFF as data:image/...;base64, is taken",
            "messages",
        )
    try:
        image = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unclear("image_url: what follows base64, is no base64", "messages") from error
    if not image.startswith(IMAGE_MARKS):
        raise Unclear("image_url: that is no PNG, JPEG, WebP or TIFF", "messages")
    return image


def _most(given: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = given.get(name)
        if value is None:
            continue
        if type(value) is not int or value < 1:
            raise Unclear(f"{name} {_short(value)}: a whole number from 1 on is taken", name)
        return value
    return None


def _stops(given: Any) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise Unclear("stop: a text or a list of texts is taken", "stop")
    if len(stops) > MOST_STOPS or any(len(stop) > MOST_STOP_CHARACTERS for stop in stops):
        raise Unclear(f"stop: {MOST_STOPS} texts of {MOST_STOP_CHARACTERS} characters are the limit", "stop")
    return tuple(stop for stop in stops if stop)


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given.get(name)
    if value not in (None, True, False):
        raise Unclear(f"{name} {_short(value)}: true or false is taken", name)
    return value is True


def _short(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= 60 else text[:57] + "..."
