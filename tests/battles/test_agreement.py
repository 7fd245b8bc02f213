"""Agreement against figures that stand in print, and where there is none to be told."""

from __future__ import annotations

import pytest

from battles.agreement import agreement


def test_two_voters_get_cohens_kappa() -> None:
    # A textbook table of 50 grants read by two: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: kappa 0.4.
    table = [("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15)]
    votes, item = [], 0
    for one, other, times in table:
        for _ in range(times):
            votes += [(item, 1, one), (item, 2, other)]
            item += 1
    told = agreement(votes)
    assert told.method == "cohen" and (told.items, told.voters, told.votes) == (50, 2, 100)
    assert told.share == pytest.approx(0.70)
    assert told.kappa == pytest.approx(0.40)


def test_more_voters_get_fleiss_kappa() -> None:
    # The worked example of 14 voters, 10 items and 5 categories that encyclopedias give: 0.210.
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    votes = []
    for item, counts in enumerate(table):
        said = [str(kind) for kind, count in enumerate(counts) for _ in range(count)]
        votes += [(item, voter, vote) for voter, vote in enumerate(said)]
    told = agreement(votes)
    assert told.method == "fleiss" and told.voters == 14 and not told.faint
    assert told.kappa == pytest.approx(0.210, abs=0.0005)


def test_what_one_person_alone_judged_says_nothing() -> None:
    told = agreement([(1, 1, "left"), (2, 1, "right")])
    assert told.kappa is None and told.share is None and told.items == 0


def test_where_all_say_the_same_one_thing_chance_cannot_be_told_apart() -> None:
    told = agreement([(item, voter, "tie") for item in range(3) for voter in (1, 2)])
    assert told.kappa is None and told.share == 1.0 and told.faint


def test_a_second_vote_of_a_person_replaces_the_first() -> None:
    told = agreement([(1, 1, "left"), (1, 2, "right"), (1, 2, "left"), (2, 1, "right"), (2, 2, "right")])
    assert told.share == 1.0 and told.kappa == pytest.approx(1.0)
