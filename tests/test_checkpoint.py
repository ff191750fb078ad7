"""A model's name leads to a usable checkpoint, or to one line that says what is wrong and what to do."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_checkpoint
from transformers import AutoModelForImageTextToText, AutoProcessor

from smoldocling import checkpoint, hub
from smoldocling.errors import NoCheckpoint, UnusableCheckpoint

HUB_ID = "docling-project/SmolDocling-256M-preview"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("made"), splits=3)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache of our own."""
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into(cache: Path, made: Path, hub_id: str, revision: str, *, branch: str | None = None) -> Path:
    """Lay a checkpoint into a cache as huggingface_hub does."""
    home = cache / f"models--{hub_id.replace('/', '--')}"
    shutil.copytree(made, home / "snapshots" / revision)
    if branch:
        (home / "refs").mkdir()
        (home / "refs" / branch).write_text(revision)
    return home / "snapshots" / revision


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_says_what_the_rest_needs_to_know(made: Path) -> None:
    """Nothing about the model is an option that the user must know."""
    found = checkpoint.find(str(made))
    assert (found.folder, found.name, found.revision) == (made, str(made), None)
    assert (found.tile_px, found.patch_px, found.scale_factor, found.image_seq_len) == (64, 16, 4, 1)
    assert (found.splits, found.context_length) == (3, 8192)
    assert (found.mean, found.std) == ((0.5,) * 3, (0.5,) * 3)
    assert found.end_ids == (found.config["text_config"]["eos_token_id"],)
    assert found.special_tokens["bos_token"] == "<|im_start|>"
    assert "Assistant:" in found.chat_template
    assert not found.tied_head


def test_both_file_layouts_say_the_same(made: Path, tmp_path: Path) -> None:
    """Older writers make preprocessor_config.json and chat_template.json, newer ones nest and use .jinja."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for name in ("preprocessor_config.json", "processor_config.json", "chat_template.json"):
        (tmp_path / name).unlink()
    AutoProcessor.from_pretrained(made).save_pretrained(tmp_path)
    newer = checkpoint.find(str(tmp_path))
    assert not (tmp_path / "preprocessor_config.json").exists()
    assert newer == replace(checkpoint.find(str(made)), folder=newer.folder, name=newer.name)


def test_tensors_are_the_models(made: Path, tmp_path: Path) -> None:
    """In one file or in shards, by the names of the state dict."""
    model = AutoModelForImageTextToText.from_pretrained(made)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    for folder in (made, tmp_path):
        tensors = checkpoint.find(str(folder)).tensors()
        assert set(tensors) == set(model.state_dict())
        assert all(torch.equal(tensors[name], value) for name, value in model.state_dict().items())


def test_a_tied_head_is_read_from_the_config(tmp_path: Path) -> None:
    """granite-docling has no lm_head.weight; SmolDocling has one."""
    found = checkpoint.find(str(make_checkpoint(tmp_path, style="granite")))
    assert found.tied_head
    assert "lm_head.weight" not in found.tensors()


def remove(name: str) -> Any:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: str) -> Any:
    return lambda folder: (folder / name).write_text(content)


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lose_a_shard(folder: Path) -> None:
    write("model.safetensors.index.json", json.dumps({"weight_map": {"a": "model-1.safetensors"}}))(folder)


def nest(name: str, **changes: Any) -> Any:
    """Change values one level down."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        for key, value in changes.items():
            content[key] = content[key] | value
        (folder / name).write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (remove("config.json"), "has no config.json, so it is not a checkpoint"),
        (remove("model.safetensors"), r"has no complete set of model\*.safetensors"),
        (only_pickle, "pytorch_model.bin must be converted to safetensors"),
        (lose_a_shard, r"has no complete set of model\*.safetensors"),
        (cut_weights, "model.safetensors is damaged .* fetch it again"),
        (write("model.safetensors", "version https://git-lfs.github.com/spec/v1"), "model.safetensors is damaged"),
        (remove("tokenizer.json"), "has no tokenizer.json"),
        (remove("preprocessor_config.json"), "no preprocessor_config.json with the size of the image tiles"),
        (remove("chat_template.json"), "has no chat template"),
        (write("config.json", "{"), "config.json cannot be read as JSON"),
        (write("config.json", "[]"), r"config.json holds \[\] where an object is needed"),
        (write("config.json", '{"model_type": "llama"}'), "type 'llama'; only idefics3 and smolvlm can be run"),
        (write("generation_config.json", "\x00"), "generation_config.json cannot be read as JSON"),
        (nest("config.json", vision_config={"patch_size": "x"}), "vision_config.patch_size is 'x'"),
        (nest("preprocessor_config.json", size={"longest_edge": 100}), "100 is not a multiple of the tile, 64"),
        (
            lambda folder: edit(folder / "preprocessor_config.json", image_std=[0.5, "x", 1]),
            "image_std is .* three num",
        ),
        (
            lambda folder: edit(folder / "preprocessor_config.json", image_mean=[0.5]),
            r"image_mean is \[0.5\] where three",
        ),
        (nest("preprocessor_config.json", size={"longest_edge": None}), "size.longest_edge is None"),
        (lambda folder: edit(folder / "processor_config.json", image_seq_len=64), "a tile 64 positions, config.json 1"),
    ],
)
def test_an_unusable_folder_is_named_with_what_is_wrong(folder: Path, harm: Any, complaint: str) -> None:
    """One line instead of a traceback from deep inside a loader."""
    harm(folder)
    with pytest.raises(UnusableCheckpoint, match=complaint) as caught:
        checkpoint.find(str(folder))
    assert "\n" not in str(caught.value)


