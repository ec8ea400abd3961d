"""Two processes average their gradients, each once a step."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sovits.errors import SovitsError
from sovits.ranks import mean_over_ranks
from sovits.training.optimisation import WarmEma
from sovits.training.parallel import GradientAverage, PlayersDDPStrategy, average_running_statistics

ROOT = Path(__file__).parents[2]
SMALL = 256
"""Bytes of a bucket: the little networks here then have several."""


class Reductions:
    """Counts what goes through ``torch.distributed.all_reduce``."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __enter__(self) -> Reductions:
        self.original = dist.all_reduce
        dist.all_reduce = self._counted
        return self

    def __exit__(self, *_: object) -> None:
        dist.all_reduce = self.original

    def _counted(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.sizes.append(tensor.numel() * tensor.element_size())
        return self.original(tensor, *args, **kwargs)


def conv_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv1d(8, 8, 3, padding=1), nn.Tanh(), nn.Conv1d(8, 1, 1))


def clips(n: int, seed: int) -> Tensor:
    return torch.randn(n, 3, 20, generator=torch.Generator().manual_seed(seed))


def gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in network.parameters()]  # type: ignore[union-attr]


def size(*networks: nn.Module) -> int:
    return sum(4 * parameter.numel() for network in networks for parameter in network.parameters())


def averaged(network: nn.Module, loss: Tensor, bucket_bytes: int = SMALL) -> list[Tensor]:
    with GradientAverage(list(network.parameters()), bucket_bytes):
        loss.backward()
    return gradients(network)


def mean_loss(network: nn.Module, waves: Tensor) -> Tensor:
    return (network(waves) ** 2).mean()


def masked_total(network: nn.Module, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    mask = (torch.arange(waves.shape[-1]) < lengths[:, None]).unsqueeze(1).float()
    return ((network(waves) ** 2) * mask).sum(), mask.sum()


MASKED = [(clips(3, 5), torch.tensor([20, 7, 11])), (clips(1, 6), torch.tensor([4]))]
"""The clips of each rank, and how much of them is real."""


class Players(nn.Module):
    """A generator, of which only rank 0 uses one layer and no rank another, and a discriminator."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.sometimes, self.never = nn.Linear(4, 4), nn.Linear(4, 4)
        self.discriminator = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def generator(self) -> list[nn.Parameter]:
        return [parameter for part in (self.first, self.second, self.sometimes, self.never) for parameter in part.parameters()]

    def forward(self, noise: Tensor) -> Tensor:
        # The ranks go through the layers in opposite orders: so do their gradients arrive.
        layers = (self.first, self.second, self.sometimes) if self.rank == 0 else (self.second, self.first)
        for layer in layers:
            noise = torch.tanh(layer(noise))
        return noise


def play(rank: int) -> dict[str, Any]:
    """Four steps of both players on different data."""
    players = Players(rank)
    optimizers = [torch.optim.AdamW(weights, 1e-2) for weights in (players.generator(), players.discriminator.parameters())]
    averages = [GradientAverage(optimizer.param_groups[0]["params"], SMALL) for optimizer in optimizers]
    random = torch.Generator().manual_seed(rank)
    steps = []
    for _ in range(4):
        with Reductions() as reductions:
            synthetic = players(torch.randn(5, 4, generator=random))
            verdicts = players.discriminator(synthetic.detach()) - players.discriminator(torch.randn(5, 4, generator=random))
            for number, loss in ((1, lambda verdicts=verdicts: verdicts.square().mean()),
                                 (0, lambda synthetic=synthetic: players.discriminator(synthetic).mean())):  # fmt: skip
                optimizers[number].zero_grad()
                players.discriminator.requires_grad_(number == 1)
                with averages[number]:
                    loss().backward()
                players.discriminator.requires_grad_(True)
                optimizers[number].step()
        steps.append(reductions.sizes)
    return {"weights": players.state_dict(), "reductions": steps, "size": size(players)}


def accumulate(rank: int) -> dict[str, Any]:
    network = conv_net()
    with Reductions() as reductions:
        mean_loss(network, clips(2, rank)).backward()
        with GradientAverage(list(network.parameters()), SMALL):
            mean_loss(network, clips(2, 2 + rank)).backward()
    return {"gradients": gradients(network), "bytes": sum(reductions.sizes), "size": size(network)}


def overlap(rank: int) -> dict[str, Any]:
    """How many buckets were on their way when the backward ended, in the first block and in the second."""
    # Registered in the order in which gradients arrive, the worst for a first block.
    layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(6)])
    average = GradientAverage(list(layers.parameters()), SMALL)
    early, total = [], []
    for _ in range(2):
        with Reductions() as reductions, average:
            hidden = clips(1, rank)[:, :, :8]
            for layer in reversed(layers):
                hidden = layer(hidden)
            hidden.sum().backward()
            early.append(len(reductions.sizes))
        total.append(len(reductions.sizes))
    return {"early": early, "total": total}


def refuse_two_backwards() -> str:
    network = conv_net()
    average = GradientAverage(list(network.parameters()), SMALL)
    try:
        with average:
            mean_loss(network, clips(2, 0)).backward()
            mean_loss(network, clips(2, 0)).backward()
    except SovitsError as error:
        return str(error)
    return ""


class TinyTraining(LightningModule):
    """Two players and a batch norm under Lightning."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        torch.manual_seed(seed)
        self.generator = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 4))
        self.discriminator = nn.Linear(4, 1)
        self.averages = [GradientAverage(list(part.parameters())) for part in (self.generator, self.discriminator)]
        self.reduced: list[int] = []
        self.judged: list[Tensor] = []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.AdamW(part.parameters(), 1e-2) for part in (self.generator, self.discriminator)]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        generator, discriminator = self.optimizers()  # type: ignore[misc, attr-defined]
        synthetic = self.generator(batch)
        with Reductions() as reductions:
            self._update(1, discriminator, lambda: (self.discriminator(synthetic.detach()) - self.discriminator(batch)).square().mean())
            self._update(0, generator, lambda: self.discriminator(synthetic).mean())
        self.reduced.append(sum(reductions.sizes))

    def _update(self, number: int, optimizer: Any, loss: Any) -> None:
        with self.toggled_optimizer(optimizer):
            optimizer.zero_grad()
            with self.averages[number]:
                self.manual_backward(loss())
            optimizer.step()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        norm: Any = self.generator[1]
        self.judged.append(torch.cat([norm.running_mean, norm.running_var]))
        self.log("val/mean", self.generator(batch).mean(), sync_dist=True)


