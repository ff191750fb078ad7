"""Between text and token ids: prompts, DocTags tags, and what the model wrote.

Knows: the checkpoint's tokenizer.json and chat template. Does not know: what tags mean, pages, tensors.
tokenizer.json is read as it stands: transformers 5 rebuilds some tokenizers from their class name and loses the
pre-tokenizer that the model was trained with (the splitting of digits for `GPT2Tokenizer`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from tokenizers import Tokenizer

from smoldocling.checkpoint import Checkpoint
from smoldocling.errors import UnusableCheckpoint

PAGE_INSTRUCTION = "Convert this page to docling."

# Idefics3's names for the pieces of an image; the processor hard-codes them too.
IMAGE = "<image>"
AROUND = "<fake_token_around_image>"
WHOLE = "<global-img>"

CLOSER = "</doctag>"

# Kept, since most pages of a document have the same grid. Clients of a server may ask about any number of places.
MOST_PROMPTS = 64

# The tokenizers library keeps ids in 32 bits.
ID_END = 2**32


class Vocab:
    """One checkpoint's words. Raises UnusableCheckpoint if tokenizer, template and config do not belong together.

    checkpoint  the one that was given
    stop_ids    ids that end an answer and are no part of it
    pad_id      fills the short rows of a batch
    silent_ids  ids that stand for no text: padding and ends
    closer_ids  `</doctag>`, which ends an answer and is part of it; one id, or several
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._tokenizer = _load(checkpoint)
        self._plain = _without_added(self._tokenizer)
        self._added = _added_tokens(self._tokenizer)
        self._prompt = lru_cache(MOST_PROMPTS)(self._made_prompt)
        self._tags: dict[str, tuple[int, ...]] = {}
        if self._tokenizer.token_to_id(IMAGE) != checkpoint.image_token_id:
            raise UnusableCheckpoint(
                f"{checkpoint.folder}: {IMAGE} is id {self._tokenizer.token_to_id(IMAGE)} in tokenizer.json and"
                f" {checkpoint.image_token_id} in config.json; the files are not of one checkpoint"
            )
        self.stop_ids = frozenset(checkpoint.end_ids) | self._turn_end()
        if not self.stop_ids:
            raise UnusableCheckpoint(
                f"{checkpoint.folder} names no id that ends an answer; generation_config.json should"
            )
        pad = self._tokenizer.token_to_id(checkpoint.special_tokens.get("pad_token", ""))
        self.pad_id: int = min(self.stop_ids) if pad is None else pad
        self.silent_ids = self.stop_ids | {self.pad_id}
        self.closer_ids = self.tag_ids(CLOSER)
        self._within((*self.prompt_ids(0, 0), self.pad_id))

    def prompt_ids(self, rows: int, columns: int, instruction: str = PAGE_INSTRUCTION) -> tuple[int, ...]:
        """The whole prompt for one image of that grid (0, 0 if it is one tile), image placeholders expanded.

        Id for id what transformers' Idefics3Processor makes of the same image and instruction. Raises
        UnusableCheckpoint if template or tokenizer cannot make a prompt of it.
        """
        return self._prompt(rows, columns, instruction)

    @property
    def prompts_kept(self) -> int:
        """How many prompts are in memory: at most MOST_PROMPTS."""
        return self._prompt.cache_info().currsize

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text; what is spelt like a special token becomes that token, half a surrogate pair U+FFFD."""
        return self._ids(text, self._tokenizer)

    def plain(self, text: str) -> tuple[int, ...]:
        """Ids of a text that is nothing but text: what is spelt like a tag or another special token is spelt out."""
        return self._ids(text, self._plain)

    def spell(self, pieces: Iterable[tuple[str, bool]]) -> tuple[int, ...]:
        """Ids of tags (True) and plain text (False) in a row, cut where the model was taught to cut them.

        The tokenizer joins characters across pieces: `><` between two locations may be one id. So this is not the sum
        of `tag_ids` and `plain`, but what `encode` gives for the whole, if no text is spelt like a tag.
        """
        ids: list[int] = []
        run: list[str] = []
        for text, is_tag in pieces:
            for part in self._added.split(text) if is_tag else (text,):
                token = self._tokenizer.token_to_id(part) if is_tag and self._added.fullmatch(part) else None
                if token is None:
                    run.append(part)
                    continue
                ids += self.plain("".join(run)) if any(run) else ()
                run.clear()
                ids.append(token)
        ids += self.plain("".join(run)) if any(run) else ()
        return tuple(ids)

    def has(self, tag: str) -> bool:
        """Whether the tag is one id: whoever trained the model meant it to be written."""
        return len(self.tag_ids(tag)) == 1

    def tag_ids(self, tag: str) -> tuple[int, ...]:
        """Ids of one tag as it is spelt, `<loc_12>` or `</text>`: one or several."""
        if tag not in self._tags:
            self._tags[tag] = self.encode(tag)
        return self._tags[tag]

    def decode(self, ids: Iterable[int]) -> str:
        """The text that ids stand for, every tag kept, nothing tidied; bytes that are no UTF-8 become U+FFFD.

        Numbers that are no token's id stand for nothing.
        """
        kept = [token for token in ids if token not in self.silent_ids and 0 <= token < ID_END]
        text: str = self._tokenizer.decode(kept, skip_special_tokens=False)
        return text

    def closes(self, ids: Sequence[int]) -> bool:
        """Whether an answer that ends with these ids has just written `</doctag>`; its last nine ids are enough."""
        if len(self.closer_ids) == 1:
            return tuple(ids[-1:]) == self.closer_ids
        return self.decode(ids[-len(CLOSER) :]).endswith(CLOSER)

    def _made_prompt(self, rows: int, columns: int, instruction: str) -> tuple[int, ...]:
        text = self._render(instruction).replace(IMAGE, self._image_text(rows, columns), 1)
        bos = self.checkpoint.special_tokens.get("bos_token")
        add = not (bos and text.startswith(bos))
        return self._within(self._ids(text, self._tokenizer, add_special_tokens=add))

    def _ids(self, text: str, tokenizer: Tokenizer, *, add_special_tokens: bool = False) -> tuple[int, ...]:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        try:
            return tuple(tokenizer.encode(whole, add_special_tokens=add_special_tokens).ids)
        except Exception as error:  # the library raises no narrower class: a vocabulary without the token it needs
            path = self.checkpoint.folder / "tokenizer.json"
            raise UnusableCheckpoint(f"{path} cannot split text: {_line(error)}") from error

    def _within(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The same ids, if the network has a place for each. On a GPU, one that it has not ends the process."""
        beyond, end = max(ids), self.checkpoint.vocab_size
        if beyond >= end:
            raise UnusableCheckpoint(
                f"{self.checkpoint.folder / 'tokenizer.json'}: {self._tokenizer.id_to_token(beyond)!r} is id {beyond}"
                f" where an id below {end} is needed, the vocab_size in config.json"
            )
        return ids

    def _image_text(self, rows: int, columns: int) -> str:
        """What stands for the image in the prompt: each tile with its place, line by line, then the whole page."""
        features = IMAGE * self.checkpoint.image_seq_len
        lines = [
            "".join(f"{AROUND}<row_{row}_col_{column}>{features}" for column in range(1, columns + 1)) + "\n"
            for row in range(1, rows + 1)
        ]
        gap = "\n" if lines else ""
        return f"{''.join(lines)}{gap}{AROUND}{WHOLE}{features}{AROUND}"

    def _render(self, instruction: str) -> str:
        """The chat template around one image and one instruction, up to where the answer begins."""
        from transformers.utils.chat_template_utils import render_jinja_template

        content = [{"type": "image"}, {"type": "text", "text": instruction}]
        try:
            rendered, _ = render_jinja_template(
                conversations=[[{"role": "user", "content": content}]],
                chat_template=self.checkpoint.chat_template,
                add_generation_prompt=True,
                **self.checkpoint.special_tokens,
            )
        except Exception as error:  # a template is a program from the hub: anything can go wrong in it
            raise UnusableCheckpoint(f"{self.checkpoint.folder}: the chat template fails: {_line(error)}") from error
        text: str = rendered[0]
        if text.count(IMAGE) != 1:
            raise UnusableCheckpoint(f"{self.checkpoint.folder}: the chat template has no place for one image")
        return text

    def _turn_end(self) -> frozenset[int]:
        """The special token that the template puts after a turn, if it does."""
        after = self._render(PAGE_INSTRUCTION).partition(PAGE_INSTRUCTION)[2]
        special = self._tokenizer.get_added_tokens_decoder()
        return frozenset(token for token in self.encode(after)[:1] if token in special and special[token].special)


def _load(checkpoint: Checkpoint) -> Tokenizer:
    path = checkpoint.folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise UnusableCheckpoint(f"{path} cannot be read: {_line(error)}") from error


def _without_added(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer (they share the model) before tokens were added to it."""
    plain = Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        plain.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        plain.pre_tokenizer = tokenizer.pre_tokenizer
    return plain


def _added_tokens(tokenizer: Tokenizer) -> re.Pattern[str]:
    """Splits a text around the added tokens in it, and keeps them; the longest fits first."""
    added = tokenizer.get_added_tokens_decoder().values()
    spellings = sorted((token.content for token in added), key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, spellings)) or '(?!)'})")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