NAN = float("nan")
IMAGE, GENERATION, TOKENIZER = "preprocessor_config.json", "generation_config.json", "tokenizer_config.json"
INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        *((IMAGE, "rescale_factor", value) for value in ("x", None, [], {}, -1, 0, 1e-300, 1.5, NAN, True, 10**400)),
        *((IMAGE, "image_std", value) for value in (0, [0, 0, 0], [NAN] * 3, [0.5, 0.5, True], -0.5, None, "x", 1e-60)),
        *((IMAGE, "image_mean", value) for value in (NAN, float("inf"), [0.5, 0.5, 1e9], {})),
        *((IMAGE, "image_processor", value) for value in ("max_image_size", ["max_image_size"], None, 3)),
        *((IMAGE, "max_image_size", value) for value in ("x", [], 7)),
        (IMAGE, "size", 256),
        *((GENERATION, "eos_token_id", value) for value in ("x", ["x"], [[1]], {}, [None], -5, 1.5, True, 10**30)),
        ("config.json", "image_token_id", 10**6),
        ("config.json", "image_token_id", True),
        ("config.json", "scale_factor", 10**30),
        *(("config.json", key, value) for key in ("text_config", "vision_config") for value in ("x", [])),
        *((TOKENIZER, "bos_token", value) for value in ({"x": 1}, {"content": 5}, ["x"], [], 5, True)),
        *(("chat_template.json", "chat_template", value) for value in (["x"], {"x": 1}, 5)),
        *((INDEX, "weight_map", value) for value in ([], "x", 5, None)),
        *((INDEX, "weight_map", {"a": value, "b": "x"}) for value in (1, [1], {}, None)),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_its_file(folder: Path, name: str, key: str, value: Any) -> None:
    """It would come up as a TypeError later, or not at all: a deviation of zero makes every pixel infinite."""
    if not (folder / name).exists():
        (folder / name).write_text("{}")
    edit(folder / name, **{key: value})
    with pytest.raises(UnusableCheckpoint) as caught:
        checkpoint.read(folder, name="tiny")
    message = str(caught.value)
    assert message.startswith(str(folder / name))
    assert key in message
    wrong = value["a"] if isinstance(value, dict) and "a" in value else value
    assert (repr(wrong)[:12] if wrong != 10**400 else "1000") in message
    assert "\n" not in message
    assert len(message) < len(str(folder)) + 250


