import math

import pytest
import torch
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from torch.nn import functional as F

from sovits.modules.speaker_classifier import SpeakerClassifier


@pytest.mark.parametrize(("margin", "scale"), [(0.2, 30.0), (0.5, 10.0), (0.0, 1.0)])
def test_the_loss_equals_speechbrains(margin: float, scale: float) -> None:
    classifier = SpeakerClassifier(3, 6, margin, scale)
    embeddings, speakers = 5 * torch.randn(200, 3), torch.randint(6, (200,))
    cosines = F.normalize(embeddings) @ F.normalize(classifier.weight).T
    own = cosines.gather(1, speakers[:, None])
    assert margin == 0 or (own < -math.cos(margin)).any(), "the straight part beyond pi - margin is met too"
    expected = LogSoftmaxWrapper(AdditiveAngularMargin(margin, scale))(cosines.unsqueeze(1), speakers[:, None])
    torch.testing.assert_close(classifier(embeddings, speakers), expected)


def test_a_margin_asks_for_more() -> None:
    embeddings, speakers = torch.randn(8, 5), torch.randint(4, (8,))
    strict, lenient = SpeakerClassifier(5, 4, margin=0.3), SpeakerClassifier(5, 4, margin=0.0)
    lenient.load_state_dict(strict.state_dict())
    assert strict(embeddings, speakers) > lenient(embeddings, speakers)


def test_a_voice_in_its_speakers_own_direction_has_a_finite_gradient() -> None:
    classifier = SpeakerClassifier(4, 3)
    embeddings = torch.stack([classifier.weight.detach()[0], -classifier.weight.detach()[1]]).requires_grad_()
    classifier(embeddings, torch.tensor([0, 1])).backward()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_half_precision_around_it_does_not_change_the_loss() -> None:
    classifier, embeddings, speakers = SpeakerClassifier(4, 3), torch.randn(2, 4), torch.tensor([0, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = classifier(embeddings, speakers)
    assert torch.equal(inside, classifier(embeddings, speakers))
