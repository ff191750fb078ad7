"""LaTeX to MathML, or None where it cannot be converted.

Knows: latex2mathml and the elements of MathML Core. Does not know: where a formula stands.
Law: nothing leaves but elements and attributes of the tables below, whatever the LaTeX says.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from lxml import etree

from converters.characters import legal
from converters.latex import bare


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The elements that describe a formula; maction, annotation-xml and links are not among them.
_ELEMENTS = _names("""
    math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose msub msup msubsup munder mover
    munderover mmultiscripts mprescripts none mtable mtr mtd mlabeledtr merror
""")
_ATTRIBUTES = _names("""
    accent accentunder columnalign columnlines columnspacing depth displaystyle fence form height largeop linethickness
    lspace mathsize mathvariant maxsize minsize movablelimits notation rowlines rowspacing rspace scriptlevel separator
    stretchy symmetric voffset width
""")
_REFERENCE = re.compile(r"&#x([0-9A-F]{5});")
# The converter's time grows with the square of some inputs; no formula on a page is this long.
MAX_LATEX = 4_000


def mathml(latex: str, *, display: bool) -> etree._Element | None:
    """A `math` element that carries its LaTeX as an annotation."""
    source = bare(latex)
    if not source or len(source) > MAX_LATEX:
        return None
    try:
        # Imported here: it loads tables of symbols that documents without formulas do not need.
        from latex2mathml.converter import convert_to_element

        found = convert_to_element(source)
        row = _copied(found)
    except Exception:
        # A model writes any string of tokens; the converter answers with whatever exception it stumbles over.
        return None
    math = etree.Element("math", display="block" if display else "inline")
    semantics = etree.SubElement(math, "semantics")
    group = etree.SubElement(semantics, "mrow")
    group.extend(list(row))
    annotation = etree.SubElement(semantics, "annotation", encoding="application/x-tex")
    annotation.text = source
    return math


def _copied(element: ElementTree.Element) -> etree._Element:
    name = element.tag.rpartition("}")[2]
    if name not in _ELEMENTS:
        raise ValueError(f"<{name}> is no element of a formula")
    copy = etree.Element(name, {key: value for key, value in element.attrib.items() if key in _ATTRIBUTES})
    copy.text = _unescaped(element.text)
    copy.extend([_copied(child) for child in element])
    return copy


def _unescaped(text: str | None) -> str | None:
    """latex2mathml writes symbols as references of five digits, to be resolved by whoever prints them."""
    if text is None:
        return None
    if text.startswith("\\"):
        raise ValueError(f"{text} is a command that the converter does not know")
    return legal(_REFERENCE.sub(lambda found: chr(int(found.group(1), 16)), text))
