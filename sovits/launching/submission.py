"""The jobs of a multirun through submitit: sent, waited for, and each accounted for, whatever became of the others."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import BaseSubmititLauncher
from omegaconf import OmegaConf, open_dict
from submitit import AutoExecutor, Job, LocalExecutor, helpers
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from sovits.errors import SovitsError
from sovits.launching.sweep_folder import record_failure
from sovits.runs.recorded import first_process

log = logging.getLogger(__name__)

QUIET = ["hydra.output_subdir=null", "hydra/job_logging=stdout"]
"""Of all ranks but the first: they write nothing into the run's folder; what they say is in submitit's."""
BASE = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name", "stderr_to_stdout")
"""What submitit's executors call alike."""
ASK_EVERY = 1.0
"""Seconds between two looks at the jobs."""
ASK_SCHEDULER_EVERY = 20.0
NODE_DIED = ("NODE_FAIL", "BOOT_FAIL")
"""Slurm's words for a job that it sends again by itself, a little later."""
SENT_AGAIN_WITHIN = 90.0
"""Seconds after which a job whose node died counts as lost (a cluster may be told not to requeue)."""
LEAVE_WITHIN = 60.0
"""Seconds that a run has to save itself."""


@dataclass
class Sent:
    """A job on its way."""

    number: int
    overrides: list[str]
    job: Job[Any]
    gpus: tuple[int, ...] = ()


