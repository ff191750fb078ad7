"""A network that is taught: examples in, losses out.

Knows: transformers' model class, tensors. Does not know: files, how often, in which order.
Tiles go through the tower together and without padding; only the answer's rows go through the head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from smoldocling.training.examples import Example
from smoldocling.training.glyphs import LETTERS, SPOTS

if TYPE_CHECKING:
    from smoldocling.checkpoint import Checkpoint

IGNORED = -100
# Of a head's attention, below which it is not told to look there more: bfloat16 has no smaller steps beside 1.
LEAST_SHARE = 1e-6
# All matrices of the two towers' layers, by the names that the family gives them.
ADAPTED = r".*\.(vision_model\.encoder|text_model)\.layers\..*(_proj|fc1|fc2)"
# Locations beside the right one are nearly right: each is taught with its neighbours, this far (standard deviation).
NEAR = 3.0
# Of the decoder's layers from the middle, which look for what comes next (their first head) and where the last letter
# was read (their second): one finds the place, the next can go on from there.
NEXT, LAST = (-1, 0, 1), (-1, 0)
# On a CPU plain attention over so few patches is faster than the fused one, forth and back.
MOST_PLAIN_PATCHES = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """
    tiles    uint8 (tiles, T, T, 3), all pages' one after the other
    ids      (pages, longest), prompt and answer but its last id, filled up with the id that fills
    targets  (pages, longest), what comes after each id of the answer, IGNORED elsewhere
    shown    indices of the tiles whose letters are known
    letters  (shown, positions, scale * scale * SPOTS), see glyphs.labels
    places   (pages, longest), the row that what comes after each id is read from, or -1
    before   (pages, longest), where places are known, the one before in the same answer, or -1
    """

    tiles: Tensor
    ids: Tensor
    targets: Tensor
    shown: Tensor
    letters: Tensor
    places: Tensor
    before: Tensor

    @property
    def counts(self) -> dict[str, int]:
        """Over how many ids, letters' spots and looks each loss is a mean."""
        return {
            "answer": int((self.targets != IGNORED).sum()),
            "letters": self.letters.numel(),
            "looks": int((self.places >= 0).sum()) + int((self.before >= 0).sum()),
        }


@dataclass(frozen=True, slots=True)
class Losses:
    """Cross entropies in nats; None if not asked for.

    answer   of the answers' ids; of locations, what it exceeds its least by
    letters  of the letters that the tower should see
    looks    of the rows that the decoder should look at
    right    share of the answers' ids that would have been written
    """

    answer: Tensor | None
    letters: Tensor | None
    looks: Tensor | None
    right: float

    @property
    def all(self) -> dict[str, Tensor]:
        """Those that were asked for."""
        named = {"answer": self.answer, "letters": self.letters, "looks": self.looks}
        return {name: loss for name, loss in named.items() if loss is not None}

    def back(self) -> None:
        """Add the gradients of all of them to the weights'."""
        torch.autograd.backward(list(self.all.values()))


