"""Pictures of every PIL mode as a person would see them: three bytes a pixel, on white paper.

Knows: PIL modes. Does not know: tiles, pages.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageCms

# What white may be in grey images of that mode, smallest first; 65535 in the others.
WHITES = {"F": (1, 255, 65535), "I": (255, 65535)}


def rgb(image: Image.Image) -> Image.Image:
    """What a person would see: three bytes a pixel, paper-white behind anything transparent."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return _deep(image).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    return image.convert("RGB")


def _deep(image: Image.Image) -> Image.Image:
    """Grey values of more than 8 bits, scaled to 8. PIL itself would clip them, which turns a scan white."""
    values = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    for white in WHITES.get(image.mode, (65535,)):
        if low >= 0 and high <= white:
            return Image.fromarray((values * (255 / white) + 0.5).astype(np.uint8))
    # No usual range: the darkest value is black, the lightest white.
    return Image.fromarray(((values - low) * (255 / ((high - low) or 1)) + 0.5).astype(np.uint8))
