"""Documents made to exhaust whoever reads them: a few kilobytes that ask for hours or for all memory."""

from __future__ import annotations

import struct
import zlib

MIB = 2**20
SENTENCE = b"The tide gauge was read twice a day."
TEXT = b"BT /F 12 Tf 72 700 Td (" + SENTENCE + b") Tj ET "
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
FORM = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]"


def written(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(
        out + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, xref)
    )


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(data), data)


def page(
    content: bytes, *more: bytes, resources: bytes = b"", box: bytes = b"0 0 612 792", trailer: bytes = b""
) -> bytes:
    """One page; `more` are objects from number 6."""
    kind = b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%s>>>>" % (
        box,
        resources,
    )
    head = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", kind]
    return written([*head, content, FONT, *more], trailer)


def deflated(piece: bytes, times: int) -> bytes:
    """`piece` so many times, compressed without ever having it all."""
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * times + b"\x03\x00" + struct.pack(">I", 1)


def nested_forms() -> bytes:
    """Thirty forms, each of which draws the next ten times."""
    forms = [stream(b"/X Do " * 10, FORM + b"/Resources<</XObject<</X %d 0 R>>>>" % number) for number in range(7, 36)]
    return page(stream(TEXT + b"/X Do"), *forms, stream(b"0 0 9 9 re f", FORM), resources=b"/XObject<</X 6 0 R>>")


def flate() -> bytes:
    """Ten gigabytes of path in ten megabytes of file."""
    return page(stream(deflated(b"0 0 m 9 9 l " * (MIB // 12), 10_000), b"/Filter/FlateDecode"))


def huge_page() -> bytes:
    """14,400 points a side, the largest page that a PDF may have."""
    return page(stream(TEXT), box=b"0 0 14400 14400")


def xref_loop() -> bytes:
    """A table of objects that names itself as the one before it."""
    found = page(stream(TEXT), trailer=b"/Prev 1000000000")
    at = int(found[found.rindex(b"startxref") + 10 :].split()[0])
    return found.replace(b"/Prev 1000000000", b"/Prev %10d" % at)


def page_tree_loop() -> bytes:
    """A tree of pages that contains itself."""
    return page(stream(TEXT)).replace(b"/Kids[3 0 R]/Count 1", b"/Kids[2 0 R]/Count 9")


def endless_objects() -> bytes:
    """A stream of two billion objects that goes on in itself."""
    entries = b"/Type/ObjStm/N 2000000000/First 9/Extends 6 0 R/Filter/FlateDecode"
    return page(stream(TEXT), stream(deflated(b"1 0 2 10 " + b"<<>> " * 1000, 100_000), entries))


def invisible_letters() -> bytes:
    """200,000 letters that nobody can see, one over the other."""
    line = b"(" + b"invisible words " * 5 + b") Tj 0 -0.01 Td "
    return page(stream(b"BT /F 12 Tf 3 Tr 72 700 Td " + line * 2500 + b"ET"))


def letters() -> bytes:
    """Four million letters."""
    line = b"(" + b"Many visible words " * 5 + b") Tj 0 -0.0001 Td "
    return page(stream(deflated(b"BT /F 1 Tf 72 700 Td " + line * 420 + b"ET ", 100), b"/Filter/FlateDecode"))


def many_pages(count: int = 10_000) -> bytes:
    """So many pages that are all the same but for their numbers."""
    kids = b" ".join(b"%d 0 R" % (number + 4) for number in range(1, count + 1))
    kind = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F 4 0 R>>>>>>"
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count)
    return written([b"<</Type/Catalog/Pages 2 0 R>>", tree, stream(TEXT), FONT, *[kind] * count])


def large_png(side: int = 30_000) -> bytes:
    """A PNG of `side` x `side` white pixels, in a file of a megabyte or two."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = deflated(b"\0" + b"\xff" * side, side)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
