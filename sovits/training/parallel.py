"""Data-parallel training of alternating players: a step all-reduces every player's gradients once.

``DistributedDataParallel`` around both players reduces all buckets in every backward, so that two alternating players send twice what
they need. Here nothing wraps the module: the strategy sets up the processes and equal weights, and each player averages its own gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.overrides.distributed import _sync_module_states
from lightning.pytorch.plugins.environments import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sovits.errors import SovitsError
from sovits.ranks import mean_over_ranks, n_ranks


def average_running_statistics(module: nn.Module) -> None:
    """Puts the averages over ranks in place of the running means and variances of ``module``'s batch norms; one small collective.

    No other buffer here depends on a rank's batches: windows are constant, and the vectors of a spectral norm follow from the weights.
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and not isinstance(norm, nn.SyncBatchNorm)]
    statistics = [buffer for norm in norms for buffer in (norm.running_mean, norm.running_var) if buffer is not None]
    if n_ranks() == 1 or not statistics:
        return
    averages = mean_over_ranks(torch.cat(statistics)).split([buffer.numel() for buffer in statistics])
    with torch.no_grad():
        for buffer, average in zip(statistics, averages, strict=True):
            buffer.copy_(average)


class GradientAverage:
    """Averages the gradients of one player over ranks, bucket by bucket while the backward still runs::

        average = GradientAverage(parameters)     # once
        optimizer.zero_grad()
        with average:                             # every step, around the last backward only
            self.manual_backward(loss)
        clip, optimizer.step()

    Gradients of earlier backwards, outside the block, count in full (accumulation). A parameter without any gradient on this rank counts
    as zeros, so the ranks' graphs may differ; unlike in one process, one that no rank used gets zeros too, and an optimiser then lets its
    moments and weight decay. In one process the block does nothing.

    Buckets go out strictly in their order, which all ranks share: a bucket that is ready early waits for the ones before it, what is left
    goes out at the end of the block. The first block takes the parameters from the last to the first, then rank 0's order of arrival
    becomes everyone's (Li et al. 2020, "PyTorch Distributed"): the order in a module says little about the order in a backward.

    A bucket is a new flat tensor, and the gradients become views into it as soon as it goes out: nothing is copied back, the former
    gradients are freed then, and ``zero_grad()`` frees the bucket, whereas buffers that last would hold both players' memory all the time.
    On CUDA the host waits for nothing.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], bucket_bytes: int = 25 * 2**20) -> None:
        """
        Args:
            parameters: the player's trainable ones, in the same order on all ranks.
            bucket_bytes: least size of a bucket, except for the last. Larger ones use the network better, smaller ones start earlier.

        Raises:
            SovitsError: a parameter that is frozen or comes twice, or no bucket size.
        """
        self.parameters = list(parameters)
        self.bucket_bytes = bucket_bytes
        frozen = sum(not parameter.requires_grad for parameter in self.parameters)
        if frozen or len({id(parameter) for parameter in self.parameters}) < len(self.parameters):
            raise SovitsError(
                f"Of the {len(self.parameters)} parameters to average {frozen} are frozen and some may come twice; "
                "give each trainable parameter once, while no other optimiser is toggled."
            )
        if bucket_bytes < 1:
            raise SovitsError(f"bucket_bytes={bucket_bytes} is not positive; 26214400 (25 MiB) suits most networks.")
        self._buckets: list[list[int]] = []
        self._order_is_learned = False
        self._forget()

    def __enter__(self) -> GradientAverage:
        if n_ranks() == 1:
            return self
        if not self._buckets:
            self._buckets = self._packed(list(reversed(range(len(self.parameters)))))
            for index, parameter in enumerate(self.parameters):
                parameter.register_post_accumulate_grad_hook(partial(self._arrive, index))
        self._waiting_for = [len(bucket) for bucket in self._buckets]
        self._bucket_of = {index: number for number, bucket in enumerate(self._buckets) for index in bucket}
        self._active = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Sends what is left and waits for all of it; on CUDA it is the stream that waits. After an error it only forgets the block."""
        if self._active and kind is None:
            while self._launched < len(self._buckets):
                self._launch()
            for work in self._works:
                work.wait()
            if not self._order_is_learned:
                self._learn_order()
        self._forget()

    def _forget(self) -> None:
        self._active = False
        self._launched = 0
        self._arrived: dict[int, None] = {}
        self._works: list[Any] = []

    def _arrive(self, index: int, parameter: Tensor) -> None:
        """Called by autograd when the gradient of a parameter is complete."""
        if not self._active:
            return
        if index in self._arrived:
            raise SovitsError("Two backwards ran inside one GradientAverage block; keep all but the last outside of it.")
        self._arrived[index] = None
        self._waiting_for[self._bucket_of[index]] -= 1
        while self._launched < len(self._buckets) and self._waiting_for[self._launched] == 0:
            self._launch()

    @torch.no_grad()
    def _launch(self) -> None:
        """Starts the reduction of the next bucket."""
        members = [self.parameters[index] for index in self._buckets[self._launched]]
        gradients = [torch.zeros_like(member) if member.grad is None else member.grad for member in members]
        # Divided before the sum, so that a low-precision sum cannot overflow.
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).div_(n_ranks())
        del gradients
        for member, view in zip(members, flat.split([member.numel() for member in members]), strict=True):
            member.grad = view.view(member.shape)
        self._works.append(dist.all_reduce(flat, async_op=True))
        self._launched += 1

    def _learn_order(self) -> None:
        """Packs the buckets anew in rank 0's order of arrival, what did not arrive there at the end."""
        absent = [index for index in range(len(self.parameters)) if index not in self._arrived]
        order = torch.tensor([*self._arrived, *absent], device=self.parameters[0].device)
        dist.broadcast(order, src=0)
        self._buckets = self._packed(order.tolist())
        self._order_is_learned = True

    def _packed(self, order: list[int]) -> list[list[int]]:
        """Parameter indices in ``order``, cut where a bucket is full or the dtype changes."""
        buckets: list[list[int]] = []
        size, dtype = 0, None
        for index in order:
            parameter = self.parameters[index]
            if not buckets or size >= self.bucket_bytes or parameter.dtype != dtype:
                buckets.append([])
                size, dtype = 0, parameter.dtype
            buckets[-1].append(index)
            size += parameter.numel() * parameter.element_size()
        return buckets


