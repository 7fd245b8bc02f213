"""The language of a prompt, as far as a few hundred common words and the script tell. Pure.

Good enough to slice ratings by; a prompt that is too short, mixed, or code has none. Codes are ISO 639-1.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

_SCRIPTS: Final = {
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CJK": "zh", "ARABIC": "ar", "HEBREW": "he",
    "GREEK": "el", "THAI": "th", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}  # fmt: skip
_COMMON: Final = {
    "en": "the and is are of to in that it for with what how why you this write list explain from be as which"
          " does can give make your have not an or about",
    "de": "der die das und ist sind von zu im dass es für mit was wie warum du dies schreibe ein eine einen"
          " nicht oder über den dem auf wird ich sie bitte erkläre welche",
    "fr": "le la les et est sont de des du que il pour avec quoi comment pourquoi vous ce écris un une pas ou"
          " sur dans au aux je explique quel quelle donne",
    "es": "el la los las y es son de del que para con qué cómo por un una no o sobre en se al lo escribe"
          " explica cuál cuáles su como",
    "it": "il lo la gli le e è sono di del della che per con cosa come perché un una non o su nel scrivi"
          " spiega quale quali dei questo",
    "pt": "o a os as e é são de do da dos das que para com como por um uma não ou sobre em no na escreva"
          " explique qual quais seu",
    "nl": "de het een en is zijn van te dat voor met wat hoe waarom je dit schrijf niet of over op in leg uit"
          " welke geef naar",
    "pl": "i jest są w na z że do dla co jak dlaczego ty to napisz nie lub o się po czy który wyjaśnij oraz",
    "sv": "och är av att det för med vad hur varför du detta skriv en ett inte eller om på som den förklara",
    "tr": "ve bir bu için ile ne nasıl neden sen yaz değil veya de da mi olan hangi gibi",  # noqa: RUF001 - Turkish
    "ru": "и в не на что это как с по для почему ты вы напиши или о из к у объясни",  # noqa: RUF001 - Russian
    "uk": "і в не на що це як з по для чому ти ви напиши або про із до у поясни",  # noqa: RUF001 - Ukrainian
}  # fmt: skip
_WORDS: Final = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_WORD: Final = re.compile(r"[^\W\d_]+")
_READ: Final = 4_000  # characters: more tells nothing new
_LEAST_SHARE: Final = 0.12  # of words that are common ones of the language


def language_of(text: str) -> str | None:
    """ISO 639-1; None where it cannot be told."""
    text = unicodedata.normalize("NFC", text[:_READ])
    if (by_script := _by_script(text)) is not None:
        return by_script
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < 2:
        return None
    counts = {language: sum(word in common for word in words) for language, common in _WORDS.items()}
    (best, most), (_, second) = Counter(counts).most_common(2)
    return best if most > second and most / len(words) >= _LEAST_SHARE else None


def _by_script(text: str) -> str | None:
    """Where a third of the letters are of a script that one language writes. Kana make Japanese of
    ideographs."""
    scripts = Counter(
        unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
        for letter in text
        if ord(letter) > 0x36F and letter.isalpha()
    )
    letters = sum(letter.isalpha() for letter in text)
    found: Counter[str] = Counter()
    for script, count in scripts.items():
        if script in _SCRIPTS:
            found[_SCRIPTS[script]] += count
    if not found or sum(found.values()) * 3 < letters:
        return None
    return "ja" if "ja" in found and "zh" in found else found.most_common(1)[0][0]
