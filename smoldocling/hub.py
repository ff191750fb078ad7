"""A model's name to a folder on this machine: the hub's cache, or a download into it.

Knows: names, revisions, the cache's layout, the network. Does not know: what is in a checkpoint's files.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from smoldocling.errors import NoCheckpoint, UnusableCheckpoint

SHORT_NAMES = {
    "smoldocling": "docling-project/SmolDocling-256M-preview",
    "granite-docling": "ibm-granite/granite-docling-258M",
}

REVISIONS = {
    "docling-project/SmolDocling-256M-preview": "ce51f56c4ebe36e0b1c3a55f67b261ba22a50bf8",
    "ibm-granite/granite-docling-258M": "982fe3b40f2fa73c365bdb1bcacf6c81b7184bfe",
}
"""The commits that these names mean unless another revision is asked for; every other name means its main branch."""

NEEDED_FILES = [
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.json", "chat_template.jinja", "model*.safetensors", "model.safetensors.index.json"),
]

# A closed network must cost seconds, not the minutes that name resolution and retries can take.
HUB_ANSWERS_WITHIN_S = 3.0


def repository(model: str) -> str:
    """The hub id that a name stands for. Raises UnusableCheckpoint for what cannot be one."""
    found = SHORT_NAMES.get(model, model)
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", found):
        raise UnusableCheckpoint(
            f"{model!r} is neither a folder nor a hub id; give a folder, an id like {SHORT_NAMES['smoldocling']},"
            f" or one of {', '.join(SHORT_NAMES)}"
        )
    return found


def snapshot(repository: str, *, revision: str | None = None, local_only: bool = False) -> Path:
    """The folder that holds this revision of a model, from the cache or downloaded. Raises NoCheckpoint.

    Where the pinned revision can not be had, a cached main branch will do; a revision that was asked for is a must.
    """
    wanted = revision or REVISIONS.get(repository, constants.DEFAULT_REVISION)
    folder = _cached(repository, wanted)
    if folder is not None:
        return folder
    if local_only or constants.is_offline_mode():
        reason = "downloads are switched off"
    elif not _hub_answers():
        reason = f"{constants.ENDPOINT} cannot be reached ({HUB_ANSWERS_WITHIN_S:.0f} seconds are allowed)"
    else:
        downloaded = _download(repository, wanted)
        if isinstance(downloaded, Path):
            return downloaded
        reason = downloaded
    folder = None if revision else _cached(repository, constants.DEFAULT_REVISION)
    if folder is None:
        raise NoCheckpoint(
            f"{repository} is neither a folder here nor in {constants.HF_HUB_CACHE}, and {reason}",
            f"give the folder of a copy as the model ('hf download {repository}' makes one where there is a network),"
            " or use the textlayer engine",
        )
    return folder


def cached() -> Iterator[tuple[str, Path]]:
    """Hub id and folder of every snapshot in the cache, whatever is in it."""
    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*/snapshots/*")):
        yield folder.parts[-3].removeprefix("models--").replace("--", "/", 1), folder


def _cached(repository: str, revision: str) -> Path | None:
    """The cache's folder of a branch, tag or commit. What was cut off or cannot be read does not count."""
    home = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    reference = home / "refs" / revision
    try:
        folder = home / "snapshots" / (reference.read_text().strip() if reference.is_file() else revision)
        return folder if _is_whole(folder) else None
    except (OSError, ValueError):  # no rights, names too long for the disk, references that hold no text
        return None


def _is_whole(folder: Path) -> bool:
    """Whether the files that every checkpoint has are there; shards say in their names how many they are."""
    weights = sorted(file.name for file in folder.glob("model*.safetensors"))
    if not weights or not (folder / "config.json").exists() or not (folder / "tokenizer.json").exists():
        return False
    shards = re.search(r"-of-(\d+)\.safetensors$", weights[0])
    return shards is None or len(weights) >= int(shards[1])


def _download(repository: str, revision: str) -> Path | str:
    """Fetch what is needed, with progress on stderr where that is a terminal; or say why not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=NEEDED_FILES))
    except GatedRepoError:
        return f"{constants.ENDPOINT} wants you to log in and accept its terms"
    except RepositoryNotFoundError:
        return f"{constants.ENDPOINT} knows no such model, or not without a token"
    except RevisionNotFoundError:
        return f"{constants.ENDPOINT} has no revision {revision} of it"
    except Exception as error:  # the network's, the hub's and the disk's errors have no class in common
        return f"the download failed: {' '.join(str(error).split())}"


def _hub_answers() -> bool:
    """Whether anything comes back from the hub, be it an error. In a thread, since looking up a name has no timeout."""
    from huggingface_hub import get_session

    answers: queue.Queue[bool] = queue.Queue()

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN_S)
            answers.put(True)
        except Exception:  # whatever went wrong, the hub is not there for us
            answers.put(False)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=HUB_ANSWERS_WITHIN_S)
    except queue.Empty:
        return False
