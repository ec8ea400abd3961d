"""The exact GPT-2 tokenizer (50,257 tokens), rebuilt offline from the ranks that openai-whisper's wheel ships."""

from __future__ import annotations

import base64
import importlib.util
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from sovits.errors import SovitsError

END_OF_TEXT = "<|endoftext|>"
VOCABULARY_SIZE = 50257


@lru_cache(maxsize=1)
def gpt2_definition() -> str:
    """The tokenizer as JSON, built once a process (about a second)."""
    ranks = _read_ranks(_ranks_file())
    letters = _byte_letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    # The rank of a merged token is the rank of its merge, so merges come out in the order they were learnt.
    merges = [tuple(map(spelled, _halves(token, ranks))) for token in sorted(ranks, key=ranks.__getitem__) if len(token) > 1]
    vocabulary = {spelled(token): rank for token, rank in ranks.items()} | {END_OF_TEXT: VOCABULARY_SIZE - 1}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[(left, right) for left, right in merges]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False)])
    return tokenizer.to_str()


def _ranks_file() -> Path:
    # Found without importing whisper, which takes seconds.
    spec = importlib.util.find_spec("whisper")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "assets" / "gpt2.tiktoken"
        if path.is_file():
            return path
    raise SovitsError("openai-whisper's assets/gpt2.tiktoken is missing; pip install openai-whisper, or set model.semantic_encoder.source.")


def _read_ranks(path: Path) -> dict[bytes, int]:
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def _halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The last merge that makes ``token``: what byte-pair encoding leaves of it when only earlier merges are allowed."""
    pieces = [token[position : position + 1] for position in range(len(token))]
    limit = ranks[token]
    while len(pieces) > 2:
        candidates = [(ranks.get(left + right, limit), position) for position, (left, right) in enumerate(pairwise(pieces))]
        _, position = min(candidates)
        pieces[position : position + 2] = [pieces[position] + pieces[position + 1]]
    return pieces[0], pieces[1]


def _byte_letters() -> list[str]:
    """GPT-2's printable letter for each byte: itself where printable in Latin-1, else the next free one from U+0100."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    letters = []
    moved = 0
    for byte in range(256):
        letters.append(chr(byte if byte in printable else 256 + moved))
        moved += byte not in printable
    return letters
