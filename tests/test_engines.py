"""Which engine reads the pages, and that it does not matter which."""

import json
import subprocess
import sys

import pytest
from make import PROSE, image, pdf
from tiny import make_checkpoint

from smoldocling import Converter
from smoldocling.errors import UnknownNetwork, UnusableOption

OPTIONS = {"splits": 2, "device": "cpu", "dtype": "float32", "max_new_tokens": 60}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A random network: what it writes depends on every pixel and every weight."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> str:
    """A checkpoint of the family whose text network has biases, which transformers knows and our network does not."""
    folder = make_checkpoint(tmp_path_factory.mktemp("stranger"), tile_px=64)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["hidden_act"] = "gelu"
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_native_and_transformers_write_the_same(checkpoint):
    """The fast engine is a faster way to the same pages."""
    documents = [pdf(PROSE, PROSE[::-1]), image()]
    written = {}
    for engine in ("native", "transformers"):
        converter = Converter(model=checkpoint, engine=engine, **OPTIONS)
        assert converter.engine == engine
        pages = [page for document in converter.documents(documents) for page in document.pages]
        written[engine] = [(page.raw, page.tokens, page.status) for page in pages]
    assert written["native"] == written["transformers"]
    assert len({page[0] for page in written["native"]}) > 1, "pages must differ for this to mean anything"


def test_auto_is_the_native_engine(checkpoint):
    assert Converter(model=checkpoint, **OPTIONS).engine == "native"


def test_auto_takes_transformers_for_a_network_that_ours_does_not_compute(stranger):
    """And says why, since it is several times slower."""
    converter = Converter(model=stranger, **OPTIONS)
    assert converter.engine == "transformers"
    assert converter.without_native is not None
    assert "hidden_act" in converter.without_native
    assert next(iter(converter.stream([image()]))).status in ("ok", "truncated")


def test_native_never_falls_back(stranger):
    with pytest.raises(UnknownNetwork, match="--engine transformers"):
        Converter(model=stranger, engine="native", **OPTIONS)


def test_int8_is_for_the_native_engine(checkpoint):
    """transformers would need another library for it; nothing is done silently in another precision."""
    options = OPTIONS | {"dtype": "int8"}
    assert Converter(model=checkpoint, **options).convert(image()).pages[0].tokens > 0
    with pytest.raises(UnusableOption, match="int8"):
        Converter(model=checkpoint, engine="transformers", **options)


def test_the_command_line_says_which_engine_and_why(stranger, tmp_path):
    """One line, not a traceback and not silence."""
    (tmp_path / "a.png").write_bytes(b"")
    image().save(tmp_path / "a.png")
    command = [sys.executable, "-m", "smoldocling", "convert", tmp_path / "a.png", "-o", tmp_path / "out", "--json"]
    options = ["--model", stranger, "--splits", "1", "--max-new-tokens", "5"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert json.loads(done.stdout)["engine"] == "transformers"
    assert done.stderr.count("taking transformers") == 1
    refused = subprocess.run(
        [*command, *options, "--engine", "native"], capture_output=True, text=True, timeout=120, check=False
    )
    assert refused.returncode == 3
    assert "try --engine transformers" in refused.stderr
