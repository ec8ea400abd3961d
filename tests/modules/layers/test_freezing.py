import pytest
import torch
from torch import nn

from sovits.modules.layers.freezing import frozen


def network() -> nn.Sequential:
    """Parts that train and parts that don't, in both senses."""
    parts = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2)))
    parts.train()
    parts[1].eval()
    parts[2].training = False
    parts[0].bias.requires_grad_(False)
    return parts


def flags(module: nn.Module) -> tuple[list[bool], list[bool]]:
    return [part.training for part in module.modules()], [weight.requires_grad for weight in module.parameters()]


def test_inside_all_is_off_and_afterwards_as_before() -> None:
    module = network()
    before = flags(module)
    assert len(set(before[0])) == len(set(before[1])) == 2
    with frozen(module):
        assert not any(flags(module)[0])
        assert not any(flags(module)[1])
    assert flags(module) == before


def test_a_failure_inside_restores_too() -> None:
    module = network()
    before = flags(module)
    with pytest.raises(ValueError, match="inside"), frozen(module):
        raise ValueError("inside")
    assert flags(module) == before


def test_gradients_go_through_to_the_input_and_teach_nothing_even_when_taken_later() -> None:
    module = network()
    twin = network()
    twin.load_state_dict(module.state_dict())
    values = torch.randn(5, 3, requires_grad=True)
    same = values.detach().clone().requires_grad_()
    with frozen(module):
        result = module(values)
    result.square().sum().backward()
    twin.eval()(same).square().sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, same.grad)
    assert all(weight.grad is None for weight in module.parameters())
    module(values).sum().backward()
    assert module[0].weight.grad is not None, "afterwards it learns again"


def test_blocks_may_lie_in_each_other() -> None:
    module = network()
    before = flags(module)
    with frozen(module):
        with frozen(module[2]):
            pass
        assert not any(flags(module)[0])
        assert not any(flags(module)[1])
    assert flags(module) == before