class Learner(nn.Module):
    """The network and a head that reads letters off the tower's positions; the head is thrown away in the end."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        fill_id: int,
        device: torch.device,
        dtype: torch.dtype,
        locations: Sequence[int] = (),
    ) -> None:
        """
        dtype      what is computed in; weights stay float32
        locations  ids of <loc_0>, <loc_1>..., where each is one id
        """
        super().__init__()
        from transformers import AutoModelForImageTextToText

        self._image_id = checkpoint.image_token_id
        self._fill_id = fill_id
        self._device, self._dtype = device, dtype
        patches = (checkpoint.tile_px // checkpoint.patch_px) ** 2
        plain = device.type == "cpu" and patches <= MOST_PLAIN_PATCHES
        self.model: Any = AutoModelForImageTextToText.from_pretrained(
            checkpoint.folder,
            dtype=torch.float32,
            attn_implementation="eager" if plain else "sdpa",
        )
        self.mean = torch.tensor(checkpoint.mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(checkpoint.std, device=device).view(3, 1, 1)
        self.rescale = checkpoint.rescale
        width = self.model.config.text_config.hidden_size
        self._locations = torch.tensor(locations, dtype=torch.int64, device=device)
        self._order = torch.full((checkpoint.vocab_size,), -1, dtype=torch.int64, device=device)
        self._order[self._locations] = torch.arange(len(locations), device=device)
        self._near = _near(len(locations)).to(device)
        self._spots = checkpoint.scale_factor**2 * SPOTS
        self.letters = nn.Linear(width, self._spots * (len(LETTERS) + 1))
        self.to(device)

    @property
    def tower(self) -> Any:
        return self.model.model.vision_model

    @property
    def connector(self) -> Any:
        return self.model.model.connector

    @property
    def decoder(self) -> Any:
        return self.model.model.text_model

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Examples to tensors."""
        longest = max(len(each.prompt) + len(each.answer) for each in examples) - 1
        ids = np.full((len(examples), longest), self._fill_id, dtype=np.int64)
        targets = np.full((len(examples), longest), IGNORED, dtype=np.int64)
        places = np.full((len(examples), longest), -1, dtype=np.int64)
        for row, each in enumerate(examples):
            whole = each.prompt + each.answer
            ids[row, : len(whole) - 1] = whole[:-1]
            targets[row, len(each.prompt) - 1 : len(whole) - 1] = each.answer
            if each.places:
                places[row, len(each.prompt) - 1 : len(whole) - 1] = each.places
        before = _before(places)
        shown: list[int] = []
        letters, first = [], 0
        for each in examples:
            if each.glyphs is not None:
                shown += range(first, first + len(each.glyphs))
                letters.append(each.glyphs)
            first += len(each.tiles)
        positions = letters[0].shape[1] if letters else 0
        return Batch(
            torch.from_numpy(np.concatenate([each.tiles for each in examples])),
            torch.from_numpy(ids).to(self._device),
            torch.from_numpy(targets).to(self._device),
            torch.tensor(shown, dtype=torch.int64, device=self._device),
            torch.from_numpy(
                np.concatenate(letters) if letters else np.zeros((0, positions, self._spots), np.int64)
            ).to(self._device),
            torch.from_numpy(places).to(self._device),
            torch.from_numpy(before).to(self._device),
        )

    def losses(
        self, batch: Batch, *, see: bool = False, look: bool = False, write: bool = True, tower: bool = True
    ) -> Losses:
        """
        see    judge what the tower sees, where that is known
        look   judge where the decoder looks, where that is known
        write  judge the answer
        tower  whether the tower and the connector learn
        """
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            with torch.set_grad_enabled(tower and torch.is_grad_enabled()):
                # Without the answer nobody looks at the whole views.
                features = self.features(batch.tiles if write else batch.tiles[batch.shown.cpu()])
            seen = None
            if see and len(batch.shown):
                seen = self._letters_loss(features[batch.shown] if write else features, batch.letters)
            if not write:
                return Losses(None, seen, None, 0.0)
            hidden, looks = self._decode(batch, features, look=look)
            logits = self.model.lm_head(hidden[batch.targets != IGNORED])  # (ids of all answers, vocab)
        targets = batch.targets[batch.targets != IGNORED]
        right = (logits.argmax(-1) == targets).float().mean().item()
        return Losses(self._answer_loss(logits.float(), targets), seen, looks, right)

    def _answer_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(ids, vocab), (ids,) -> mean in nats."""
        places = self._order[targets]
        located = places >= 0
        found = functional.cross_entropy(logits[~located], targets[~located], reduction="sum")
        if bool(located.any()):
            wanted = self._near[places[located]]  # (located, locations)
            given = logits[located].log_softmax(-1)[:, self._locations]
            found = found + (torch.xlogy(wanted, wanted) - wanted * given).sum()
        return found / len(targets)

    def features(self, tiles: Tensor) -> Tensor:
        """uint8 (tiles, T, T, 3) -> (tiles, positions, width)"""
        pixels = tiles.to(self._device).permute(0, 3, 1, 2).float()  # (tiles, 3, T, T)
        pixels = (pixels * self.rescale - self.mean) / self.std
        side = pixels.shape[-1] // self.tower.config.patch_size
        everywhere = torch.ones(len(tiles), side, side, dtype=torch.bool, device=self._device)
        patches = self.tower.embeddings(pixel_values=pixels, patch_attention_mask=everywhere)
        patches = self.tower.encoder(inputs_embeds=patches, attention_mask=None).last_hidden_state
        found: Tensor = self.connector(self.tower.post_layernorm(patches))
        return found

    def _letters_loss(self, features: Tensor, letters: Tensor) -> Tensor:
        logits = self.letters(features).float().view(-1, len(LETTERS) + 1)
        return functional.cross_entropy(logits, letters.reshape(-1))

    def _decode(self, batch: Batch, features: Tensor, *, look: bool) -> tuple[Tensor, Tensor | None]:
        """(pages, longest, width) behind the last layer, and how wrong the looks were."""
        rows = self.decoder.embed_tokens(batch.ids)
        images = (batch.ids == self._image_id)[..., None]
        rows = rows.masked_scatter(images, features.to(rows.dtype))
        look = look and bool((batch.places >= 0).any())
        out = self.decoder(inputs_embeds=rows, use_cache=False, output_attentions=look)
        hidden: Tensor = out.last_hidden_state
        if not look:
            return hidden, None
        middle = len(out.attentions) // 2
        looks = [
            share
            for head, places, layers in ((0, batch.places, NEXT), (1, batch.before, LAST))
            for share in _shares(out.attentions, head, places, [middle + layer for layer in layers])
        ]
        return hidden, -torch.cat(looks).clamp_min(LEAST_SHARE).log().mean()

    def adapt(self, rank: int) -> None:
        """From now on adapters of that rank learn, and the matrices of tower and decoder do not. Needs peft."""
        from peft import LoraConfig, inject_adapter_in_model

        self.model.requires_grad_(False)
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=ADAPTED), self.model)

    def merged(self) -> dict[str, Tensor]:
        """The model's weights by the names that its checkpoint has, adapters worked in."""
        tied = self.model.config.tie_word_embeddings
        layers = [module for module in self.model.modules() if hasattr(module, "lora_A")]
        for layer in layers:
            layer.merge()
        state = {
            name.replace(".base_layer", ""): weight.detach().clone()
            for name, weight in self.model.state_dict().items()
            if ".lora_" not in name and not (tied and name == "lm_head.weight")
        }
        for layer in layers:
            layer.unmerge()
        return state

    def parts(self, names: Sequence[str]) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights of "tower" (with connector), "decoder" and "letters" that learn, each once."""
        modules: dict[str, list[tuple[str, nn.Module]]] = {
            "tower": [("tower", self.tower), ("connector", self.connector)],
            "decoder": [("decoder", self.decoder), ("head", self.model.lm_head)],
            "letters": [("letters", self.letters)],
        }
        known: set[int] = set()
        for name in names:
            for prefix, module in modules[name]:
                for own, weight in module.named_parameters():
                    if weight.requires_grad and id(weight) not in known:
                        known.add(id(weight))
                        yield f"{prefix}.{own}", weight


def _near(count: int) -> Tensor:
    """(count, count): for each location how much each is wanted in its place."""
    places = torch.arange(count, dtype=torch.float32)
    share = torch.exp(-((places[:, None] - places) ** 2) / (2 * NEAR**2))
    return share / share.sum(1, keepdim=True)


def _before(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(pages, longest): for each known place the known one before it in its row, or -1."""
    known = places >= 0
    at = np.where(known, np.arange(places.shape[1]), -1)
    latest = np.maximum.accumulate(at, axis=1)
    earlier = np.concatenate([np.full((len(places), 1), -1), latest[:, :-1]], axis=1)
    found = np.take_along_axis(places, np.maximum(earlier, 0), axis=1)
    return np.where(known & (earlier >= 0), found, -1)


def _shares(attentions: Sequence[Tensor], head: int, places: Tensor, layers: Sequence[int]) -> Iterator[Tensor]:
    """Of one head's attention in some layers, what goes to the right place of each row that has one."""
    pages, ids = torch.nonzero(places >= 0, as_tuple=True)
    for layer in {min(layer, len(attentions) - 1) for layer in layers}:
        yield attentions[layer][pages, head, ids, places[pages, ids]].float()
