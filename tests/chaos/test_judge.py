"""A judge that cannot fail is worth nothing: each kind of wrong is put into good evidence, and must be found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.judge import ChainBatch, Evidence, Log, LoggedBatch, Said, Transactions, Verdict, judge
from tests.chaos.ledger import Key

DEVICE, OTHER = b"\x01" * 32, b"\x02" * 32
KEYS: tuple[Key, ...] = ((DEVICE, 1), (OTHER, 1), (DEVICE, 2), (OTHER, 2))
ROOTS = {1: b"\xaa" * 32, 2: b"\xbb" * 32}


def said(key: Key, value: int = 7) -> Said:
    return (*key, 1_000 + key[1], "1-0:16.7.0:mW", value)


def log(oracle: int) -> Log:
    batches = [LoggedBatch(1, KEYS[:2], ROOTS[1]), LoggedBatch(2, KEYS[2:], ROOTS[2])]
    return Log(oracle, {key: said(key) for key in KEYS}, batches, {"malformed": 3})


def good() -> Evidence:
    """Two oracles, four readings in two batches, three refusals of which one was never heard of, two transactions."""
    return Evidence(
        acknowledged={key: (said(key), frozenset({0, 1})) for key in KEYS},
        followed=[((DEVICE, 1), (DEVICE, 2))],
        answered={(0, "malformed"): 2, (1, "malformed"): 3},
        attempted={(0, "malformed"): 3, (1, "malformed"): 3},
        open_ended=frozenset(),
        chain=[ChainBatch(1, ROOTS[1], 2), ChainBatch(2, ROOTS[2], 2)],
        logs=[log(0), log(1)],
        transactions=[Transactions(0, {"a": {b"a1": 0, b"a2": 0}, "b": {b"b1": 1}}, {b"a2": 0, b"b1": 1}, 0)],
    )


def with_log(**changes: object) -> Evidence:
    """The second oracle's log is another one."""
    return replace(good(), logs=[log(0), replace(log(1), **changes)])


def with_transactions(**changes: object) -> Evidence:
    evidence = good()
    return replace(evidence, transactions=[replace(evidence.transactions[0], **changes)])


def condemned(evidence: Evidence) -> Verdict:
    verdict = judge(evidence)
    assert verdict.violations
    return verdict


def test_judge__all_is_well__finds_nothing() -> None:
    verdict = judge(good())
    assert verdict.violations == []
    assert (verdict.lost, verdict.attested_twice, verdict.order_violations) == (0, 0, 0)
    assert verdict.rejects == {"malformed": {"sent": 6, "answered": 5, "counted": 6}}


def test_judge__acknowledged_reading_is_not_in_the_log__is_lost() -> None:
    verdict = condemned(with_log(readings={key: said(key) for key in KEYS[:3]}))
    assert verdict.lost == 1
    assert "oracle 1 and is not in its log" in verdict.violations[0]


def test_judge__log_has_another_value__is_lost() -> None:
    readings = {key: said(key) for key in KEYS} | {KEYS[1]: said(KEYS[1], 8)}
    assert condemned(with_log(readings=readings)).lost == 1


def test_judge__oracle_that_never_acknowledged_lacks_it__is_not_lost_there() -> None:
    evidence = replace(good(), acknowledged={KEYS[0]: (said(KEYS[0]), frozenset({0}))})
    bare = replace(log(1), readings={})
    verdict = judge(replace(evidence, logs=[log(0), bare]))
    assert verdict.lost == 0


def test_judge__acknowledged_reading_in_no_batch__is_lost() -> None:
    batches = [LoggedBatch(1, KEYS[:2], ROOTS[1]), LoggedBatch(2, KEYS[2:3], ROOTS[2])]
    evidence = replace(good(), chain=[ChainBatch(1, ROOTS[1], 2), ChainBatch(2, ROOTS[2], 1)])
    verdict = condemned(replace(evidence, logs=[replace(log(0), batches=batches), replace(log(1), batches=batches)]))
    assert verdict.lost == 1
    assert any("is not attested" in one for one in verdict.violations)


