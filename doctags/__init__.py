"""The DocTags language: parse, validate, write. Standard library only."""

from doctags.tree import Box, Cell, Document, Element, Link, Page, Problem

__all__ = ["Box", "Cell", "Document", "Element", "Link", "Page", "Problem"]
