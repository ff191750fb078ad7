"""Prompts are the processor's id for id, and what the model writes comes back as it was written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import TAGS, Style, make_checkpoint
from transformers import AutoProcessor

from smoldocling import checkpoint
from smoldocling.errors import UnusableCheckpoint
from smoldocling.pages import tiles
from smoldocling.vocab import MOST_PROMPTS, PAGE_INSTRUCTION, Vocab

STYLES: tuple[Style, ...] = ("smoldocling", "granite")


def vocab_of(folder: Path) -> Vocab:
    return Vocab(checkpoint.read(folder, name="tiny"))


@pytest.fixture(scope="module", params=STYLES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp(request.param), style=request.param)


@pytest.fixture(scope="module")
def vocab(folder: Path) -> Vocab:
    return vocab_of(folder)


def theirs(processor: Any, image: Image.Image, splits: int, instruction: str) -> tuple[int, ...]:
    """The prompt ids that transformers makes for an image."""
    content = [{"type": "image", "image": image}, {"type": "text", "text": instruction}]
    tile_px = processor.image_processor.max_image_size["longest_edge"]
    made = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"size": {"longest_edge": splits * tile_px}},
    )
    return tuple(np.asarray(made["input_ids"]).reshape(-1).tolist())


def grids() -> Iterator[tuple[int, int]]:
    """All that six splits can give; one tile is no grid at all."""
    yield 0, 0
    yield from ((rows, columns) for rows in range(1, 7) for columns in range(1, 7) if rows * columns > 1)


def test_prompts_are_the_processors_for_every_grid(folder: Path, vocab: Vocab) -> None:
    """One id off and every image feature after it stands in the wrong place."""
    processor = AutoProcessor.from_pretrained(folder)
    for rows, columns in grids():
        image = Image.new("RGB", (64 * max(columns, 1), 64 * max(rows, 1)))
        splits = max(rows, columns, 1)
        cut = tiles.split(image, splits=splits, tile_px=64)
        assert (cut.rows, cut.columns) == (rows, columns)
        assert vocab.prompt_ids(rows, columns) == theirs(processor, image, splits, PAGE_INSTRUCTION)


@pytest.mark.parametrize(("tile_px", "patch_px", "positions"), [(512, 16, 64), (384, 14, 81)])
def test_a_tile_takes_as_many_positions_as_the_real_models_give_it(
    tile_px: int, patch_px: int, positions: int, tmp_path: Path
) -> None:
    """64 in the 256M and 500M models, 81 in the 2B one."""
    folder = make_checkpoint(tmp_path, tile_px=tile_px, patch_px=patch_px)
    image = Image.new("RGB", (612, 792))
    ids = theirs(AutoProcessor.from_pretrained(folder), image, 2, PAGE_INSTRUCTION)
    vocab = vocab_of(folder)
    assert vocab.prompt_ids(2, 2) == ids
    assert ids.count(vocab.checkpoint.image_token_id) == 5 * positions


@pytest.mark.parametrize("instruction", ["Convert table to OTSL.", "Identify element at: <loc_1><loc_499>", "où? 東京"])
def test_prompts_take_any_instruction(folder: Path, vocab: Vocab, instruction: str) -> None:
    """The models know other tasks than whole pages."""
    processor = AutoProcessor.from_pretrained(folder)
    assert vocab.prompt_ids(0, 0, instruction) == theirs(processor, Image.new("RGB", (5, 5)), 1, instruction)


def test_prompts_that_are_kept_have_a_bound(vocab: Vocab) -> None:
    """Clients of a server may ask about 500^4 places on a page; the prompts of pages are still right afterwards."""
    before = vocab.prompt_ids(2, 2)
    for number in range(MOST_PROMPTS + 3):
        vocab.prompt_ids(0, 0, f"Identify element at: <loc_{number}><loc_2><loc_30><loc_40>")
    assert vocab.prompts_kept == MOST_PROMPTS
    assert vocab.prompt_ids(2, 2) == before


def test_a_tokenizer_that_adds_a_start_token_adds_it_once(tmp_path: Path) -> None:
    """Idefics3-8B's does; the templates of this family write it themselves."""
    folder = make_checkpoint(tmp_path)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    start = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [start, sequence],
        "pair": [start, sequence, sequence],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    for template in (None, "{% for line in messages[0]['content'] %}{{ line['text'] or '<image>' }}{% endfor %}"):
        if template:
            (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
        ids = vocab_of(folder).prompt_ids(0, 0)
        assert ids.count(1) == 1
        assert ids == theirs(AutoProcessor.from_pretrained(folder), Image.new("RGB", (5, 5)), 1, PAGE_INSTRUCTION)


@given(text=st.text())
def test_text_survives_its_ids(vocab: Vocab, text: str) -> None:
    """Spaces, line ends and letters of every script: tidying any of them would change the document."""
    assert vocab.decode(vocab.encode(text)) == text


def test_every_tag_survives_its_ids(vocab: Vocab) -> None:
    """Tags are special tokens; decoders that skip those return bare text without structure."""
    text = "".join(TAGS) + "<loc_0><loc_500> a  b <text> c</text>\n"
    assert vocab.decode(vocab.encode(text)) == text


def test_tags_are_one_id_or_several(vocab: Vocab) -> None:
    """`<loc_123>` is spelt from pieces in the real tokenizers, structure tags are single ids."""
    assert len(vocab.tag_ids("<text>")) == 1
    assert len(vocab.tag_ids("<loc_123>")) > 1
    assert vocab.tag_ids("<text>") + vocab.tag_ids("<loc_123>") == vocab.encode("<text><loc_123>")


@given(data=st.data())
def test_any_ids_decode(vocab: Vocab, data: st.DataObject) -> None:
    """A model may write half a character or an id that no token has; that must not end a run."""
    ids = data.draw(st.lists(st.integers(0, vocab.checkpoint.vocab_size + 50)))
    assert isinstance(vocab.decode(ids), str)


@pytest.mark.parametrize("token", [-1, 2**31, 2**32, 2**64])
def test_numbers_that_are_no_ids_stand_for_nothing(vocab: Vocab, token: int) -> None:
    """The tokenizer's library refuses what it cannot keep in 32 bits."""
    assert vocab.decode([token, *vocab.encode("a"), token]) == "a"


@pytest.mark.parametrize(("text", "becomes"), [("a\ud800b", "a\ufffdb"), ("\udcff", "\ufffd"), ("\ud83d\ude00", "😀")])
def test_surrogates_are_mended_or_replaced(vocab: Vocab, text: str, becomes: str) -> None:
    """Instructions from a command line hold them where bytes were no UTF-8."""
    assert vocab.decode(vocab.encode(text)) == becomes
    assert vocab.prompt_ids(0, 0, text) == vocab.prompt_ids(0, 0, becomes)


def test_half_a_character_becomes_a_replacement_character(vocab: Vocab) -> None:
    """Generation may be cut in the middle of one."""
    ids = vocab.encode("\N{GOTHIC LETTER AHSA}")
    assert len(ids) > 1
    assert vocab.decode(ids[:-1]).strip("\ufffd") == ""


def test_padding_and_ends_are_not_text(vocab: Vocab) -> None:
    """They are the only ids that are dropped."""
    text = vocab.encode("<text>x</text>")
    assert vocab.decode([*text, *vocab.stop_ids, vocab.pad_id, vocab.pad_id]) == "<text>x</text>"


def test_the_end_of_a_turn_ends_an_answer_although_no_config_says_so(folder: Path, tmp_path: Path) -> None:
    """Fine-tuned checkpoints often lose generation_config.json or keep the end of the language model underneath."""
    stop = vocab_of(folder).stop_ids
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "generation_config.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["eos_token_id"] = None
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert vocab_of(tmp_path).stop_ids == stop
    config["text_config"]["eos_token_id"] = [7, 8]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert vocab_of(tmp_path).stop_ids == stop | {7, 8}


def test_a_closing_tag_is_known_in_one_id_and_in_several(vocab: Vocab, tmp_path: Path) -> None:
    """An answer ends with `</doctag>`, however a tokenizer cuts it."""
    spelt = vocab_of(make_checkpoint(tmp_path, tags=False))
    assert len(vocab.closer_ids) == 1 < len(spelt.closer_ids)
    for words in (vocab, spelt):
        text = words.encode("<text>a</text></doctag>")
        assert [words.closes(text[:end]) for end in range(len(text) + 1)] == [False] * len(text) + [True]
        assert not words.closes(words.encode("</doctag> x"))


def damage(folder: Path, file: str, content: str) -> Path:
    (folder / file).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("tokenizer.json", "{", "tokenizer.json cannot be read"),
        ("tokenizer.json", '{"version": "1.0"}', "tokenizer.json cannot be read"),
        ("chat_template.json", '{"chat_template": "{{ nothing.there.is }}"}', "the chat template fails"),
        ("chat_template.json", '{"chat_template": "{% for"}', "the chat template fails"),
        ("chat_template.json", '{"chat_template": "User: hello"}', "no place for one image"),
        ("chat_template.json", json.dumps({"chat_template": "{{ raise_exception('a\nb') }}"}), "template fails: a b"),
    ],
)
def test_a_damaged_vocabulary_is_named(tmp_path: Path, file: str, content: str, complaint: str) -> None:
    """The message says which file to fetch again."""
    with pytest.raises(UnusableCheckpoint, match=complaint) as caught:
        vocab_of(damage(make_checkpoint(tmp_path), file, content))
    assert "\n" not in str(caught.value)


