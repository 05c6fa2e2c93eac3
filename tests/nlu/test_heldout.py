"""The trained model on sentences it has never seen (data/regression)."""

from bench.heldout import item_pairs, macro_f1, matters_read, share, talk_pairs


def test_service_items_are_told_apart(understanding):
    assert macro_f1(item_pairs(understanding)) >= 0.85


def test_small_talk_is_rarely_taken_for_a_matter(understanding):
    matters = {label.split("/")[0] for label, _ in item_pairs(understanding)}
    assert share([read in matters for _, read in talk_pairs(understanding)]) <= 0.08


def test_two_matters_in_one_message_are_both_seen(understanding):
    read = matters_read(understanding, "two")
    assert share([len(found) == 2 for _, _, found in read]) >= 0.75


def test_one_matter_with_another_clause_stays_one(understanding):
    read = matters_read(understanding, "one")
    assert share([len(found) == 1 for _, _, found in read]) >= 0.9