def loader(seed: int) -> DataLoader:
    random = torch.Generator().manual_seed(seed)
    return DataLoader([torch.randn(6, 4, generator=random) for _ in range(4)], batch_size=None)  # type: ignore[arg-type]


def fit(rank: int, folder: Path) -> dict[str, Any]:
    """Trains, resumes and validates; the ranks start from different weights and see different data."""

    class Ranks(LightningEnvironment):
        creates_processes_externally = True

        def world_size(self) -> int:
            return 2

        def global_rank(self) -> int:
            return rank

        def local_rank(self) -> int:
            return rank

    def trainer(steps: int) -> Trainer:
        return Trainer(
            accelerator="cpu", devices=2, strategy=PlayersDDPStrategy(cluster_environment=Ranks()), max_steps=steps, logger=False,
            enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
            callbacks=[ModelCheckpoint(folder, save_last=True), WarmEma(0.9)],
        )  # fmt: skip

    training = TinyTraining(seed=rank)
    trainer(8).fit(training, loader(rank), loader(7))
    resumed = TinyTraining(seed=5 + rank)
    second = trainer(16)
    second.fit(resumed, loader(rank), loader(7), ckpt_path=str(folder / "last.ckpt"), weights_only=True)
    metrics = second.validate(resumed, loader(7), verbose=False)
    return {
        "weights": training.state_dict(), "resumed": resumed.state_dict(), "reduced": training.reduced + resumed.reduced,
        "size": size(training), "judged": training.judged + resumed.judged, "val": metrics[0]["val/mean"],
        "wrapped": type(second.strategy.model).__name__,
    }  # fmt: skip