def test_a_tokenizer_without_words_for_the_prompt_is_named(tmp_path: Path) -> None:
    """A model of another kind, without a token for what is unknown."""
    folder = make_checkpoint(tmp_path)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"] = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<none>"}
    shift = min(token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<image>")
    tokenizer["model"]["vocab"] |= {f"word {number}": number for number in range(1, shift)} | {"<image>": shift}
    damage(folder, "tokenizer.json", json.dumps(tokenizer))
    with pytest.raises(UnusableCheckpoint, match=r"tokenizer\.json cannot split text: .*UNK"):
        vocab_of(folder)


def test_words_that_the_network_has_no_place_for_are_named(tmp_path: Path) -> None:
    """On a GPU an id beyond the embedding ends the process."""
    folder = make_checkpoint(tmp_path)
    image = json.loads((folder / "config.json").read_text())["image_token_id"]
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"vocab_size": image + 1, "eos_token_id": 2}
    damage(folder, "config.json", json.dumps(config))
    damage(folder, "generation_config.json", "{}")
    found = checkpoint.read(folder, name="tiny")
    with pytest.raises(UnusableCheckpoint, match=rf"tokenizer\.json: '.+' is id \d+ where an id below {image + 1}"):
        Vocab(found)


def test_tokenizer_and_config_of_two_checkpoints_are_told_apart(tmp_path: Path) -> None:
    """Image features would land on words."""
    folder = make_checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text()) | {"image_token_id": 3}
    with pytest.raises(UnusableCheckpoint, match="not of one checkpoint"):
        vocab_of(damage(folder, "config.json", json.dumps(config)))


def test_a_checkpoint_that_never_ends_an_answer_is_refused(tmp_path: Path) -> None:
    """Every page would run to the limit."""
    folder = damage(make_checkpoint(tmp_path), "generation_config.json", "{}")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = None
    damage(folder, "config.json", json.dumps(config))
    damage(
        folder, "chat_template.json", json.dumps({"chat_template": "<image>{{ messages[0]['content'][1]['text'] }}"})
    )
    with pytest.raises(UnusableCheckpoint, match="no id that ends an answer"):
        vocab_of(folder)
