"""Our Markdown beside Docling's own, for the documents whose DocTags Docling wrote itself.

Where the two differ on purpose:

document                        ours                            Docling's
2305.03393v1-pg9                merged header cells, HTML       text repeated in every cell that a merged one covers
code_and_formula                listing's title above it,       below
                                where the page has it
normal_4pages                   one space between words;        two; "1)" at the start of a paragraph makes it a list
                                "1\\)" stays a footnote
picture_classification          caption below the picture,      above
                                where the page has it
right_to_left_01                one space between words         two
table_mislabeled_as_picture     no U+0084 for a bullet,         both; item numbers that its DocTags do not have
                                no `\\_` in fill-in lines
"""

from rapidfuzz import fuzz

import converters
import doctags

LEAST_MEAN = 0.97


def test_markdown_is_as_good_as_doclings_own(shared_data):
    """Similarity of characters (Indel ratio) over seven documents; lower means that something got lost or moved."""
    ratios = {}
    for source in sorted((shared_data / "docling").glob("*.dt")):
        ours = converters.to_markdown(doctags.parse(source.read_text(encoding="utf-8")))
        ratios[source.stem] = fuzz.ratio(ours, source.with_suffix(".md").read_text(encoding="utf-8")) / 100
    assert len(ratios) == 7
    assert sum(ratios.values()) / len(ratios) >= LEAST_MEAN, ratios
    assert min(ratios.values()) >= 0.85, ratios
