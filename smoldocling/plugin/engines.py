"""What Docling finds of us: engines for its stages, and a preset for its pipeline of vision-language models.

Knows: the names of Docling's hooks. Does not know: what the engines do.
Laws: importing this costs next to nothing, since Docling imports it at every start where plugins are allowed; nothing
that goes wrong here keeps Docling from starting.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

_log = logging.getLogger(__name__)


def layout_engines() -> dict[str, list[Any]]:
    """For `--layout-engine smoldocling`."""
    from smoldocling.plugin.layout import SmolDoclingLayout

    return {"layout_engines": [SmolDoclingLayout]}


def table_structure_engines() -> dict[str, list[Any]]:
    """For `--table-structure-engine smoldocling`."""
    from smoldocling.plugin.tables import SmolDoclingTables

    return {"table_structure_engines": [SmolDoclingTables]}


def ocr_engines() -> dict[str, list[Any]]:
    """For `--ocr-engine smoldocling`."""
    from smoldocling.plugin.ocr import SmolDoclingOcr

    return {"ocr_engines": [SmolDoclingOcr]}


def picture_description() -> dict[str, list[Any]]:
    """For `picture_description_options=SmolDoclingPictureOptions()`."""
    from smoldocling.plugin.pictures import SmolDoclingPictures

    return {"picture_description": [SmolDoclingPictures]}


def _register() -> None:
    """The preset, where Docling is there to take it."""
    # only then is it Docling that imports us; for anybody else, importing Docling would take seconds
    if "docling.datamodel.pipeline_options" not in sys.modules:
        return
    try:
        from smoldocling.plugin.preset import register

        register()
    except Exception as error:  # whatever has become of presets in the Docling that is installed, it is to start
        _log.warning("the preset of smoldocling cannot be registered: %s: %s", type(error).__name__, error)


_register()
