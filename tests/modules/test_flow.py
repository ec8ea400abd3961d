import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import Flow


def moved_flow() -> Flow:
    """A flow whose couplings do something (they start as the identity)."""
    flow = Flow(8, 16, 5, 2, 4, 12)
    for step in flow.steps:
        torch.nn.init.normal_(step.shift.weight, std=0.3)
    return flow


def test_inverse_undoes_forward() -> None:
    flow, speaker, mask = moved_flow(), torch.randn(2, 12), torch.ones(2, 1, 30)
    latent = torch.randn(2, 8, 30)
    moved = flow(latent, mask, speaker)
    assert (moved - latent.flip(1)).abs().max() > 0.1
    assert (flow.inverse(moved, mask, speaker) - latent).abs().max() < 1e-5


def test_preserves_volume() -> None:
    flow, speaker, mask = moved_flow().double(), torch.randn(1, 12).double(), torch.ones(1, 1, 3).double()
    jacobian = torch.autograd.functional.jacobian(lambda z: flow(z.view(1, 8, 3), mask, speaker).flatten(), torch.randn(24).double())
    assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(0.0, abs=1e-8)


def test_padding_does_not_reach_the_clip() -> None:
    flow, speaker = moved_flow(), torch.randn(1, 12)
    latent = torch.randn(1, 8, 20)
    padded = torch.nn.functional.pad(latent, (0, 6))
    mask = torch.nn.functional.pad(torch.ones(1, 1, 20), (0, 6))
    alone = flow(latent, torch.ones(1, 1, 20), speaker)
    torch.testing.assert_close(flow(padded, mask, speaker)[..., :20], alone, rtol=1e-5, atol=1e-6)


def test_odd_channels_are_refused() -> None:
    with pytest.raises(SovitsError, match="inter_channels=7"):
        Flow(7, 16, 5, 2, 4, 12)
