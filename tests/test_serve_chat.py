"""Chat completions: the official client, our own, and what must not be asked."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import urllib3
from PIL import Image
from serving import Running, serving, until
from tiny import make_checkpoint

from smoldocling import Converter
from smoldocling.engine.ear import Ear
from smoldocling.engine.native import Native
from smoldocling.pages import tiles
from smoldocling.remote import Remote
from smoldocling.remote import Server as OpenAIServer
from smoldocling.serve.asked import Asked
from smoldocling.serve.chat import Speech
from smoldocling.serve.line import Full
from smoldocling.transcriber import Transcriber

SCRIPT = "<doctag><text><loc_10><loc_20><loc_300><loc_40>The quick brown fox naïve</text></doctag>"
PAGE = "Convert this page to docling."
LONG = "<doctag><text><loc_10><loc_20><loc_300><loc_40> over"


def noise(seed: int = 0) -> bytes:
    """A page image with something on it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def messages(instruction: str = PAGE, url: str | None = None) -> list[dict[str, Any]]:
    content = [
        {"type": "text", "text": instruction},
        {"type": "image_url", "image_url": {"url": url if url is not None else uri(noise())}},
    ]
    return [{"role": "user", "content": content}]


def converter(folder: Path, **options: Any) -> Converter:
    options = {"splits": 2, "device": "cpu", "dtype": "float32", **options}
    return Converter(model=str(folder), **options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("scripted") / "scripted", script=SCRIPT, single_locs=True)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that writes something else for every page."""
    return make_checkpoint(tmp_path_factory.mktemp("free") / "free", single_locs=True)


@pytest.fixture(scope="module")
def running(checkpoint: Path) -> Iterator[Running]:
    with serving(converter(checkpoint), str(checkpoint)) as found:
        yield found


@pytest.fixture
def client(running: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def name(client: openai.OpenAI) -> str:
    (model,) = client.models.list().data
    return model.id


def test_official_client_gets_the_page_as_doctags(client):
    """Tags are special tokens: a server that leaves them out gives text without a structure."""
    answer = client.chat.completions.create(model=name(client), messages=messages())
    assert answer.choices[0].message.content == SCRIPT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens > 10
    assert usage.prompt_tokens > 20


def test_stream_has_the_same_text_in_many_pieces(client):
    """Pieces come while the engine writes; characters of several bytes come whole."""
    stream = client.chat.completions.create(
        model=name(client), messages=messages(), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(filter(None, pieces)) == SCRIPT
    assert len(list(filter(None, pieces))) > 3
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[0].choices[0].delta.role == "assistant"
    whole = client.chat.completions.create(model=name(client), messages=messages())
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("stop", "kept"),
    [
        ("</doctag>", SCRIPT.removesuffix("</doctag>")),
        (["brown", "quick"], SCRIPT.partition("quick")[0]),
        ("oc_20><lo", SCRIPT.partition("oc_20><lo")[0]),
        ("nowhere", SCRIPT),
    ],
)
def test_stop_strings_end_the_answer_and_are_no_part_of_it(client, stop, kept, stream):
    """Docling and others send the family's closing tags; OpenAI leaves stops out, wherever tokens are cut."""
    answer = client.chat.completions.create(model=name(client), messages=messages(), stop=stop, stream=stream)
    if stream:
        chunks = list(answer)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == kept
        assert chunks[-1].choices[0].finish_reason == "stop"
    else:
        assert answer.choices[0].message.content == kept
        assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_limit_cuts_the_answer_and_says_so(client, limit):
    """ "length" is how Docling knows that a page is partial."""
    answer = client.chat.completions.create(model=name(client), messages=messages(), **{limit: 5})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5
    assert 0 < len(answer.choices[0].message.content) < len(SCRIPT)


def test_more_tokens_than_there_is_room_for_are_no_error(client):
    """Docling asks for 8192 where prompt and answer together may have as many."""
    answer = client.chat.completions.create(model=name(client), messages=messages(), max_tokens=1_000_000)
    assert answer.choices[0].message.content == SCRIPT


