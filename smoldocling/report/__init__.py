"""One self-contained HTML file for people who would rather look than read: page images, boxes, text, problems.

Knows: results, the HTML of converters, lxml. Does not know: how a page was read, where files go.
Law: what a document says is a text node or an attribute, never markup and never part of a script.
"""

from smoldocling.report.document import to_report

__all__ = ["to_report"]
