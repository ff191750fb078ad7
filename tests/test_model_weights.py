"""Files of weights: all that is needed and nothing else, in any precision, read from disk as they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from shapes import TINY, network, oracle, tensors, threads, tiles, words
from transformers import Idefics3ForConditionalGeneration
from transformers.utils import logging

from smoldocling.checkpoint import Tensors
from smoldocling.errors import UnknownNetwork
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network

TIED = replace(TINY, tied=True)
HEAD = "lm_head.weight"
EMBEDDING = "model.text_model.embed_tokens.weight"


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = logging.get_verbosity()
    with threads(1), torch.no_grad():
        yield
    logging.set_verbosity(before)
    logging.enable_progress_bar()


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return tensors(oracle(TINY))


def stored(folder: Path, held: dict[str, torch.Tensor], files: int = 2) -> Tensors:
    """Written to disk in several files, as large checkpoints are, and not read yet."""
    paths = {}
    for number in range(files):
        part = {name: held[name].contiguous() for name in sorted(held)[number::files]}
        path = folder / f"model-{number}.safetensors"
        save_file(part, path)
        paths |= dict.fromkeys(part, path)
    return Tensors(paths)


def refusal(held: dict[str, torch.Tensor], folder: Path) -> str:
    with pytest.raises(UnknownNetwork) as caught:
        network(TINY, stored(folder, held))
    message = str(caught.value)
    assert "\n" not in message
    assert "--engine transformers" in message
    return message


def written(net: Network) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of two tiles, and logits behind a prompt that has them."""
    features = net.encode(tiles(TINY, 2)).flatten(0, 1)
    ids = words(TINY, 9)
    prompt = [TINY.image_token_id] * len(features) + ids[:4]
    cache = net.cache(1, len(prompt) + len(ids))
    net.prefill(net.rows(prompt, features), 0, 0, cache)
    logits = torch.empty(len(ids), net.config.vocab_size)
    net.step(ids, [Span(0, len(prompt), len(ids))], cache, logits)
    return features, logits


def same(left: tuple[torch.Tensor, torch.Tensor], right: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


def test_files_hold_the_network(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """What is read from disk computes what the same tensors in memory compute."""
    assert same(written(network(TINY, stored(tmp_path, weights))), written(network(TINY, weights)))


def test_every_tensor_is_needed(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """A network with any of its tensors left out is not run, and the message names the first that is missing."""
    for name in weights:
        rest = {other: tensor for other, tensor in weights.items() if other != name}
        assert name in refusal(rest, tmp_path)


def test_every_tensor_must_have_its_shape(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """One row too many, one dimension too many, or two sides the wrong way round."""
    for name, tensor in weights.items():
        for other in (torch.cat([tensor, tensor[:1]]), tensor[None], tensor.mT if tensor.ndim > 1 else tensor[:-1]):
            if other.shape == tensor.shape:
                continue  # a square on its side
            message = refusal(weights | {name: other}, tmp_path)
            assert name in message
            assert str(tuple(other.shape)) in message
            assert str(tuple(tensor.shape)) in message


@pytest.mark.parametrize(
    "name",
    [
        "model.text_model.layers.2.input_layernorm.weight",
        "model.text_model.layers.0.self_attn.q_proj.bias",
        "model.text_model.layers.0.self_attn.q_proj.lora_A.weight",
        "model.text_model.layers.1.mlp.up_proj.weight_scale",
        "model.vision_model.encoder.layers.1.layer_norm1.weight",
        "model.vision_model.head.probe",
        "value_head.weight",
    ],
)
def test_a_tensor_that_nothing_takes_is_another_network(
    name: str, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """More layers than config.json says, biases, adapters, scales of quantised weights: leaving one out would compute
    something else without a word."""
    assert name in refusal(weights | {name: torch.ones(4)}, tmp_path)


def test_several_surplus_tensors_are_counted(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """The message is one line however many there are."""
    extra = {f"model.text_model.layers.{number}.extra": torch.ones(1) for number in range(30)}
    message = refusal(weights | extra, tmp_path)
    assert "extra and 29 more" in message


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.float8_e4m3fn, torch.float8_e5m2])
def test_quantised_tensors_are_refused(dtype: torch.dtype, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """Their scales have many conventions, and transformers knows them."""
    for name in (
        "model.text_model.layers.1.mlp.up_proj.weight",
        HEAD,
        "model.connector.modality_projection.proj.weight",
    ):
        message = refusal(weights | {name: weights[name].to(dtype)}, tmp_path)
        assert name in message
        assert str(dtype) in message


@pytest.mark.parametrize(
    "name",
    [
        "model.text_model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.text_model.rotary_emb.inv_freq",
        "model.vision_model.embeddings.position_ids",
    ],
)
def test_tables_of_older_writers_are_not_read(name: str, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """They hold what is computed from config.json; some were even stored in half precision."""
    found = network(TINY, stored(tmp_path, weights | {name: torch.full((3,), torch.nan)}))
    assert same(written(found), written(network(TINY, weights)))


def test_a_tied_head_may_be_stored_or_not(tmp_path: Path) -> None:
    """Some writers store the embedding twice, under both names."""
    once = tensors(oracle(TIED))
    assert HEAD not in once
    twice = once | {HEAD: once[EMBEDDING].clone()}
    untied = network(TINY, twice)
    for held in (once, twice):
        assert same(written(network(TIED, stored(tmp_path, held))), written(untied))


@pytest.mark.xfail(reason="the embedding is taken whatever the file holds")
def test_a_stored_head_that_is_not_the_embedding_is_not_tied(tmp_path: Path) -> None:
    """transformers believes the file, not config.json, and so an answer would depend on the engine."""
    held = tensors(oracle(TIED))
    held[HEAD] = held[EMBEDDING].flip(0)
    save_file(held, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(TIED.config()))
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    theirs = Idefics3ForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(theirs.lm_head.weight, held[HEAD])
    assert same(written(network(TIED, held)), written(network(TINY, held)))


def test_an_embedding_without_a_head_is_not_tied_by_itself(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """config.json decides; guessing would hide a file that was cut."""
    del weights[HEAD]
    assert HEAD in refusal(weights, tmp_path)


PRECISIONS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("computed", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("held", PRECISIONS)
def test_the_precision_of_a_file_is_not_that_of_the_network(
    held: torch.dtype, computed: torch.dtype, tmp_path: Path
) -> None:
    """A file in any precision is the network of the numbers in it, rounded once to the precision that is computed."""
    generator = torch.Generator().manual_seed(1)
    # Numbers that no precision but float64 can hold.
    fine = {
        name: tensor.double() * (1 + 1e-3 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64))
        for name, tensor in tensors(oracle(TINY)).items()
    }
    file = {name: tensor.to(held) for name, tensor in fine.items()}
    found = network(TINY, stored(tmp_path, file), dtype=computed)
    expected = network(TINY, {name: tensor.to(computed) for name, tensor in file.items()}, dtype=computed)
    features, logits = written(found)
    assert features.dtype == computed
    assert features.isfinite().all()
    assert logits.isfinite().all()
    assert same((features, logits), written(expected))


@pytest.mark.parametrize("eights", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
def test_running_changes_no_weight(eights: bool, compiled: bool, weights: dict[str, torch.Tensor]) -> None:
    """Tensors that need no conversion are not copied, so whoever holds them too would see it."""
    before = {name: tensor.clone() for name, tensor in weights.items()}
    net = network(TINY, weights, eights=eights, compiled=compiled)
    first = written(net)
    assert same(written(net), first)
    assert all(torch.equal(weights[name], tensor) for name, tensor in before.items())