def work(rank: int, folder: Path) -> None:
    """All that one of the two processes does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    network, masked, odd = conv_net(), conv_net(), conv_net()
    total, count = masked_total(masked, *MASKED[rank])
    norm = nn.BatchNorm1d(2)
    norm.running_mean, norm.running_var = torch.tensor([1.0 + rank, 5.0]), torch.tensor([2.0, 3.0 + 2 * rank])
    average_running_statistics(norm)
    results = {
        "mean": averaged(network, mean_loss(network, clips(4, 3)[2 * rank : 2 * rank + 2])),
        "masked": averaged(masked, total / mean_over_ranks(count)),
        "one bucket": averaged(odd, mean_loss(odd, clips(4, 3)[2 * rank : 2 * rank + 2]), 2**20),
        "values": mean_over_ranks(torch.tensor([[1.0 + rank, 4.0]])),
        "statistics": [norm.running_mean, norm.running_var],
        "play": play(rank),
        "accumulate": accumulate(rank),
        "overlap": overlap(rank),
        "refusal": refuse_two_backwards(),
        "fit": fit(rank, folder),
    }
    torch.save(results, folder / f"rank_{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the two processes saved."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(work, (folder,), nprocs=2)
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in range(2)]


def close(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("key", ["mean", "one bucket"])
def test_averaged_gradients_are_those_of_the_joined_batch(ranks: list[dict[str, Any]], key: str) -> None:
    network = conv_net()
    mean_loss(network, clips(4, 3)).backward()
    for rank in ranks:
        close(rank[key], gradients(network))


def test_with_common_denominators_so_are_those_of_masked_means_of_uneven_batches(ranks: list[dict[str, Any]]) -> None:
    network = conv_net()
    parts = [masked_total(network, *clips_and_lengths) for clips_and_lengths in MASKED]
    (sum(total for total, _ in parts) / sum(count for _, count in parts)).backward()  # type: ignore[union-attr]
    for rank in ranks:
        close(rank["masked"], gradients(network))


def test_small_values_and_running_statistics_are_averaged(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["values"].tolist() == [[1.5, 4.0]]
        assert [values.tolist() for values in rank["statistics"]] == [[1.5, 5.0], [2.0, 4.0]]


def test_players_with_different_graphs_and_data_stay_equal_to_the_last_bit(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["play"]["weights"] for rank in ranks)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert not torch.equal(first["sometimes.weight"], Players(0).sometimes.weight)


def test_a_step_reduces_every_trainable_byte_once_and_in_one_order(ranks: list[dict[str, Any]]) -> None:
    play = ranks[0]["play"]
    assert [sum(step) for step in play["reductions"]] == [play["size"]] * 4 == [516] * 4
    assert play["reductions"] == ranks[1]["play"]["reductions"]
    assert all(len(step) > 2 for step in play["reductions"])


def test_two_accumulated_backwards_are_reduced_once(ranks: list[dict[str, Any]]) -> None:
    network = conv_net()
    for seed in range(4):
        (mean_loss(network, clips(2, seed)) / 2).backward()
    for rank in ranks:
        close(rank["accumulate"]["gradients"], gradients(network))
        assert rank["accumulate"]["bytes"] == rank["accumulate"]["size"]


def test_from_the_second_block_on_buckets_leave_during_the_backward(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["overlap"]["total"] == [6, 6]
        assert rank["overlap"]["early"][1] == 6


def test_a_second_backward_in_one_block_is_refused(ranks: list[dict[str, Any]]) -> None:
    assert all("Two backwards" in rank["refusal"] for rank in ranks)


def test_under_lightning_ranks_train_resume_and_validate_as_one(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["fit"] for rank in ranks)
    local = ("running_mean", "running_var")
    for key in ("weights", "resumed"):
        assert [name for name in first[key] if not name.endswith(local) and not torch.equal(first[key][name], second[key][name])] == []
    assert first["reduced"] == second["reduced"] == [first["size"]] * 8
    assert len(first["judged"]) == 12
    assert all(torch.equal(one, other) for one, other in zip(first["judged"], second["judged"], strict=True))
    assert first["val"] == second["val"]
    assert first["wrapped"] == "TinyTraining"


def test_one_process_reduces_nothing_and_leaves_its_gradients_alone() -> None:
    network = conv_net()
    with Reductions() as reductions, GradientAverage(list(network.parameters())):
        mean_loss(network, clips(2, 0)).backward()
        mean_loss(network, clips(2, 0)).backward()
    twice = conv_net()
    (2 * mean_loss(twice, clips(2, 0))).backward()
    close(gradients(network), gradients(twice))
    assert mean_over_ranks(torch.tensor(3.0, requires_grad=True)).requires_grad is False
    assert reductions.sizes == []
    assert all(not parameter._post_accumulate_grad_hooks for parameter in network.parameters())


def test_frozen_and_repeated_parameters_are_refused() -> None:
    weight = nn.Parameter(torch.zeros(2))
    with pytest.raises(SovitsError, match="each trainable parameter once"):
        GradientAverage([weight, weight])
    with pytest.raises(SovitsError, match="1 are frozen"):
        GradientAverage([weight, nn.Parameter(torch.zeros(2), requires_grad=False)])
    with pytest.raises(SovitsError, match="bucket_bytes=0"):
        GradientAverage([weight], 0)


def test_buckets_are_cut_by_size_and_dtype() -> None:
    weights = [nn.Parameter(torch.zeros(n, dtype=dtype)) for n, dtype in ((4, torch.float32), (4, torch.float32), (2, torch.float64))]
    assert GradientAverage(weights, 16)._packed([0, 1, 2]) == [[0], [1], [2]]
    assert GradientAverage(weights, 17)._packed([1, 0, 2]) == [[1, 0], [2]]


def test_automatic_optimisation_is_refused() -> None:
    strategy = PlayersDDPStrategy()
    strategy.connect(LightningModule())
    with pytest.raises(SovitsError, match="automatic optimisation"):
        strategy.configure_ddp()


def test_the_ddp_trainer_instantiates_for_two_processes() -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "paths.run=run"])
    trainer = instantiate(config.trainer, logger=False, callbacks=[], enable_checkpointing=False, _convert_="all")
    assert type(trainer.strategy) is PlayersDDPStrategy
    assert (trainer.world_size, trainer.num_nodes) == (2, 1)
    assert trainer.strategy._timeout == timedelta(minutes=30)
