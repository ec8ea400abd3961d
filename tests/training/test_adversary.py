import copy

import pytest
import torch
from torch import Tensor

from sovits import losses
from sovits.modules import Discriminators
from sovits.training.adversary import Adversary


def small(use_spectral_norm: bool = False) -> Discriminators:
    return Discriminators((2, 3), (4, 8), (256,), 4, scales=1, scale_channels=(4, 8), use_spectral_norm=use_spectral_norm)


def audios() -> tuple[Tensor, Tensor]:
    return 0.3 * torch.randn(2, 1, 1024), (0.3 * torch.randn(2, 1, 1024)).requires_grad_()


def generator_loss(real, synthetic) -> Tensor:
    return losses.adversarial_loss(synthetic) + losses.feature_matching_loss(real, synthetic)


def updated(discriminators: Discriminators, verdicts) -> None:
    """One step of plain gradient descent on the discriminators' own loss."""
    loss = losses.discriminator_loss(*verdicts)
    weights = list(discriminators.parameters())
    with torch.no_grad():
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True), strict=True):
            weight -= 0.05 * gradient


@pytest.mark.parametrize("use_spectral_norm", [False, True])
def test_the_generators_gradient_is_that_of_the_usual_order(use_spectral_norm: bool) -> None:
    discriminators, (real, synthetic) = small(use_spectral_norm), audios()
    plain = copy.deepcopy(discriminators)
    # In one pass, as each pass of a spectral norm moves its estimate of the largest singular value.
    updated(plain, plain.compare(real, synthetic.detach()))
    usual = torch.autograd.grad(generator_loss(*plain.compare(real, synthetic)), synthetic)[0]

    adversary = Adversary(discriminators)
    updated(discriminators, adversary.for_discriminators(real, synthetic))
    generator_loss(*adversary.for_generator(real, synthetic)).backward()
    torch.testing.assert_close(synthetic.grad, usual, rtol=1e-5, atol=1e-8)
    for ours, theirs in zip(discriminators.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
        assert ours.grad is None
    assert all(weight.grad is None for weight in adversary.frozen.parameters())
    for name, buffer in discriminators.named_buffers():
        torch.testing.assert_close(buffer, plain.get_buffer(name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("use_spectral_norm", [False, True])
def test_the_twin_is_frozen_and_sees_every_update(use_spectral_norm: bool) -> None:
    discriminators, (real, synthetic) = small(use_spectral_norm).eval(), audios()
    adversary = Adversary(discriminators)
    twin = adversary.frozen.eval()
    assert not any(weight.requires_grad for weight in twin.parameters())
    before = twin(real)[0][0].clone()
    updated(discriminators, (discriminators(real), discriminators(synthetic.detach())))
    after = twin(real)[0][0]
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, discriminators(real)[0][0])
    assert adversary.frozen is twin
    assert list(twin.state_dict()) == list(discriminators.state_dict())


def test_a_moved_module_gets_a_new_twin() -> None:
    discriminators = small()
    adversary = Adversary(discriminators)
    twin = adversary.frozen
    discriminators.to(torch.float64)
    assert adversary.frozen is not twin
    assert next(adversary.frozen.parameters()).dtype == torch.float64


def test_reused_features_are_those_of_the_discriminators_update() -> None:
    discriminators, (real, synthetic) = small(), audios()
    adversary = Adversary(discriminators, reuse_real_features=True)
    own = adversary.for_discriminators(real, synthetic)
    expected = own[0][0][1][0].detach().clone()
    updated(discriminators, own)
    verdicts_real, verdicts_synthetic = adversary.for_generator(real, synthetic)
    assert torch.equal(verdicts_real[0][1][0], expected)
    torch.testing.assert_close(verdicts_synthetic[0][0], discriminators(synthetic)[0][0])
    # Used once: a generator step without an update of the discriminators judges anew.
    assert not torch.equal(adversary.for_generator(real, synthetic)[0][0][1][0], expected)


def test_a_shared_pass_gives_both_players_the_gradients_of_the_old_weights() -> None:
    discriminators, (real, synthetic) = small(), audios()
    usual = torch.autograd.grad(generator_loss(discriminators(real), discriminators(synthetic)), synthetic)[0]
    adversary = Adversary(discriminators, share_pass=True)
    updated(discriminators, adversary.for_discriminators(real, synthetic))
    generator_loss(*adversary.for_generator(real, synthetic)).backward(inputs=[synthetic])
    torch.testing.assert_close(synthetic.grad, usual, rtol=1e-5, atol=1e-8)
