"""Imports flow one way, and heavy things sit at the rim (docs: the layout in README.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("doctags", "converters", "smoldocling")

# module prefix -> the project's own modules that it may import; the longest prefix that fits decides
ALLOWED = {
    "doctags": ("doctags",),
    "converters": ("converters", "doctags"),
    "smoldocling.errors": (),
    "smoldocling.selection": ("smoldocling.errors",),
    "smoldocling.pages": ("smoldocling.pages", "smoldocling.errors", "doctags"),
    "smoldocling.hub": ("smoldocling.errors",),
    "smoldocling.checkpoint": ("smoldocling.hub", "smoldocling.errors"),
    "smoldocling.vocab": ("smoldocling.checkpoint", "smoldocling.errors", "doctags"),
    "smoldocling.model": ("smoldocling.model", "smoldocling.checkpoint", "smoldocling.errors"),
    "smoldocling.engine": ("smoldocling.engine", "smoldocling.model", "smoldocling.checkpoint", "smoldocling.errors"),
    "smoldocling.engine.slots": (),
    "smoldocling.engine.ear": (),
    "smoldocling.engine.scheduler": (
        "smoldocling.engine.ear",
        "smoldocling.engine.constrain",
        "smoldocling.engine.sequence",
        "smoldocling.engine.slots",
        "smoldocling.engine.speculate",
        "smoldocling.engine.stop",
    ),
    "smoldocling.engine.speculate": (),
    "smoldocling.engine.room": (),
    "smoldocling.result": ("converters", "doctags"),
    "smoldocling.progress": (),
    "smoldocling.desk": ("smoldocling.engine", "smoldocling.errors"),
    "smoldocling.flow": ("smoldocling.desk", "smoldocling.engine"),
    "smoldocling.earlier": ("smoldocling.output", "smoldocling.pages"),
    "smoldocling.feed": (),
    "smoldocling.workers": (
        "smoldocling.workers",
        "smoldocling.pages",
        "smoldocling.layer",
        "smoldocling.crops",
        "smoldocling.views",
        "smoldocling.result",
        "smoldocling.errors",
        "doctags",
    ),
    "smoldocling.workers.wire": (),
    "smoldocling.workers.limits": (),
    "smoldocling.views": ("smoldocling.pages",),
    "smoldocling.intake": (
        "smoldocling.feed",
        "smoldocling.layer",
        "smoldocling.workers",
        "smoldocling.pages",
        "smoldocling.selection",
        "smoldocling.errors",
    ),
    "smoldocling": PACKAGES,
}
# The engine and the training code run on machines that have neither PyMuPDF nor docling-core.
FORBIDDEN = {
    "doctags": {"torch", "transformers", "pymupdf", "docling_core", "PIL", "numpy", "lxml"},
    "smoldocling.engine": {"pymupdf", "docling_core", "typer"},
    "smoldocling.engine.slots": {"torch", "numpy", "transformers", "pymupdf"},
    "smoldocling.engine.scheduler": {"torch", "numpy", "transformers", "pymupdf"},
    "smoldocling.engine.speculate": {"torch", "numpy", "transformers", "pymupdf"},
    "smoldocling.training": {"pymupdf", "docling_core", "typer"},
    "smoldocling.training.faces": {"docling_core", "typer", "transformers"},
    "smoldocling.training.press": {"docling_core", "typer", "transformers"},
    "smoldocling.engine.native": {"pymupdf", "docling_core", "typer", "transformers"},
    "smoldocling.model": {"pymupdf", "docling_core", "typer", "transformers"},
    "smoldocling.checkpoint": {"pymupdf", "docling_core"},
    "smoldocling.vocab": {"pymupdf", "docling_core"},
    "smoldocling.desk": {"numpy", "torch", "transformers", "pymupdf", "docling_core"},
    "smoldocling.flow": {"numpy", "torch", "transformers", "pymupdf", "docling_core"},
    "smoldocling.workers": {"torch", "transformers", "pymupdf", "docling_core", "typer", "multiprocessing"},
    "smoldocling.feed": {"numpy", "torch", "transformers", "pymupdf", "docling_core"},
    "smoldocling.pages.tiles": {"pymupdf", "docling_core", "torch", "transformers"},
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(part for part in parts if part != "__init__"), path))
    return found


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports, wherever in the file, `from a import b` as a.b and a."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def rule(table: dict, module: str):
    fitting = [prefix for prefix in table if module == prefix or module.startswith(prefix + ".")]
    return table[max(fitting, key=len)] if fitting else None


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_import_goes_against_the_stream(module: str, path: Path) -> None:
    """A reader of one package must never need to know one above it."""
    allowed = rule(ALLOWED, module)
    forbidden = rule(FORBIDDEN, module) or set()
    for name in imports(path):
        if name.split(".")[0] in PACKAGES:
            fits = any(name == prefix or name.startswith(prefix + ".") for prefix in allowed)
            assert fits or (module == "smoldocling" and allowed), f"{module} imports {name}"
        assert name.split(".")[0] not in forbidden, f"{module} imports {name}"


def test_only_the_command_line_prints_or_exits() -> None:
    """A library that prints cannot be used in a pipe."""
    for module, path in modules():
        if module in ("smoldocling.cli", "smoldocling.progress"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "exit", "quit"), f"{module}:{node.lineno}"


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_doctags_needs_the_standard_library_only() -> None:
    """It is meant to be used by others, who will not want our dependencies."""
    foreign = loaded_by("import doctags") - loaded_by("pass") - set(sys.stdlib_module_names)
    assert foreign == {"doctags"}


def test_the_command_line_starts_without_heavy_modules() -> None:
    """`smoldocling --help` must answer at once."""
    loaded = loaded_by("import smoldocling.cli, smoldocling, converters")
    assert not loaded & {"torch", "transformers", "pymupdf", "docling_core", "numpy", "PIL", "lxml", "rich"}