@pytest.mark.parametrize(
    ("text_config", "scale_factor", "longest_edge", "complaint"),
    [
        ({"eos_token_id": 10**6}, 4, 192, r"config.json: text_config.eos_token_id is 1000000 where an id below \d+"),
        ({"vocab_size": 100, "eos_token_id": 2}, 4, 192, r"config.json: image_token_id is \d+ where an id below 100"),
        ({}, 3, 192, "a tile of 64 cannot be cut into patches of 16 that are joined 3 by 3"),
        ({}, 5, 192, "a tile of 64 cannot be cut into patches of 16 that are joined 5 by 5"),
        ({}, 4, 64 * 10**6, "makes 1000000 tiles of 1 positions, more than the context of 8192"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(
    folder: Path, text_config: dict[str, int], scale_factor: int, longest_edge: int, complaint: str
) -> None:
    """Every page would fail, or take all memory first."""
    for name in (GENERATION, "processor_config.json"):
        (folder / name).unlink()
    nest("config.json", text_config=text_config)(folder)
    edit(folder / "config.json", scale_factor=scale_factor, eos_token_id=None)
    nest(IMAGE, size={"longest_edge": longest_edge})(folder)
    with pytest.raises(UnusableCheckpoint, match=complaint):
        checkpoint.read(folder, name="tiny")


def nest_deeply(path: Path) -> None:
    path.write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def lose_its_target(path: Path) -> None:
    """What is left in the hub's cache when somebody has deleted blobs."""
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("harm", [nest_deeply, become_a_folder, lose_its_target])
@pytest.mark.parametrize("name", [IMAGE, GENERATION, TOKENIZER, "processor_config.json", "chat_template.json"])
def test_a_file_that_cannot_be_read_is_not_taken_for_none(folder: Path, name: str, harm: Any) -> None:
    """Without its generation_config.json a model would run with other ends than it was trained with."""
    harm(folder / name)
    with pytest.raises(UnusableCheckpoint, match=f"{name} cannot be read as JSON: ") as caught:
        checkpoint.read(folder, name="tiny")
    assert "\n" not in str(caught.value)


def test_what_no_check_has_foreseen_is_an_unusable_checkpoint_too(folder: Path) -> None:
    """An unhandled class would end `doctor`, which looks at every model in the cache."""
    write(INDEX, json.dumps({"weight_map": {"a": "x" * 5000}}))(folder)
    with pytest.raises(UnusableCheckpoint, match=r"cannot be read: OSError: .*File name too long") as caught:
        checkpoint.read(folder, name="tiny")
    assert "\n" not in str(caught.value)


def test_switches_that_end_like_tokens_are_no_tokens(folder: Path) -> None:
    """`add_bos_token: true` was given to the chat template as the text "True"."""
    edit(folder / TOKENIZER, add_bos_token=True, pad_token={"content": "<pad>"}, unk_token=None)
    tokens = checkpoint.read(folder, name="tiny").special_tokens
    assert tokens["pad_token"] == "<pad>"
    assert not {"add_bos_token", "unk_token"} & set(tokens)


def test_an_untied_head_without_weights_is_refused(tmp_path: Path) -> None:
    """transformers would make one up from random numbers."""
    folder = make_checkpoint(tmp_path, style="granite")
    edit(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(UnusableCheckpoint, match=r"no lm_head\.weight"):
        checkpoint.find(str(folder))


@pytest.mark.parametrize(
    "name", ["", "nix", "./missing/folder", "../up", "a/b/c", "/missing", "-/-", "a b/c", "~nobody/x", "x" * 5000, "\0"]
)
def test_a_name_that_can_be_no_checkpoint_is_refused_at_once(name: str) -> None:
    """A misspelt path must not be asked of the hub."""
    with pytest.raises(UnusableCheckpoint, match=r"neither a folder nor a hub id.*smoldocling, granite-docling"):
        checkpoint.find(name or "--")


@pytest.mark.parametrize("name", [*hub.SHORT_NAMES, *hub.SHORT_NAMES.values()])
def test_short_names_mean_pinned_commits(made: Path, cache: Path, name: str) -> None:
    """The same command gives the same output tomorrow, whatever is pushed to the hub."""
    hub_id = hub.SHORT_NAMES.get(name, name)
    put_into(cache, made, hub_id, "f" * 40, branch="main")
    pinned = put_into(cache, made, hub_id, hub.REVISIONS[hub_id])
    found = checkpoint.find(name, local_only=True)
    assert (found.folder, found.name, found.revision) == (pinned, hub_id, hub.REVISIONS[hub_id])


def test_without_network_a_cached_main_branch_will_do(made: Path, cache: Path) -> None:
    """Other tools have downloaded it; better that than nothing. A revision that was asked for is not replaced."""
    put_into(cache, made, HUB_ID, "f" * 40, branch="main")
    assert checkpoint.find("smoldocling", local_only=True).revision == "f" * 40
    assert checkpoint.find("smoldocling", local_only=True, revision="main").revision == "f" * 40
    with pytest.raises(NoCheckpoint, match="downloads are switched off"):
        checkpoint.find("smoldocling", local_only=True, revision="v2")


@pytest.mark.parametrize("left", [[], ["model-00001-of-00002.safetensors"]])
def test_a_download_that_was_cut_off_is_not_a_checkpoint(made: Path, cache: Path, left: list[str]) -> None:
    """It would be taken for a damaged one, and never be completed."""
    snapshot = put_into(cache, made, HUB_ID, hub.REVISIONS[HUB_ID])
    (snapshot / "model.safetensors").unlink()
    for name in left:
        (snapshot / name).touch()
    with pytest.raises(NoCheckpoint):
        checkpoint.find(HUB_ID, local_only=True)


def test_doctor_sees_what_is_cached(made: Path, cache: Path) -> None:
    """Only what could be run: no other architectures, no halves of downloads."""
    assert checkpoint.cached() == []
    put_into(cache, made, "b/two", "2" * 40, branch="main")
    put_into(cache, made, "a/one--more", "1" * 40)
    (put_into(cache, made, "c/half", "3" * 40) / "model.safetensors").unlink()
    edit(put_into(cache, made, "d/other", "4" * 40) / "config.json", model_type="llama")
    assert [(found.name, found.revision) for found in checkpoint.cached()] == [
        ("a/one--more", "1" * 40),
        ("b/two", "2" * 40),
    ]


def test_one_damaged_snapshot_does_not_hide_the_others(made: Path, cache: Path) -> None:
    """`doctor` ended in a traceback for a model that nobody had asked for."""
    put_into(cache, made, "a/good", "1" * 40)
    for number, harm in enumerate(
        [
            lambda broken: edit(broken / IMAGE, image_processor="x"),
            lambda broken: edit(broken / TOKENIZER, bos_token={"x": 1}),
            write(INDEX, json.dumps({"weight_map": {"a": 1, "b": "x"}})),
            lambda broken: nest_deeply(broken / "config.json"),
            write(INDEX, json.dumps({"weight_map": {"a": "x" * 5000}})),
        ]
    ):
        harm(put_into(cache, made, f"b/broken-{number}", "2" * 40))
    (cache / "models--a--good" / "snapshots" / ".DS_Store").touch()
    assert [found.name for found in checkpoint.cached()] == ["a/good"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b"x" * 5000])
def test_a_damaged_reference_in_the_cache_leads_nowhere(made: Path, cache: Path, content: bytes) -> None:
    """A download would mend it."""
    put_into(cache, made, "a/b", "1" * 40, branch="main")
    assert checkpoint.find("a/b", local_only=True).revision == "1" * 40
    (cache / "models--a--b" / "refs" / "main").write_bytes(content)
    with pytest.raises(NoCheckpoint, match="downloads are switched off"):
        checkpoint.find("a/b", local_only=True)


def test_a_name_too_long_for_the_disk_is_not_in_the_cache(cache: Path) -> None:
    """It has the form of a hub id."""
    with pytest.raises(NoCheckpoint):
        checkpoint.find("a/" + "x" * 5000, local_only=True)


def find_elsewhere(model: str, home: Path, *, first: str = "", **environment: str) -> tuple[str, float]:
    """Look for a model in a process of its own, since the hub's settings are read once: what came out, and seconds."""
    program = (
        f"import socket, sys, time\n{first}\n"
        "from smoldocling import checkpoint, errors\n"
        "started = time.perf_counter()\n"
        "try: print('found', checkpoint.find(sys.argv[1]).revision)\n"
        "except errors.NoCheckpoint as error: print(error)\n"
        "print(time.perf_counter() - started)\n"
    )
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    settings |= {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", program, model], env=settings, capture_output=True, text=True, check=True, timeout=60
    )
    message, seconds = done.stdout.splitlines()
    return message, float(seconds)


def test_offline_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    """The error names the id, the folder that was looked in, and the way out."""
    message, seconds = find_elsewhere("smoldocling", tmp_path, HF_HUB_OFFLINE="1")
    assert HUB_ID in message
    assert str(tmp_path / "hub") in message
    assert "downloads are switched off" in message
    assert "give the folder of a copy as the model" in message
    assert seconds < 1


def test_a_closed_port_fails_at_once(tmp_path: Path) -> None:
    """The first run on a closed network must not sit through retries."""
    message, seconds = find_elsewhere("granite-docling", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in message
    assert seconds < 3


def test_a_hub_that_never_answers_costs_three_seconds(tmp_path: Path) -> None:
    """Firewalls that swallow packets, and proxies that accept and stay silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        message, seconds = find_elsewhere("smoldocling", tmp_path, HF_ENDPOINT=endpoint)
    assert f"{endpoint} cannot be reached" in message
    assert 2.5 < seconds < 5


def test_a_name_server_that_never_answers_costs_three_seconds_too(tmp_path: Path) -> None:
    """Looking up a name has no timeout of its own; on closed networks it takes half a minute. Leaving must not wait."""
    started = time.perf_counter()
    message, seconds = find_elsewhere(
        "smoldocling",
        tmp_path,
        first="socket.getaddrinfo = lambda *_, **__: time.sleep(20)",
        HF_ENDPOINT="http://hub.invalid",
    )
    assert "http://hub.invalid cannot be reached" in message
    assert 2.5 < seconds < 5
    assert time.perf_counter() - started < 15


@dataclass
class FakeHub:
    """As much of the hub's protocol as a download needs, over a folder."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    endpoint: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(path)
        commit = hub.REVISIONS[HUB_ID]
        names = sorted(file.name for file in self.folder.iterdir())
        body = b"{}"
        if path.startswith(f"/api/models/{HUB_ID}/tree/"):
            files = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": name}
                for name in names
            ]
            body = json.dumps(files).encode()
        elif path.startswith(f"/{HUB_ID}/resolve/{commit}/"):
            body = (self.folder / path.rpartition("/")[2]).read_bytes()
        elif path != "/":
            request.send_response(404)
            request.send_header("X-Error-Code", "RepoNotFound")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", f'"{path.rpartition("/")[2]}"')
        request.send_header("X-Repo-Commit", commit)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


@pytest.fixture
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    served = FakeHub(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def do_HEAD(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()


def test_a_download_brings_the_pinned_commit_and_only_what_is_needed(fake_hub: FakeHub, tmp_path: Path) -> None:
    """SmolDocling's repository also holds ONNX graphs five times the size of the weights."""
    (fake_hub.folder / "README.md").write_text("not needed")
    (fake_hub.folder / "decoder.onnx").write_text("not needed")
    message, _ = find_elsewhere("smoldocling", tmp_path, HF_ENDPOINT=fake_hub.endpoint)
    assert message == f"found {hub.REVISIONS[HUB_ID]}"
    assert any(path.endswith("model.safetensors") for path in fake_hub.asked)
    assert not any("README" in path or "onnx" in path for path in fake_hub.asked)
    fake_hub.asked.clear()
    assert find_elsewhere("smoldocling", tmp_path, HF_ENDPOINT=fake_hub.endpoint)[0] == message
    assert fake_hub.asked == []


def test_a_model_that_the_hub_does_not_know_is_said_to_be_unknown(fake_hub: FakeHub, tmp_path: Path) -> None:
    """Not a network problem: another spelling or a token helps."""
    message, _ = find_elsewhere("somebody/something", tmp_path, HF_ENDPOINT=fake_hub.endpoint)
    assert message.startswith("somebody/something is neither a folder here nor in ")
    assert f"{fake_hub.endpoint} knows no such model, or not without a token" in message
