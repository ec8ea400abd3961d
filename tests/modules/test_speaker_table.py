import pytest
import torch
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.speaker_table import SpeakerTable


def test_a_voice_is_its_speakers_row_brought_to_norm_one() -> None:
    table = SpeakerTable(5, 192)
    speakers = torch.tensor([4, 0, 4])
    voices = table(speakers=speakers)
    assert not table.zero_shot
    assert table.embedding_size == 192
    assert voices.shape == (3, 192)
    torch.testing.assert_close(voices, F.normalize(table.table.weight[[4, 0, 4]]))
    assert torch.equal(table(torch.rand(3, 800), speakers), voices), "clips have no say"


def test_only_the_rows_of_speakers_in_the_batch_learn() -> None:
    table = SpeakerTable(4, 192)
    (table(None, torch.tensor([1, 3])) * torch.randn(2, 192)).sum().backward()
    assert table.table.weight.grad is not None
    assert table.table.weight.grad.any(dim=1).tolist() == [False, True, False, True]


def test_a_clip_without_a_speaker_is_refused_with_the_remedy() -> None:
    with pytest.raises(SovitsError, match="only the 4 speakers it was trained with; .*speaker_encoder=ecapa"):
        SpeakerTable(4, 192)(torch.rand(2, 800))


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(SovitsError, match="embedding_size=191 is outside 192-512"):
        SpeakerTable(4, 191)
    with pytest.raises(SovitsError, match="n_speakers=0"):
        SpeakerTable(0, 192)
