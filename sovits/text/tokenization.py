"""Semantic tokens: what the GPT encoder reads, with the characters each token covers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sovits.errors import SovitsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Tokens(NamedTuple):
    """A text in tokens, whole."""

    ids: list[int]
    token_of_character: list[int]
    """For each character of the text, the index in ``ids`` of the first token that covers it."""


class Piece(NamedTuple):
    """One token and the characters it covers, ``text[start:end]``: also those it holds only some bytes of, or none."""

    id: int
    start: int
    end: int
    unknown: bool
    """Whether it stands for anything the tokenizer has no token for."""


class SemanticTokenizer:
    """Byte-pair tokens of a GPT, with character offsets.

    Args:
        source: None for GPT-2's own tokenizer (also GPT-Neo's), rebuilt offline; else a folder or hub name for
            ``transformers.AutoTokenizer``.
        max_length: Tokens the semantic encoder takes; later ones are cut.
        definition: The tokenizer itself as JSON (``to_json()`` of another one), instead of ``source``: what a checkpoint carries.
    """

    def __init__(self, source: str | None = None, max_length: int = 128, definition: str | None = None) -> None:
        if max_length < 1:
            raise SovitsError(f"model.semantic_encoder.max_length={max_length} leaves no token; set it to 1 or more, 128 by default.")
        self.source = source
        self.max_length = max_length
        self.is_default = source is None and definition is None
        self._tokenizer = _build(source, definition)

    is_default: bool
    """Whether it is GPT-2's own, which any machine can rebuild: a checkpoint needs no definition of it."""

    @property
    def name(self) -> str:
        """For messages."""
        return self.source or ("GPT-2" if self.is_default else "of the checkpoint")

    @property
    def vocabulary_size(self) -> int:
        """Token ids are below this."""
        # Not their number: some vocabularies have gaps.
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def to_json(self) -> str:
        """The whole tokenizer; ``SemanticTokenizer(definition=...)`` makes an equal one."""
        # GPT-2 has the token "${", which a configuration that carries it would take for an interpolation. JSON has another spelling.
        return str(self._tokenizer.to_str()).replace("${", "$\\u007b")

    def __call__(self, text: str) -> Tokens:
        """All tokens of ``text``, uncut and without special ones.

        Raises:
            SovitsError: the tokenizer makes nothing of the text.
        """
        pieces = self.pieces(text)
        return Tokens([piece.id for piece in pieces], _first_covering([(piece.start, piece.end) for piece in pieces], len(text)))

    def pieces(self, text: str) -> list[Piece]:
        """The same tokens, each with the characters it covers.

        Raises:
            SovitsError: the tokenizer makes nothing of the text.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        if not encoding.ids:
            raise SovitsError(f"The tokenizer {self.name} makes no token of {text[:40]!r}; choose another model.semantic_encoder.source.")
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        covered = zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        return [Piece(number, start, end, token == unknown) for number, token, (start, end) in covered]

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "max_length": self.max_length, "definition": None if self.is_default else self.to_json()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _first_covering(offsets: list[tuple[int, int]], length: int) -> list[int]:
    """A character that no token covers (a space, for some tokenizers) belongs to the next token, or the last."""
    owners = [-1] * length
    for token, (start, end) in enumerate(offsets):
        for position in range(start, end):
            if owners[position] < 0:
                owners[position] = token
    following = len(offsets) - 1
    for position in range(length - 1, -1, -1):
        if owners[position] < 0:
            owners[position] = following
        following = owners[position]
    return owners


def _build(source: str | None, definition: str | None) -> Tokenizer:
    from tokenizers import Tokenizer

    if definition is not None:
        try:
            return Tokenizer.from_str(definition)
        except Exception as error:  # the library raises a bare Exception for anything wrong with the JSON
            raise SovitsError(
                f"The tokenizer definition is not a tokenizer ({error}); pass what SemanticTokenizer.to_json() returned."
            ) from error
    if source is None:
        from sovits.text.gpt2 import gpt2_definition

        return Tokenizer.from_str(gpt2_definition())
    return _pretrained(source)


def _pretrained(source: str) -> Tokenizer:
    setting = f"model.semantic_encoder.source={source}"
    if source.startswith(("/", ".", "~")) and not Path(source).expanduser().is_dir():
        raise SovitsError(f"{setting} is not a folder; give a folder with a tokenizer.json, a hub name, or null for GPT-2's.")
    from transformers import AutoTokenizer
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source if not source.startswith("~") else str(Path(source).expanduser())
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SovitsError(
            f"{setting} has no tokenizer that can be loaded ({reason}); "
            "give a local folder or a hub name that this machine can reach, or null for the GPT-2 tokenizer."
        ) from error
    if not tokenizer.is_fast:
        raise SovitsError(f"{setting} has only a slow tokenizer, without character offsets; choose a model with a tokenizer.json.")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return backend
