"""Figures that show nothing: charts, drawings, codes, clouds of gray. Each has its class in DocTags.

Knows: strokes, bars, plates. Does not know: captions, pages. Words in a figure belong to it and are not in DocTags.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from random import Random

import numpy as np

from smoldocling.training import words
from smoldocling.training.block import Block, Mark, Part, extent
from smoldocling.training.faces import Face
from smoldocling.training.sheet import Bar, Plate, Point, Run, Stroke

LABEL_PT = (5.5, 8.0)


def figure(random: Random, face: Face, width: float, height: float) -> Block:
    """A figure of that size in points."""
    label = random.choices(list(KINDS), [often for _, often in KINDS.values()])[0]
    draw, _ = KINDS[label]
    marks = draw(random, face, width, height)
    return Block(height, tuple(marks), (Part("picture", area=(extent(marks),), label=label),))


def _axes(
    random: Random, face: Face, width: float, height: float
) -> tuple[list[Mark], tuple[float, float, float, float]]:
    """A frame with ticks and figures, and the area within."""
    size = random.uniform(*LABEL_PT)
    left, top, right, bottom = 3.2 * size, 0.6 * size, width - 0.8 * size, height - 1.8 * size
    marks: list[Mark] = [Bar((left, top, left + 0.6, bottom)), Bar((left, bottom - 0.6, right, bottom))]
    if random.random() < 0.4:
        marks += [Bar((left, top, right, top + 0.6)), Bar((right - 0.6, top, right, bottom))]
    count, step = random.randint(3, 6), random.choice((1, 2, 5, 10, 0.2, 0.5))
    for tick in range(count):
        y = bottom - (bottom - top) * tick / (count - 0.5)
        text = f"{tick * step:g}"
        marks.append(Run(text, left - 0.5 * size - face.width(text) * size, y + 0.3 * size, face, size))
        marks.append(Bar((left - 0.3 * size, y - 0.3, left, y + 0.3)))
    if random.random() < 0.4:
        lines = [bottom - (bottom - top) * tick / (count - 0.5) for tick in range(1, count)]
        marks = [*(Bar((left, y - 0.25, right, y + 0.25), 200) for y in lines), *marks]
    return marks, (left, top, right, bottom)


def _named(random: Random, face: Face, places: list[float], y: float, size: float, room: float) -> list[Mark]:
    """Short labels below places on an axis."""
    marks: list[Mark] = []
    for place in places:
        text = random.choice((words.name(random), str(random.randrange(1990, 2030))))
        if face.width(text) * size > room:
            text = text[:1].upper()
        marks.append(Run(text, place - face.width(text) * size / 2, y, face, size))
    return marks


def _bars(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    marks, (left, top, right, bottom) = _axes(random, face, width, height)
    count, groups = random.randint(3, 8), random.choice((1, 1, 2, 3))
    room = (right - left) / count
    thick = room * random.uniform(0.5, 0.85) / groups
    grays = random.sample((40, 90, 130, 170, 210), groups)
    middles = [left + room * (spot + 0.5) for spot in range(count)]
    for middle in middles:
        for group, gray in enumerate(grays):
            x = middle + thick * (group - groups / 2)
            marks.append(Bar((x, bottom - (bottom - top) * random.uniform(0.05, 0.95), x + thick * 0.92, bottom), gray))
    size = min(LABEL_PT[0], 0.18 * height)
    return marks + _named(random, face, middles, bottom + 1.2 * size, size, room * 0.95)


def _lines(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    marks, (left, top, right, bottom) = _axes(random, face, width, height)
    count = random.randint(6, 40)
    for _ in range(random.randint(1, 4)):
        level, points, gray = random.uniform(0.2, 0.8), list[Point](), random.choice((0, 60, 110, 150))
        for spot in range(count):
            level = min(max(level + random.gauss(0, 0.5 / count**0.5), 0.03), 0.97)
            points.append((left + (right - left) * spot / (count - 1), bottom - (bottom - top) * level))
        marks.append(Stroke(tuple(points), random.uniform(0.6, 1.8), gray))
        if count < 15 and random.random() < 0.5:
            marks += [Bar((x - 1.5, y - 1.5, x + 1.5, y + 1.5), gray) for x, y in points]
    size = LABEL_PT[0]
    places = [left + (right - left) * spot / 4 for spot in range(1, 4)]
    return marks + _named(random, face, places, bottom + 1.2 * size, size, (right - left) / 5)


def _dots(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    marks, (left, top, right, bottom) = _axes(random, face, width, height)
    slope, spread = random.uniform(-0.8, 0.8), random.uniform(0.03, 0.2)
    for _ in range(random.randint(20, 120)):
        across = random.random()
        up = min(max(0.5 + slope * (across - 0.5) + random.gauss(0, spread), 0.02), 0.98)
        x, y = left + (right - left) * across, bottom - (bottom - top) * up
        marks.append(Bar((x - 1.0, y - 1.0, x + 1.0, y + 1.0), random.choice((0, 0, 90))))
    return marks


def _pie(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    radius, middle = 0.42 * min(width, height), (width / 2, height / 2)
    shares = [random.uniform(0.3, 1.0) for _ in range(random.randint(2, 6))]
    grays = random.sample((50, 90, 120, 150, 180, 205, 230), len(shares))
    marks: list[Mark] = []
    start = random.uniform(0, 2 * pi)
    for share, gray in zip(shares, grays, strict=True):
        turn = 2 * pi * share / sum(shares)
        arc = [start + turn * step / 24 for step in range(25)]
        rim = [(middle[0] + radius * cos(angle), middle[1] + radius * sin(angle)) for angle in arc]
        marks.append(Stroke((middle, *rim), 0.7, 255, gray))
        start += turn
    size = random.uniform(*LABEL_PT)
    texts = [words.name(random) for _ in shares]
    x = width / 2 + radius + size
    if x + max(map(face.width, texts)) * size + 2 * size > width:
        return marks
    for spot, (text, gray) in enumerate(zip(texts, grays, strict=True)):
        y = height / 2 + (spot - len(texts) / 2) * 1.5 * size
        marks += [Bar((x, y - 0.7 * size, x + 0.8 * size, y), gray), Run(text, x + 1.2 * size, y, face, size)]
    return marks


def _flow(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    count = random.randint(2, 4)
    room, size = width / count, random.uniform(6.0, 9.0)
    marks: list[Mark] = []
    for spot in range(count):
        left, right = room * (spot + 0.08), room * (spot + 0.78)
        middle = height * random.uniform(0.4, 0.6)
        half = min(height * 0.3, 2.2 * size)
        corners = ((left, middle - half), (right, middle - half), (right, middle + half), (left, middle + half))
        if random.random() < 0.25:
            corners = (
                (left, middle),
                ((left + right) / 2, middle - half),
                (right, middle),
                ((left + right) / 2, middle + half),
            )
        marks.append(Stroke(corners, 0.8, 0, random.choice((255, 235, 220))))
        text = words.name(random)
        if face.width(text) * size < 0.9 * (right - left):
            marks.append(Run(text, (left + right - face.width(text) * size) / 2, middle + 0.3 * size, face, size))
        if spot < count - 1:
            end = room * (spot + 1.08) - 1
            marks.append(Stroke(((right, middle), (end, middle)), 0.8))
            marks.append(Stroke(((end - 3, middle - 2), (end, middle), (end - 3, middle + 2)), 0.3, 0, 0))
    return marks


def _cloud(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    """Soft shapes of gray: what a photograph looks like from afar."""
    rows, columns = 48, max(8, min(96, round(48 * width / height)))
    noise = np.random.default_rng(random.getrandbits(32))
    down, across = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)[None, :]
    level = np.zeros((rows, columns))
    for _ in range(random.randint(4, 12)):
        far = np.hypot(down - noise.random(), (across - noise.random()) * width / height)
        level += noise.uniform(-90, 90) * np.exp(-((far / noise.uniform(0.1, 0.5)) ** 2))
    level += 128 + noise.normal(0, random.choice((0, 4, 12)), level.shape)
    return [_plate(level, width, height)]


def _static(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    noise = np.random.default_rng(random.getrandbits(32))
    coarse = random.choice((3.0, 6.0, 12.0))
    level = noise.integers(0, 256, (max(2, int(height / coarse)), max(2, int(width / coarse))))
    return [_plate(level, width, height)]


def _square_code(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    """Looks like a QR code, says nothing."""
    side, count = min(width, height), random.choice((21, 25, 29))
    level = np.random.default_rng(random.getrandbits(32)).integers(0, 2, (count, count)) * 255
    eye = np.full((8, 8), 255)
    eye[:7, :7], eye[1:6, 1:6], eye[2:5, 2:5] = 0, 255, 0
    level[:8, :8], level[:8, -8:], level[-8:, :8] = eye, eye[:, ::-1], eye[::-1]
    left = (width - side) / 2
    return [Plate((left, 0.0, left + side, side), count, count, level.astype(np.uint8).tobytes())]


def _bar_code(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    x, unit = 0.0, max(width / 110, 0.8)
    marks: list[Mark] = []
    while x < width - 4 * unit:
        thick = unit * random.randint(1, 3)
        marks.append(Bar((x, 0.0, x + thick, height)))
        x += thick + unit * random.randint(1, 3)
    return marks


def _signature(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    points: list[Point] = []
    loops, phase, count = random.uniform(4, 9), random.uniform(0, 6), 120
    for spot in range(count):
        along = spot / count
        x = width * (0.08 + 0.8 * along + 0.04 * sin(loops * 2 * pi * along))
        y = height * (0.5 + 0.36 * sin(loops * 2.6 * pi * along + phase) * (1 - 0.8 * along) + 0.06 * random.random())
        points.append((x, y))
    return [Stroke(tuple(points), random.uniform(0.7, 1.6), random.choice((0, 40, 80)))]


def _drawing(random: Random, face: Face, width: float, height: float) -> list[Mark]:
    """Outlines, a circle, a line with arrows: a part to be made."""
    marks: list[Mark] = []
    for _ in range(random.randint(2, 5)):
        left, top = random.uniform(0.05, 0.6) * width, random.uniform(0.05, 0.6) * height
        right, bottom = left + random.uniform(0.1, 0.35) * width, top + random.uniform(0.1, 0.35) * height
        if random.random() < 0.4:
            radius, middle = min(right - left, bottom - top) / 2, ((left + right) / 2, (top + bottom) / 2)
            turn = [2 * pi * step / 40 for step in range(41)]
            rim = tuple((middle[0] + radius * cos(angle), middle[1] + radius * sin(angle)) for angle in turn)
            marks.append(Stroke(rim, 0.8))
        else:
            marks.append(Stroke(((left, top), (right, top), (right, bottom), (left, bottom), (left, top)), 1.0))
        marks.append(Stroke(((left, bottom + 4), (right, bottom + 4)), 0.4, 90))
    return marks


def _plate(level: np.ndarray, width: float, height: float) -> Plate:
    grays = np.clip(level, 0, 255).astype(np.uint8)
    rows, columns = grays.shape
    return Plate((0.0, 0.0, width, height), rows, columns, grays.tobytes())


Draw = Callable[[Random, Face, float, float], list[Mark]]
KINDS: dict[str, tuple[Draw, int]] = {
    "bar_chart": (_bars, 6),
    "line_chart": (_lines, 6),
    "scatter_plot": (_dots, 3),
    "pie_chart": (_pie, 3),
    "flow_chart": (_flow, 3),
    "photograph": (_cloud, 4),
    "other": (_static, 1),
    "qr_code": (_square_code, 1),
    "bar_code": (_bar_code, 1),
    "signature": (_signature, 1),
    "engineering_drawing": (_drawing, 2),
}
"""DocTags' class of a figure, how it is drawn, how often."""