def test_blank_page_is_an_empty_page(client):
    """These models write text on blank pages, so they are not asked."""
    file = io.BytesIO()
    Image.new("RGB", (100, 150), "white").save(file, "PNG")
    answer = client.chat.completions.create(model=name(client), messages=messages(url=uri(file.getvalue())))
    assert answer.choices[0].message.content == "<doctag></doctag>"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"messages": messages(url="https://example.org/a.png")}, "nothing is fetched"),
        ({"messages": messages(url="file:///etc/passwd")}, "nothing is fetched"),
        ({"messages": messages(url="data:text/html;base64,AAAA")}, "nothing is fetched"),
        ({"messages": messages(url="data:image/png;base64,@@@@")}, "no base64"),
        ({"messages": messages(url=uri(b"%PDF-1.4 nonsense"))}, "no PNG, JPEG, WebP or TIFF"),
        ({"messages": messages(url=uri(b"\x89PNG\r\n\x1a\nnonsense"))}, "image"),
        ({"messages": messages("Tell me a joke.")}, "it knows: Convert this page to docling"),
        ({"messages": [{"role": "user", "content": "hello"}]}, "an image_url and a text"),
        ({"messages": [{"role": "system", "content": "be nice"}, *messages()]}, "one message is taken"),
        ({"messages": []}, "one message is taken"),
        ({"n": 2}, "n 2 is not done here"),
        ({"logprobs": True}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens 0"),
        ({"response_format": {"type": "json_object"}}, "DocTags"),
        ({"extra_body": {"skip_special_tokens": True}}, "skip_special_tokens"),
        ({"stop": ["x"] * 17}, "16 texts"),
    ],
)
def test_what_cannot_be_asked_is_an_error_in_openais_shape(client, options, says):
    """A client's library finds the reason where it looks for it; and nothing that a client names is fetched."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": name(client), "messages": messages(), **options})
    assert says in caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"


def test_other_names_of_the_model_are_understood_and_strangers_are_not(client, running, checkpoint):
    """Clients are configured with what the server was started with."""
    for known in (str(checkpoint), "scripted", name(client)):
        assert client.chat.completions.create(model=known, messages=messages()).choices[0].finish_reason == "stop"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-5", messages=messages())
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")
    assert client.models.retrieve("scripted").owned_by == "smoldocling"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b'{"model": 3}', b"\xff\xfe"])
def test_body_that_is_no_request_is_answered(running, body):
    """Anything may be sent to a port."""
    reply = running.client.ask("POST", "/v1/chat/completions", body=body)
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_request_error"


def test_every_client_gets_its_own_answer(free):
    """Pages of many clients are in one batch. The answers are those that each page gets when it is alone."""
    with serving(converter(free, batch_size=4), str(free), queue=100) as running:
        (model,) = running.client.get("/v1/models").json["data"]

        def ask(image: bytes) -> str:
            body = {"model": model["id"], "messages": messages(url=uri(image)), "max_tokens": 24}
            reply = running.client.ask("POST", "/v1/chat/completions", body=json.dumps(body))
            assert reply.status == 200, reply.body
            return str(reply.json["choices"][0]["message"]["content"])

        # one page for each answer, as random weights give the same to some
        pages = {ask(image): image for image in map(noise, range(16))}
        assert len(pages) >= 4, "pages are told apart"
        wanted = list(pages) * 6
        with ThreadPoolExecutor(12) as pool:
            together = list(pool.map(ask, [pages[answer] for answer in wanted]))
    assert together == wanted


def test_completions_and_documents_share_one_engine(free):
    """One model in memory, one batch: a document's pages and page images are answered beside each other."""
    made = converter(free, batch_size=4, max_new_tokens=40)
    file = io.BytesIO()
    sheets = [Image.open(io.BytesIO(noise(seed))) for seed in range(4)]
    sheets[0].save(file, "TIFF", save_all=True, append_images=sheets[1:])
    with serving(made, str(free)) as running:
        engine = made.reader.engine
        runs: list[int] = []
        held: list[int] = []
        before = engine.run

        def counted(requests):
            runs.append(1)
            for answer in before(requests):
                held.append(answer.key)
                yield answer

        engine.run = counted
        with ThreadPoolExecutor(2) as pool:
            document = pool.submit(running.client.convert, file.getvalue(), "a.tiff", to="doctags")
            body = {"model": "free", "messages": messages(url=uri(noise(9))), "max_tokens": 30}
            page = pool.submit(running.client.ask, "POST", "/v1/chat/completions", body=json.dumps(body))
            assert (document.result().status, page.result().status) == (200, 200)
    assert sorted(held) == list(range(5))
    assert len(set(held)) == 5


