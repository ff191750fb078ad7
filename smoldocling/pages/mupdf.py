"""Whose turn it is with MuPDF.

It is one for the whole process and keeps what it does in global variables, so that two threads disturb each other even
over different documents; the layout model that comes with it is no better.
"""

from __future__ import annotations

import threading

ALONE = threading.RLock()
"""Held around every use of PyMuPDF. It holds the interpreter's own lock within each call anyway: this costs no time."""
