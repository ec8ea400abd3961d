import torch

from sovits.modules.layers.masking import length_mask, masked_mean
from sovits.modules.layers.slicing import random_starts, take_slices


def test_starts_cover_every_place_a_slice_fits_and_no_other() -> None:
    starts = random_starts(torch.tensor([10]).expand(2000), 7)
    assert set(starts.tolist()) == {0, 1, 2, 3}
    assert set(random_starts(torch.tensor([3, 7]), 7).tolist()) == {0}


def test_slices_are_taken_where_they_start_and_padded_with_silence() -> None:
    values = torch.arange(1, 21.0).view(2, 1, 10)
    slices = take_slices(values, torch.tensor([2, 0]), 4)
    assert slices.tolist() == [[[3, 4, 5, 6]], [[11, 12, 13, 14]]]
    assert take_slices(values, torch.tensor([0, 0]), 12)[0, 0, 9:].tolist() == [10, 0, 0]


def test_masked_mean_ignores_what_is_padded() -> None:
    mask = length_mask(torch.tensor([3, 1]), 4)
    assert mask.tolist() == [[[1, 1, 1, 0]], [[1, 0, 0, 0]]]
    values = torch.where(mask.bool(), 2.0, 1e9).expand(2, 5, 4)
    assert masked_mean(values, mask) == 2