def test_our_own_client_reads_documents_through_it(running, samples):
    """`convert --server` against `serve`."""
    model = Remote(OpenAIServer(running.url, None), 2)
    made = Converter(server=running.url, splits=2, pages="1")
    assert made.checkpoint == model.checkpoint
    result = made.convert(samples / "report.pdf")
    assert "The quick brown fox naïve" in result.pages[0].raw


@pytest.mark.parametrize("engine", ["native", "transformers"])
def test_other_tasks_are_answered_outside_of_the_law_of_pages(tmp_path, engine):
    """A table alone begins with <otsl>, which no page does."""
    folder = make_checkpoint(tmp_path / "table", script="<otsl><fcel>Year<lcel><nl></otsl>")
    with serving(converter(folder, engine=engine), "table") as running:
        client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
        for instruction in ("Convert table to OTSL.", " Convert table\nto OTSL. "):
            answer = client.chat.completions.create(model="table", messages=messages(instruction))
            assert answer.choices[0].message.content == "<otsl><fcel>Year<lcel><nl></otsl>"
        page = client.chat.completions.create(model="table", messages=messages(), max_tokens=60)
        assert page.choices[0].message.content.startswith("<doctag>")
        client.close()


def test_tasks_need_their_tags(tmp_path):
    """A checkpoint without tags was taught pages only, if anything."""
    folder = make_checkpoint(tmp_path / "untagged", tags=False)
    with serving(converter(folder), "untagged") as running:
        body = {"model": "untagged", "messages": messages("Convert code to text.")}
        reply = running.client.ask("POST", "/v1/chat/completions", body=json.dumps(body))
    assert reply.status == 400
    assert reply.error.endswith("it knows: Convert this page to docling.")


def test_client_that_hangs_up_frees_the_engine(tmp_path):
    """A page of 8000 ids would keep a slot for minutes, for nobody. Streamed or not."""
    folder = make_checkpoint(tmp_path / "endless", script=LONG, loop=" over", single_locs=True)
    made = converter(folder)
    with serving(made, "endless") as running:
        made.reader.engine.known.clear()
        # nothing stops it but a client that leaves: its loop is not noticed
        made.reader.engine.watcher = None
        for stream in (True, False):
            body = json.dumps({"model": "endless", "messages": messages(), "stream": stream, "max_tokens": 4000})
            reply = urllib3.PoolManager(retries=False)
            url = f"{running.url}/v1/chat/completions"
            if stream:
                answer = reply.request("POST", url, body=body, preload_content=False)
                next(answer.stream(64))
                answer.close()
            else:
                with pytest.raises(urllib3.exceptions.TimeoutError):
                    reply.request("POST", url, body=body, timeout=0.6)
            until(lambda: not running.served.line.inside, "the place is free again")
        answer = running.client.ask(
            "POST",
            "/v1/chat/completions",
            body=json.dumps({"model": "endless", "messages": messages(), "max_tokens": 3}),
        )
        assert answer.json["usage"]["completion_tokens"] == 3
        assert 'finish="cancelled"} 2' in running.client.get("/metrics").text


def test_page_that_runs_away_is_cut_back(tmp_path):
    """Three copies of an element are two too many, and the client hears that the page is not whole."""
    folder = make_checkpoint(tmp_path / "loop", script=LONG, loop=" over", single_locs=True)
    with serving(converter(folder), "loop") as running:
        body = {"model": "loop", "messages": messages()}
        reply = running.client.ask("POST", "/v1/chat/completions", body=json.dumps(body)).json
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["choices"][0]["message"]["content"].count(" over") < 3
    assert reply["usage"]["completion_tokens"] > 40