class SweepLauncher(BaseSubmititLauncher):
    """Sends jobs, waits for all of them and returns how each ended: no job's end stops another."""

    def __call__(self, sweep_overrides: list[str], *arguments: Any, **more: Any) -> JobReturn:
        """The job itself, in each of its processes."""
        self._tell_ranks()
        overrides = list(sweep_overrides) if first_process() else [*sweep_overrides, *QUIET]
        return super().__call__(overrides, *arguments, **more)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """See Hydra's ``Launcher``."""
        assert self.config is not None
        folder = Path(str(self.config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.shared = {one for one in job_overrides[0] if all(one in job for job in job_overrides)}
        jobs = deque((initial_job_idx + index, list(overrides)) for index, overrides in enumerate(job_overrides))
        returned: dict[int, JobReturn] = {}
        sent: list[Sent] = []
        try:
            with self._terminable():
                while jobs or sent:
                    while more := self._send(jobs, sent):
                        sent += more
                    for one in [one for one in sent if self._done(one)]:
                        sent.remove(one)
                        returned[one.number] = self._returned(one)
                        self._say(one, returned[one.number], left=len(jobs) + len(sent))
                    time.sleep(ASK_EVERY if sent else 0)
        except (FailedSubmissionError, FailedJobError) as error:
            raise SovitsError(
                f"The jobs could not be sent ({' '.join(str(error).split())[-400:]}); mend that and give the command again."
            ) from None
        except BaseException:
            self._leave(sent)
            raise
        return [returned[number] for number in sorted(returned)]

    def _tell_ranks(self) -> None:
        """In a job: what its several processes must know."""

    def _send(self, jobs: deque[tuple[int, list[str]]], sent: Sequence[Sent]) -> list[Sent]:
        """Takes from ``jobs`` what can be sent now."""
        raise NotImplementedError

    def _leave(self, sent: Sequence[Sent]) -> None:
        """This process must end while jobs are at work."""
        raise NotImplementedError

    @contextmanager
    def _terminable(self) -> Iterator[None]:
        """SIGTERM ends this process in good order."""

        def end(number: int, _: object) -> None:
            raise SystemExit(128 + number)

        earlier = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, earlier)

    def _arguments(self, number: int, overrides: list[str]) -> tuple[Any, ...]:
        own = [one for one in overrides if one not in self.shared and not one.startswith("hydra.")]
        log.info("\t#%d : %s", number, " ".join(own) or "(as it stands)")
        return overrides, "hydra.sweep.dir", number, f"job_id_for_{number}", Singleton.get_state()

    def _done(self, one: Sent) -> bool:
        return one.job.done()

    def _returned(self, one: Sent) -> JobReturn:
        first = one.job.task(0)
        try:
            return first.result()
        except (UncompletedJobError, FailedJobError):
            state = first.state
        cause = self._error_of_another(one)
        why = f"Another of its processes failed: {cause}" if cause else f"It was ended from outside or broke down: {_state_told(state)}."
        reason = f"{why} Its log: {first.paths.stderr}"
        record_failure(self._folder_of(one), reason, one.overrides, known_better=cause is not None)
        lost = JobReturn(overrides=one.overrides, status=JobStatus.FAILED)
        lost.return_value = SovitsError(reason)
        return lost

    @staticmethod
    def _error_of_another(one: Sent) -> str | None:
        """What another process than the first says that it failed of, where the first one only lost it."""
        for rank in range(1, one.job.num_tasks):
            task = one.job.task(rank)
            if task.paths.result_pickle.is_file():
                try:
                    returned = task.result()
                except (UncompletedJobError, FailedJobError) as error:
                    return " ".join(str(error).split())[-300:]
                if returned.status == JobStatus.FAILED:
                    return str(returned._return_value)
        return None

    def _folder_of(self, one: Sent) -> Path:
        """Where the run of a job lies that did not live to say so."""
        assert self.hydra_context is not None
        assert self.config is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, one.overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.id, config.hydra.job.num = one.job.job_id, one.number
        earlier = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        try:
            return Path(str(OmegaConf.select(config, "hydra.sweep.dir")), str(OmegaConf.select(config, "hydra.sweep.subdir"))).absolute()
        finally:
            HydraConfig.instance().cfg = earlier

    def _say(self, one: Sent, returned: JobReturn, left: int) -> None:
        ended = "done" if returned.status == JobStatus.COMPLETED else "failed"
        log.info("\t#%d %s; %d to go.", one.number, ended, left)


class SlurmSubmission(SweepLauncher):
    """Jobs as one Slurm array."""

    _EXECUTOR = "slurm"
    _asked_at = 0.0

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._died_at: dict[int, float] = {}

    def _send(self, jobs: deque[tuple[int, list[str]]], sent: Sequence[Sent]) -> list[Sent]:
        if not jobs:
            return []
        every = list(jobs)
        jobs.clear()
        made = self._executor().map_array(self, *zip(*(self._arguments(*one) for one in every), strict=True))
        log.info("Sent to Slurm as job %s; logs: %s", made[0].job_id.split("_")[0], made[0].paths.folder.parent)
        return [Sent(number, overrides, job) for (number, overrides), job in zip(every, made, strict=True)]

    def _executor(self) -> AutoExecutor:
        executor = AutoExecutor(
            cluster="slurm", folder=self.params["submitit_folder"], slurm_max_num_timeout=self.params["max_num_timeout"]
        )
        given = {name: value for name, value in self.params.items() if name not in ("submitit_folder", "max_num_timeout")}
        executor.update_parameters(
            **{name if name in BASE else f"slurm_{name}": value for name, value in given.items() if value is not None}
        )
        return executor

    def _done(self, one: Sent) -> bool:
        # submitit asks Slurm less and less often, and so would see late that a job without a result is gone.
        if time.monotonic() - self._asked_at > ASK_SCHEDULER_EVERY:
            one.job.watcher.update()
            self._asked_at = time.monotonic()
        if not super()._done(one):
            self._died_at.pop(one.number, None)
            return False
        return not self._may_come_back(one)

    def _may_come_back(self, one: Sent) -> bool:
        """Whether its node died so recently that Slurm may be about to send it again."""
        first = one.job.task(0)
        if first.state not in NODE_DIED or first.paths.result_pickle.is_file():
            return False
        # submitit never asks again about what it takes to have ended.
        one.job.watcher.clear()
        return time.monotonic() - self._died_at.setdefault(one.number, time.monotonic()) < SENT_AGAIN_WITHIN

    def _leave(self, sent: Sequence[Sent]) -> None:
        if sent:
            number = sent[0].job.job_id.split("_")[0]
            log.warning("%d jobs go on without this command. See them: squeue -j %s; end them: scancel %s.", len(sent), number, number)


class LocalSubmission(SweepLauncher):
    """Jobs as processes of this machine, no more of them at once than it has cores and GPUs for, nor than ``launcher.jobs``."""

    _EXECUTOR = "local"

    def _tell_ranks(self) -> None:
        environment = helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        # All of them are here, and a machine may not know itself by name.
        os.environ["MASTER_ADDR"] = "127.0.0.1"
        assert environment.world_size >= 1

    def _send(self, jobs: deque[tuple[int, list[str]]], sent: Sequence[Sent]) -> list[Sent]:
        if not jobs or len(sent) >= self.at_once():
            return []
        assert self.config is not None
        number, overrides = jobs.popleft()
        wanted = self.params.get("gpus_per_node") or 0
        free = [gpu for gpu in _gpus() if not any(gpu in one.gpus for one in sent)] if wanted else []
        # Not submitit's AutoExecutor, which cannot say which GPUs.
        executor = LocalExecutor(self.params["submitit_folder"], max_num_timeout=self.config.launcher.requeues)
        executor.update_parameters(
            timeout_min=self.params["timeout_min"],
            tasks_per_node=self.params["tasks_per_node"],
            gpus_per_node=wanted,
            visible_gpus=tuple(free[:wanted]),
        )
        with _threads(self.params.get("cpus_per_task")):
            job = executor.submit(self, *self._arguments(number, overrides))
        return [Sent(number, overrides, job, tuple(free[:wanted]))]

    def at_once(self) -> int:
        """How many jobs this machine takes.

        Raises:
            SovitsError: it has fewer GPUs than one job needs.
        """
        processes, gpus = self.params.get("tasks_per_node") or 1, self.params.get("gpus_per_node") or 0
        fitting = (os.cpu_count() or 1) // (processes * (self.params.get("cpus_per_task") or 1))
        if gpus:
            if len(_gpus()) < gpus:
                raise SovitsError(f"launcher.gpus={gpus} for each job, but this machine has {len(_gpus())}; give fewer, or trainer=cpu.")
            fitting = min(max(fitting, 1), len(_gpus()) // gpus)
        assert self.config is not None
        return max(min(fitting, self.config.launcher.jobs or fitting), 1)

    def _leave(self, sent: Sequence[Sent]) -> None:
        for one in sent:
            # It passes the signal on, and the run saves itself.
            process = one.job._process  # type: ignore[attr-defined]
            if process is not None and process.poll() is None:
                process.terminate()
        for one in sent:
            process = one.job._process  # type: ignore[attr-defined]
            if process is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LEAVE_WITHIN)


def _gpus() -> list[int]:
    """Of this machine, as far as this process may see them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [int(one) for one in visible.split(",") if one.strip().isdigit()]
    import torch

    return list(range(torch.cuda.device_count()))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Processes started in here use so many threads, unless somebody has said how many already."""
    if count is None or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def _state_told(state: str) -> str:
    return {"FINISHED": "the process ended without a result", "INTERRUPTED": "killed"}.get(state, f"Slurm says {state}")
