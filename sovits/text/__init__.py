"""Text in, phones (or tokens in their place) and semantic tokens out."""

from __future__ import annotations

from sovits.text.encoding import EncodedText
from sovits.text.front_end import TextFrontEnd
from sovits.text.normalization import normalize
from sovits.text.phonemes.english import EnglishLetters, EnglishPhonemizer
from sovits.text.phonemes.mandarin import MandarinPhonemizer
from sovits.text.token_front_end import TokenFrontEnd
from sovits.text.tokenization import SemanticTokenizer

__all__ = [
    "EncodedText",
    "EnglishLetters",
    "EnglishPhonemizer",
    "MandarinPhonemizer",
    "SemanticTokenizer",
    "TextFrontEnd",
    "TokenFrontEnd",
    "normalize",
]