def test_answer_that_takes_too_long_is_given_up(tmp_path):
    """Whoever waits is told; and the engine is free for others."""
    folder = make_checkpoint(tmp_path / "slow", script=LONG, loop=" over", single_locs=True)
    made = converter(folder)
    with serving(made, "slow", request_seconds=0.5) as running:
        made.reader.engine.watcher = None
        for stream in (False, True):
            body = {"model": "slow", "messages": messages(), "max_tokens": 6000, "stream": stream}
            reply = running.client.ask("POST", "/v1/chat/completions", body=json.dumps(body))
            assert reply.status == (200 if stream else 504)
            assert "took longer than 0.5 s" in reply.text
        until(lambda: not running.served.line.inside, "the place is free again")


def test_full_queue_is_429_with_a_time(free):
    """Openai's client, ours and Docling's users' proxies wait as long as they are told."""
    made = converter(free)
    with serving(made, "free", queue=0) as running:
        places = []
        with contextlib.suppress(Full):
            while True:
                places.append(running.served.line.enter())
        body = json.dumps({"model": "free", "messages": messages()})
        reply = running.client.ask("POST", "/v1/chat/completions", body=body)
        assert reply.status == 429
        assert int(reply.headers["Retry-After"]) >= 1
        assert reply.json["error"]["type"] == "rate_limit_error"
        for place in places:
            place.leave()
        body = json.dumps({"model": "free", "messages": messages(), "max_tokens": 3})
        assert running.client.ask("POST", "/v1/chat/completions", body=body).status == 200


def test_textlayer_has_no_model_to_ask():
    """It says what can be asked instead."""
    with serving(Converter(engine="textlayer")) as running:
        assert running.client.get("/v1/models").json == {"object": "list", "data": []}
        body = json.dumps({"model": "smoldocling", "messages": messages()})
        reply = running.client.ask("POST", "/v1/chat/completions", body=body)
        assert reply.status == 404
        assert "/v1/convert" in reply.error


@pytest.mark.parametrize(
    "text", ["naïve café 東京 日本語 😀 Москва", "<doctag><text>a</text></doctag>", "\ufffd\ufffd\ufffd!"]
)
@pytest.mark.parametrize("stops", [(), ("東京",), ("xyz", "doc")])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pieces_are_the_text_wherever_ids_are_cut(checkpoint, text, stops, size):
    """Ids of single bytes are no characters, and a stop may begin in one piece and end in another."""
    model = converter(checkpoint).reader
    ids = model.vocab.plain(text)
    speech = Speech(model, stops)
    said = [speech.add(ids[start : start + size]) for start in range(0, len(ids), size)]
    said.append(speech.end(ids))
    ends = [text.find(stop) for stop in stops if stop in text]
    assert "".join(said) == text[: min(ends, default=len(text))]


def test_who_listens_hears_every_id_once_when_memory_runs_out(free):
    """The engine begins pages anew in fewer slots; a stream must not begin anew."""
    model = converter(free, batch_size=4).reader
    assert isinstance(model, Transcriber)
    assert isinstance(model.engine, Native)
    engine = model.engine
    heard: dict[int, list[int]] = {key: [] for key in range(4)}
    requests = []
    for key in range(4):
        asked = Asked(model, PAGE, 30, Ear(heard[key].extend))
        image = Image.open(io.BytesIO(noise(key)))
        cut = tiles.split(image, splits=2, tile_px=model.vocab.checkpoint.tile_px)
        requests.append(asked.request(key, cut, None))
    step, calls = engine.network.step, []

    def full(ids, spans, *others):
        calls.append(len(spans))
        if len(calls) in (12, 30) and len(spans) > 1:
            raise MemoryError
        return step(ids, spans, *others)

    engine.network.step = full
    try:
        answers = {answer.key: answer for answer in engine.run(requests)}
    finally:
        del engine.network.step
    assert len(calls) > 30
    for key, answer in answers.items():
        assert answer.finish in ("stop", "length"), answer.error
        assert tuple(heard[key]) == answer.ids


def test_time_to_the_first_piece_is_not_that_of_the_whole(free):
    """Who streams wants to see something."""
    with serving(converter(free), "free") as running:
        body = json.dumps({"model": "free", "messages": messages(), "stream": True, "max_tokens": 300})
        reply = running.client.pool.request(
            "POST", f"{running.url}/v1/chat/completions", body=body, preload_content=False
        )
        times = [time.monotonic() for _ in reply.stream(1)]
        reply.close()
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert len(times) > 5