class PlayersDDPStrategy(DDPStrategy):
    """Processes, devices and launchers (subprocesses, torchrun, SLURM) as in :class:`DDPStrategy`, without the wrapper around the module.

    When training starts, rank 0's parameters and buffers go to all ranks; they stay equal because every update is computed from averaged
    gradients, which is up to the module: see :class:`GradientAverage`.

    A batch norm normalises by its own rank's batch and keeps running statistics of it (``Trainer(sync_batchnorm=True)``, on GPUs,
    makes both common to all ranks). They matter in evaluation only, so they are averaged just before it, at no cost to a step: those
    of the current weights when validation starts, and at its first batch those of the weights it judges, in case a callback put a
    moving average in their place. A checkpoint saved when validation ends thus holds statistics of all ranks' data, one saved at another
    time rank 0's. ``DistributedDataParallel`` instead overwrites all statistics by rank 0's in every forward, and only rank 0's data count.
    Every rank must have a validation batch if one has.
    """

    def __init__(
        self,
        process_group_backend: str | None = None,
        timeout_minutes: float = 30,
        cluster_environment: ClusterEnvironment | None = None,
    ) -> None:
        """
        Args:
            process_group_backend: ``nccl`` or ``gloo``; ``None`` takes what suits the device.
            timeout_minutes: of one collective.
            cluster_environment: where ranks and addresses come from; ``None`` finds out.
        """
        super().__init__(
            process_group_backend=process_group_backend,
            timeout=timedelta(minutes=timeout_minutes),
            cluster_environment=cluster_environment,
        )
        self._statistics_are_due = False

    def configure_ddp(self) -> None:
        """What the parent does here is wrap the module; this only makes the ranks equal.

        Raises:
            SovitsError: a module that leaves its optimisation to Lightning, whose gradients nobody would average.
        """
        assert self.lightning_module is not None
        if self.lightning_module.automatic_optimization:
            raise SovitsError(
                f"{type(self.lightning_module).__name__} uses automatic optimisation, in which {type(self).__name__} averages no "
                "gradients; use trainer.strategy=ddp, or manual optimisation with GradientAverage."
            )
        _sync_module_states(self.lightning_module)

    def on_validation_start(self) -> None:
        assert self.lightning_module is not None
        average_running_statistics(self.lightning_module)
        self._statistics_are_due = True

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        if self._statistics_are_due:
            assert self.lightning_module is not None
            average_running_statistics(self.lightning_module)
            self._statistics_are_due = False
        return super().validation_step(*args, **kwargs)
