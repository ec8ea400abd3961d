"""Knowledge distillation: a small model learns from the recordings and from what a larger trained one, its teacher, makes of them.

The soft targets of Hinton et al. (2015) have no logits to come from here, so each part of the student is taught by the same part of the
teacher, as Nix-TTS (Chevi et al. 2022) does with VITS:

- ``teacher_mel``: its decoder also aims at what the teacher reconstructs: a target without what no model can foresee in a recording.
- ``teacher_posterior``, ``teacher_prior``: what a recording and a text mean to the teacher, as hints (FitNets, Romero et al. 2015). The
  latents of two models are two languages, of different sizes too, so that a learned linear map lies between; where the sizes are equal
  there is none, and the student takes the teacher's language over. Only means: one map cannot carry the spread over as well.
- ``teacher_duration``: the rhythm that the teacher would speak with (of sequences, Kim & Rush 2016).
- ``teacher_voice``: its encoder hears voices as the teacher's does, so that one speaker bank serves both.

Besides, the teacher's alignment takes the place of the student's own, which says little for long: then both speak of the same frames of a
phone, in the hint of the prior as in the student's own ``kl`` and ``duration``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from sovits import losses
from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules.synthesizer import SynthesizerOutput
from sovits.modules.text_encoder import TextEncoding
from sovits.training.lightning_module import GENERATOR_LOSSES, VoiceTraining
from sovits.training.teacher import Lesson, Teacher

TEACHER_LOSSES = ("teacher_mel", "teacher_posterior", "teacher_prior", "teacher_duration", "teacher_voice")


@dataclass
class HeardOutput(SynthesizerOutput):
    """A forward, and what the text encoder said in it."""

    encoding: TextEncoding


class VoiceDistillation(VoiceTraining):
    """:class:`VoiceTraining` with a teacher, once :meth:`learn_from` has named one.

    Its checkpoints are those of any other run: the teacher is not in them, and the maps between the latents are no part of the synthesizer.
    Under ``distillation`` they say which teacher it was, since a resumed run needs the same one.
    """

    known_losses = (*GENERATOR_LOSSES, *TEACHER_LOSSES)
    # What the text says waits for the latents, with or without a teacher.
    first_losses = ("mel", "teacher_mel", "teacher_posterior", "teacher_voice")
    teacher: Teacher | None = None

    def learn_from(self, teacher: Teacher, sha256: str, share_alignment: bool = True) -> None:
        """Gives the student its teacher.

        Args:
            sha256: of the file that the teacher came from.
            share_alignment: the teacher says which phone is heard in which frame.
        """
        self.teacher = teacher
        self.teacher_sha256 = sha256
        self.share_alignment = share_alignment
        channels = [synthesizer.text_encoder.inter_channels for synthesizer in (self.synthesizer, teacher.synthesizer)]
        self.projections = nn.ModuleDict({part: _projection(*channels) for part in ("posterior", "prior")})

    def generator_weights(self) -> list[nn.Parameter]:
        return [*super().generator_weights(), *self.projections.parameters()]

    def on_train_start(self) -> None:
        super().on_train_start()
        self._known_teacher().to(self.device)

    def _forward(self, batch: Batch) -> tuple[SynthesizerOutput, Tensor]:
        with overheard(self.synthesizer.text_encoder) as said:
            output, voices = super()._forward(batch)
        return HeardOutput(**vars(output), encoding=said[-1]), voices

    def _generator_losses(
        self, batch: Batch, output: SynthesizerOutput, voices: Tensor, real: Tensor, adversary: bool
    ) -> dict[str, Tensor]:
        assert isinstance(output, HeardOutput)
        lesson = self._known_teacher().teach(batch)
        if self.share_alignment:
            output = self._aligned(output, lesson.alignment, voices)
        return super()._generator_losses(batch, output, voices, real, adversary) | self._teacher_losses(batch, output, voices, lesson)

    def _aligned(self, output: HeardOutput, alignment: Tensor, voices: Tensor) -> HeardOutput:
        """``output`` as if the student had found ``alignment``."""
        encoding = output.encoding
        return replace(
            output,
            alignment=alignment,
            prior_mean=encoding.mean.float() @ alignment,
            prior_log_std=encoding.log_std.float() @ alignment,
            duration_penalty=self._duration_penalty(encoding, voices, alignment.sum(-1)),
        )

    def _teacher_losses(self, batch: Batch, output: HeardOutput, voices: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Those of ``TEACHER_LOSSES`` that have a weight."""
        teacher, size = self._known_teacher(), self.synthesizer.segment_frames
        ways: dict[str, Callable[[], Tensor]] = {
            "teacher_mel": lambda: self.mel_loss(output.audio, self._as_recorded(teacher.say(lesson, output.slice_starts, size), batch)),
            "teacher_posterior": lambda: self._hint("posterior", output.posterior.mean, lesson.posterior_mean, output.frame_mask),
            "teacher_prior": lambda: self._hint("prior", output.prior_mean, lesson.prior_mean, output.frame_mask),
            "teacher_duration": lambda: self._duration(output, voices, lesson.frames),
            "teacher_voice": lambda: losses.speaker_consistency(voices, lesson.voices),
        }
        return {name: way() for name, way in ways.items() if self.weights[name]}

    def _hint(self, part: str, own: Tensor, taught: Tensor, mask: Tensor) -> Tensor:
        return losses.hint_loss(self.projections[part](own), taught, mask)

    def _duration(self, output: HeardOutput, voices: Tensor, frames: Tensor) -> Tensor:
        # Two best guesses need no rounding; a distribution, on either side, is one of whole frames.
        teacher = self._known_teacher()
        if teacher.synthesizer.duration_predictor.noise_channels or self.synthesizer.duration_predictor.noise_channels:
            frames = teacher.whole(frames)
        return losses.duration_loss(replace(output, duration_penalty=self._duration_penalty(output.encoding, voices, frames)))

    def _duration_penalty(self, encoding: TextEncoding, voices: Tensor, frames: Tensor) -> Tensor:
        # As in the synthesizer's own forward, durations don't pull at the text encoder.
        return self.synthesizer.duration_predictor(encoding.hidden.detach(), encoding.mask, voices, frames)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["distillation"] = {"sha256": self.teacher_sha256}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if "distillation" not in checkpoint:
            raise SovitsError(
                "The checkpoint to resume from was not written with a teacher; resume with the command it was made with, or begin with its "
                "weights and a teacher by warm_start instead of resume."
            )
        before = checkpoint["distillation"]["sha256"]
        if before != self.teacher_sha256:
            raise SovitsError(
                f"The checkpoint to resume from had another teacher (SHA-256 {before[:12]}) than distillation.teacher names now "
                f"({self.teacher_sha256[:12]}); give that file, or begin anew with this one."
            )
        super().on_load_checkpoint(checkpoint)

    def _known_teacher(self) -> Teacher:
        if self.teacher is None:
            raise SovitsError("Nobody teaches: this training belongs to experiment=distil with distillation.teacher=FILE.")
        return self.teacher


@contextmanager
def overheard(encoder: nn.Module) -> Iterator[list[TextEncoding]]:
    """Inside, the list holds what ``encoder`` returns, in its order."""
    said: list[TextEncoding] = []
    handle = encoder.register_forward_hook(lambda _, __, encoding: said.append(encoding))
    try:
        yield said
    finally:
        handle.remove()


def _projection(channels: int, taught: int) -> nn.Module:
    """From the student's latents to the teacher's."""
    return nn.Identity() if channels == taught else nn.Conv1d(channels, taught, 1)
