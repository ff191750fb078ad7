"""Whose turn is it: token ids in, token ids out. Knows no pages, files or tags."""
