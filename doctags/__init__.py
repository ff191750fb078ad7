"""The DocTags language: parse, validate, write. Standard library only."""

from doctags.parser import Parser, parse
from doctags.tokens import DialectName
from doctags.tree import Box, Cell, Document, Element, Link, Page, Problem
from doctags.validator import validate
from doctags.writer import write

__all__ = [
    "Box",
    "Cell",
    "DialectName",
    "Document",
    "Element",
    "Link",
    "Page",
    "Parser",
    "Problem",
    "parse",
    "validate",
    "write",
]
