import pytest

from sovits.errors import SovitsError
from sovits.training.rounds import Rounds


def played(rounds: Rounds, batches: int, adversary_from: int = 0) -> tuple[str, int]:
    """A letter for each batch (B both players, D, G) and the generator steps made."""
    letters, since, step = "", 0, 0
    for _ in range(batches):
        current = rounds.at(since, step, step >= adversary_from)
        letters += {(True, True): "B", (True, False): "D", (False, True): "G", (False, False): "-"}[
            current.discriminator, current.generator
        ]
        since += 1
        if current.generator and current.completes:
            step, since = step + 1, 0
    return letters, step


def test_both_players_learn_from_every_batch_by_default() -> None:
    assert played(Rounds(), 4) == ("BBBB", 4)
    assert played(Rounds(), 4, adversary_from=2) == ("GGBB", 4)


def test_a_ratio_of_three_gives_two_batches_to_the_discriminators_alone() -> None:
    assert played(Rounds(discriminator_ratio=3), 9) == ("DDBDDBDDB", 3)
    assert Rounds(discriminator_ratio=3).batches_each_step() == 3
    assert played(Rounds(discriminator_ratio=3), 4, adversary_from=1) == ("GDDB", 2)


@pytest.mark.parametrize("ratio", [0.5, 1 / 3])
def test_a_ratio_below_one_lets_the_discriminators_rest(ratio: float) -> None:
    pause = round(1 / ratio) - 1
    assert played(Rounds(discriminator_ratio=ratio), 2 * (pause + 1)) == (("B" + "G" * pause) * 2, 2 * (pause + 1))


def test_accumulated_batches_make_one_update() -> None:
    rounds = Rounds(accumulate=3)
    assert played(rounds, 6) == ("BBBBBB", 2)
    flags = [(rounds.at(batch, 0, True).begins, rounds.at(batch, 0, True).completes) for batch in range(3)]
    assert flags == [(True, False), (False, False), (False, True)]
    assert played(Rounds(accumulate=2, discriminator_ratio=2), 8) == ("DDBBDDBB", 2)


@pytest.mark.parametrize("ratio", [0.7, 1.5, 0, -1])
def test_ratios_that_are_no_rhythm_are_refused(ratio: float) -> None:
    with pytest.raises(SovitsError, match="discriminator_ratio"):
        Rounds(discriminator_ratio=ratio)
    with pytest.raises(SovitsError, match="accumulate=0"):
        Rounds(accumulate=0)
