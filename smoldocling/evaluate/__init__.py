"""Scores of documents against their truth: `smoldocling eval`.

Knows: converters, doctags, metrics. Does not know: how a document was read, terminals.
"""

from smoldocling.evaluate.session import Evaluation, evaluate
from smoldocling.evaluate.totals import differences, totals

__all__ = ["Evaluation", "differences", "evaluate", "totals"]