def test_judge__reading_in_two_batches__is_attested_twice() -> None:
    batches = [LoggedBatch(1, KEYS[:2], ROOTS[1]), LoggedBatch(2, (KEYS[0], *KEYS[2:]), ROOTS[2])]
    evidence = replace(good(), chain=[ChainBatch(1, ROOTS[1], 2), ChainBatch(2, ROOTS[2], 3)])
    verdict = condemned(replace(evidence, logs=[replace(log(0), batches=batches)]))
    assert verdict.attested_twice == 1


def test_judge__batch_out_of_canonical_order__is_an_order_violation() -> None:
    batches = [LoggedBatch(1, KEYS[:2], ROOTS[1]), LoggedBatch(2, (KEYS[3], KEYS[2]), ROOTS[2])]
    assert condemned(with_log(batches=batches)).order_violations == 1


def test_judge__later_reading_overtakes_one_everybody_knew__is_an_order_violation() -> None:
    batches = [LoggedBatch(1, (KEYS[1], KEYS[2]), ROOTS[1]), LoggedBatch(2, (KEYS[0], KEYS[3]), ROOTS[2])]
    verdict = condemned(with_log(batches=batches))
    assert verdict.order_violations == 1
    assert any("is in batch 2" in one for one in verdict.violations)


def test_judge__batch_numbers_with_a_gap__is_an_order_violation() -> None:
    batches = [LoggedBatch(1, KEYS[:2], ROOTS[1]), LoggedBatch(3, KEYS[2:], ROOTS[2])]
    assert condemned(with_log(batches=batches)).order_violations == 1


@pytest.mark.parametrize(
    "batch", [LoggedBatch(2, KEYS[2:], ROOTS[1]), LoggedBatch(2, KEYS[1:], ROOTS[2]), LoggedBatch(2, KEYS[2:], b"")]
)
def test_judge__log_gives_another_root_or_count__does_not_stand(batch: LoggedBatch) -> None:
    verdict = condemned(with_log(batches=[LoggedBatch(1, KEYS[:2], ROOTS[1]), batch]))
    assert any("batch 2 of its log does not give the chain's" in one for one in verdict.violations)


def test_judge__log_ends_before_the_chain__is_found() -> None:
    condemned(with_log(batches=[LoggedBatch(1, KEYS[:2], ROOTS[1])]))


def test_judge__refusal_is_not_counted__is_found() -> None:
    verdict = condemned(with_log(counted={"malformed": 2}))
    assert "oracle 1 refused 3 for malformed and counts 2" in verdict.violations


def test_judge__more_is_counted_than_was_sent__is_found() -> None:
    verdict = condemned(with_log(counted={"malformed": 4}))
    assert "oracle 1 counts 4 for malformed; 3 were sent" in verdict.violations


def test_judge__reason_nobody_gave_cause_for__is_found() -> None:
    condemned(with_log(counted={"malformed": 3, "equivocation": 1}))


def test_judge__broker_delivered_again__may_count_more_but_not_less() -> None:
    assert judge(replace(with_log(counted={"malformed": 9}), open_ended=frozenset({"malformed"}))).violations == []
    condemned(replace(with_log(counted={"malformed": 2}), open_ended=frozenset({"malformed"})))


def test_judge__both_attempts_of_an_intent_mined__is_found() -> None:
    signed = {"a": {b"a1": 0, b"a2": 2}, "b": {b"b1": 1}}
    assert condemned(with_transactions(signed=signed, mined={b"a1": 0, b"b1": 1, b"a2": 2})).double_mined == 1


def test_judge__nonce_left_out__is_a_gap() -> None:
    signed = {"a": {b"a1": 0}, "b": {b"b1": 2}}
    assert condemned(with_transactions(signed=signed, mined={b"a1": 0, b"b1": 2})).nonce_gaps == 1


def test_judge__signed_and_never_mined__is_a_gap() -> None:
    assert condemned(with_transactions(mined={b"a2": 0})).nonce_gaps == 1


def test_judge__somebody_else_sent_from_the_key__is_found() -> None:
    verdict = condemned(with_transactions(mined={b"a2": 0, b"b1": 1, b"zz": 2}))
    assert any("not of its outbox" in one for one in verdict.violations)


def test_judge__intent_left_open__is_found() -> None:
    condemned(with_transactions(unsettled=1))
