"""Text layers that make no sense are recognised, and those of any language are not doubted."""

from __future__ import annotations

import random
from pathlib import Path

import pymupdf
import pytest
from make import PROSE

from smoldocling import sense
from smoldocling.pages.textlayer import Reader
from smoldocling.pages.words import Words

LANGUAGES = {
    "German": "Die Sitzung des Ausschusses wurde um sechzehn Uhr eröffnet, und das Protokoll der letzten Sitzung wurde "
    "ohne Änderungen genehmigt; danach sprach der Vorsitzende über die Pläne für das kommende Jahr.",
    "Polish": "Posiedzenie komisji rozpoczęło się o godzinie szesnastej, a protokół z poprzedniego posiedzenia został "
    "przyjęty bez zmian; następnie przewodniczący przedstawił plany na przyszły rok i podziękował wszystkim.",
    "Czech": "Strč prst skrz krk. Zasedání výboru začalo v šestnáct hodin a zápis z předchozího zasedání byl schválen "
    "beze změn; poté předseda seznámil přítomné s plány na příští rok.",
    "Finnish": "Valiokunnan kokous avattiin kello kuusitoista, ja edellisen kokouksen pöytäkirja hyväksyttiin ilman "
    "muutoksia; sen jälkeen puheenjohtaja kertoi seuraavan vuoden suunnitelmista.",
    "Vietnamese": "Cuộc họp của ủy ban bắt đầu lúc mười sáu giờ, biên bản cuộc họp trước được thông qua mà không "
    "có thay đổi; sau đó chủ tịch trình bày kế hoạch cho năm tới và cảm ơn mọi người.",
    "code": "for (int i = 0; i < size; i++) { sum += values[i] * weights[i]; if (sum > limit) break; } return sum; "
    "struct buffer { char *ptr; size_t len; }; static void buf_clr(struct buffer *b) { memset(b->ptr, 0, b->len); }",
    "numbers": "Q1 12.50 13.75 Q2 11.20 9.80 Q3 7.10 8.45 Q4 6.60 7.90 EUR USD GBP CHF JPY 1,204.50 88% 91% 14% 73%",
}


def words(*texts: str) -> Words:
    document = pymupdf.open()
    for text in texts:
        document.new_page().insert_htmlbox((72, 72, 523, 770), f"<p>{text}</p>")
    with pymupdf.open(stream=document.tobytes(), filetype="pdf") as copy:
        reading = Reader(copy).read(0)
    assert reading.words is not None
    return reading.words


def shifted(text: str, by: int) -> str:
    """Every letter moved along the alphabet, as by a font whose codes are off."""
    return "".join(
        chr((ord(char.lower()) - 97 + by) % 26 + (65 if char.isupper() else 97)) if char.isalpha() else char
        for char in text
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_of_any_language_makes_sense(language: str) -> None:
    """Doubt costs the page its draft and its check."""
    text = LANGUAGES[language].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert sense.doubt(words(text)) is None


def test_the_documents_at_hand_make_sense(shared_data: Path) -> None:
    """English, Korean, Arabic, tables, forms."""
    for path in [
        *sorted((shared_data / "docling").glob("*.pdf")),
        *sorted((shared_data / "tables").rglob("*.pdf"))[:20],
    ]:
        with pymupdf.open(path) as document:
            reading = Reader(document).read(0)
        assert reading.words is None or sense.doubt(reading.words) is None, path.name


def test_a_text_in_capital_codes_is_a_cipher() -> None:
    """The commonest broken font: codes 29 below the letters, "The" as "7KH"."""
    coded = "".join(chr(ord(char) - 29) if char.isalpha() else char for char in PROSE)
    assert sense.doubt(words(coded.replace("&", "&amp;").replace("<", "&lt;"))) is not None


def test_a_cipher_is_found_at_the_latest_when_the_model_has_read_the_page() -> None:
    """Some ciphers keep enough vowels; none keeps the shares of the letters."""
    for by in range(1, 26):
        page = words(shifted(PROSE, by))
        assert sense.doubt(page) or sense.contradiction(page, [PROSE], 0.0), by


def test_any_shuffled_alphabet_is_found() -> None:
    """Subset fonts number their letters in the order in which they occur."""
    dice = random.Random(1)
    missed = 0
    for _ in range(40):
        letters = list("abcdefghijklmnopqrstuvwxyz")
        dice.shuffle(letters)
        table = str.maketrans("abcdefghijklmnopqrstuvwxyz", "".join(letters))
        page = words(PROSE.lower().translate(table))
        missed += not (sense.doubt(page) or sense.contradiction(page, [PROSE], 0.0))
    assert missed <= 2


def test_an_invention_does_not_make_the_page_a_cipher() -> None:
    """A model that writes about the Book of the Dead uses letters as the page does: the page is right."""
    invented = (
        "The Book of the Dead is an ancient Egyptian funerary text, used from the beginning of the New Kingdom to "
    )
    invented += "around 50 BC. It consists of a number of magic spells intended to assist a dead person's journey."
    assert sense.contradiction(words(PROSE), [invented], 0.0) is None
    assert sense.contradiction(words(LANGUAGES["German"]), [invented], 0.0) is None


def test_what_agrees_is_never_contradicted() -> None:
    """Agreement speaks for the text layer, whatever its letters."""
    assert sense.contradiction(words(shifted(PROSE, 4)), [PROSE], 0.9) is None
