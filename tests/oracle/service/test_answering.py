"""When an oracle answers a challenge, when it leaves that to others, and what it says about those it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from gridwitness.chain.outbox import OutboxStatus
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.domain.challenges import Challenge, ChallengeStatus
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.leaves import signature_hash
from gridwitness.encoding.packing import metric_bytes
from gridwitness.service.answering import Answerer
from gridwitness.sources.decoding import COSE
from tests.oracle.service.members import ACCOUNT, ChainStream, make_member, make_readings
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.sources.documents import TIME, cose, net_energy_record, read, senml_json

TAKEOVER_S = 10.0
TURN_S = 3 * TAKEOVER_S
NOW, WINDOW_S, HEAD = 1_000_000, 3_600, 50
OTHERS = ("0x" + "00" * 19 + "01", "0x" + "ff" * 20)
CONTRACT = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


@dataclass
class Chained:
    """Challenges as a chain would show them, and the registry's verdict."""

    doubts: dict[bytes, tuple[Challenge, ChallengeStatus]] = field(default_factory=dict)
    verdict: bool = True
    address: str = CONTRACT

    def sync(self, head_number: int) -> None:
        """It is always in step."""

    def challenges(self, status: ChallengeStatus) -> list[Challenge]:
        return [one for one, found in self.doubts.values() if found is status]

    def own_answers(self) -> int:
        return 0

    def is_signed(self, signed: SignedReading) -> bool:
        return self.verdict


@dataclass
class Sent:
    """An outbox that sends when told to."""

    intents: dict[str, OutboxStatus] = field(default_factory=dict)
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)
    is_reorganised: bool = False

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        assert key not in self.intents
        self.calls.append((key, to, calldata))
        self.becomes(key, OutboxState.QUEUED)

    def becomes(self, key: str, state: OutboxState, block: int | None = None, error: str = "") -> None:
        self.intents[key] = OutboxStatus(state, None, block, error)

    def status(self, key: str) -> OutboxStatus | None:
        return self.intents.get(key)

    def retry(self, key: str) -> bool:
        self.becomes(key, OutboxState.QUEUED)
        return True

    def reopen(self, key: str) -> bool:
        return self.is_reorganised


@dataclass
class Bench:
    """An answerer with its time in hand."""

    parts: Parts
    members: tuple[str, ...] = (ACCOUNT.address,)
    is_dry_run: bool = False
    real_time: float = 0.0

    def __post_init__(self) -> None:
        self.chain, self.outbox = Chained(), Sent()
        self.follower = make_member(self.parts, stream=ChainStream(members=self.members)).follower
        outbox = None if self.is_dry_run else self.outbox
        self.answerer = Answerer(
            self.follower, self.chain, self.parts.readings, outbox, ACCOUNT.address, TAKEOVER_S, lambda: self.real_time
        )

    async def begin(self) -> SignedReading:
        """Be in step with the stream, with readings in the log; the first of them."""
        await self.follower.step(0)
        readings = make_readings(self.parts)
        self.parts.append(readings, 0)
        return readings[0]

    def doubt(self, signed: SignedReading, number: int = 0, **changes: object) -> Challenge:
        reading = signed.reading
        leaf = (
            reading.device_id,
            reading.counter,
            reading.time,
            metric_bytes(reading.metric),
            reading.value,
            100,
            signature_hash(signed),
        )
        made = Challenge(number.to_bytes(32, "big"), leaf, 1, NOW + WINDOW_S, WINDOW_S, 7, OTHERS[0])
        made = replace(made, **changes)  # type: ignore[arg-type]
        self.chain.doubts[made.challenge_id] = (made, ChallengeStatus.OPEN)
        return made

    def step(self, now: int = NOW, *, moved: bool = True) -> str:
        """One step; what is done about the only open challenge."""
        self.answerer.step(now, HEAD, moved=moved)
        opened = self.answerer.report["open"]
        assert isinstance(opened, list)
        return str(opened[0]["action"]) if opened else ""

    @property
    def alarms(self) -> list[str]:
        alarms = self.answerer.report["alarms"]
        assert isinstance(alarms, list)
        return alarms


def key_of(challenge: Challenge) -> str:
    return f"answer:0x{challenge.challenge_id.hex()}"


@pytest.fixture
async def bench(oracle: Parts) -> Bench:
    return Bench(oracle)


async def test_answer__reading_in_the_log__is_sent_once_to_the_contract(bench: Bench) -> None:
    signed = await bench.begin()
    challenge = bench.doubt(signed)
    assert bench.step() == "answer queued"
    assert bench.answerer.busy
    for state in (OutboxState.QUEUED, OutboxState.SENT, OutboxState.MINED):
        bench.outbox.becomes(key_of(challenge), state, HEAD + 1)
        assert bench.step() == f"answer {state}"
    ((key, to, calldata),) = bench.outbox.calls
    assert (key, to) == (key_of(challenge), CONTRACT)
    assert signed.signature in calldata
    assert challenge.challenge_id == calldata[4:36]
    assert bench.alarms == []


async def test_answer__somebody_else_did__is_left_and_counted(bench: Bench) -> None:
    challenge = bench.doubt(await bench.begin())
    bench.chain.doubts[challenge.challenge_id] = (challenge, ChallengeStatus.ANSWERED)
    assert bench.step() == ""
    assert bench.outbox.calls == []
    assert bench.answerer.report["answered"] == 1


@pytest.mark.parametrize(("number", "rank"), [(0, 1), (1, 0), (2, 2), (4, 0)])
async def test_answer__three_members__each_waits_for_its_turn(oracle: Parts, number: int, rank: int) -> None:
    bench = Bench(oracle, members=(OTHERS[0], ACCOUNT.address, OTHERS[1]))
    bench.doubt(await bench.begin(), number)
    if rank:
        assert bench.step() == "waits for its turn"
        bench.real_time = rank * TURN_S - 1
        assert bench.step(moved=False) == "waits for its turn"
        bench.real_time = rank * TURN_S
    assert bench.step(moved=not rank) == "answer queued"


async def test_answer__not_a_member_any_more__comes_last(oracle: Parts) -> None:
    bench = Bench(oracle, members=OTHERS)
    bench.doubt(await bench.begin())
    assert bench.step() == "waits for its turn"
    bench.real_time = 2 * TURN_S
    assert bench.step() == "answer queued"


async def test_answer__less_than_a_quarter_of_the_window_left__nobody_waits(oracle: Parts) -> None:
    bench = Bench(oracle, members=OTHERS)
    bench.doubt(await bench.begin())
    assert bench.step(NOW + WINDOW_S * 3 // 4) == "waits for its turn"
    assert bench.step(NOW + WINDOW_S * 3 // 4 + 1) == "answer queued"


async def test_answer__dry_run__sends_nothing_and_says_so(oracle: Parts) -> None:
    bench = Bench(oracle, is_dry_run=True)
    bench.doubt(await bench.begin())
    assert bench.step() == "dry run: another must answer"
    assert bench.alarms == []
    assert bench.step(NOW + WINDOW_S * 3 // 4 + 1) == "dry run: another must answer"
    assert len(bench.alarms) == 1


async def test_answer__failed_while_the_challenge_is_open__is_sent_again_at_a_new_head_only(bench: Bench) -> None:
    challenge = bench.doubt(await bench.begin())
    bench.step()
    bench.outbox.becomes(key_of(challenge), OutboxState.FAILED, error="ChallengeNotOpen()")
    assert bench.step(moved=False) == "answer failed: ChallengeNotOpen()"
    assert bench.step() == "answer failed, sent again: ChallengeNotOpen()"
    assert bench.answerer.busy
    assert len(bench.outbox.calls) == 1


async def test_answer__final_but_taken_back_by_a_reorganisation__is_sent_again(bench: Bench) -> None:
    challenge = bench.doubt(await bench.begin())
    bench.step()
    bench.outbox.becomes(key_of(challenge), OutboxState.FINAL, HEAD)
    assert bench.step() == "answer final"  # the node just does not show it yet
    bench.outbox.is_reorganised = True
    assert bench.step(moved=False) == "answer final"
    assert bench.step() == "answer fell to a reorganisation, sent again"
    assert bench.answerer.busy
    assert len(bench.outbox.calls) == 1


# INV-O14
async def test_answer__held_up_with_less_than_a_quarter_of_the_window_left__is_an_alarm(bench: Bench) -> None:
    challenge = bench.doubt(await bench.begin())
    bench.step()
    late = NOW + WINDOW_S * 3 // 4 + 1
    for state, error, now, alarms in (
        (OutboxState.QUEUED, "the fee is too high", late - 1, 0),
        (OutboxState.QUEUED, "the fee is too high", late, 1),
        (OutboxState.SENT, "", late, 0),
        (OutboxState.FAILED, "ran out of gas", late, 1),
    ):
        bench.outbox.becomes(key_of(challenge), state, error=error)
        bench.step(now)
        assert len(bench.alarms) == alarms
    assert bench.alarms[0].endswith("answer failed, sent again: ran out of gas")
    assert bench.answerer.report["unanswerable"] == 0


async def test_answer__suspended_while_it_waited_for_its_turn__is_not_sent(oracle: Parts) -> None:
    bench = Bench(oracle, members=OTHERS)
    bench.doubt(await bench.begin())
    assert bench.step() == "waits for its turn"
    bench.chain.verdict = False
    bench.real_time = 2 * TURN_S
    assert "would lose the bond at once" in bench.step(moved=False)
    assert bench.outbox.calls == []
    assert len(bench.alarms) == 1


# INV-O14
async def test_answer__deadline_is_the_last_second__then_it_is_an_alarm(bench: Bench) -> None:
    challenge = bench.doubt(await bench.begin())
    assert bench.step(challenge.deadline + 1) == "was not answered in time"
    assert len(bench.alarms) == 1
    assert bench.outbox.calls == []
    assert bench.step(challenge.deadline) == "answer queued"
    assert bench.alarms == []


# INV-O13
@pytest.mark.parametrize(
    ("index", "value", "reason"),
    [
        (2, 900, "the leaf says 400 at 900"),
        (3, b"another".ljust(32, b"\0"), "the leaf says 400"),
        (4, 401, "the leaf says 401"),
        (6, b"\x01" * 32, "the leaf is of another signature, with hash 0x0101"),
        (1, 99, "the reading is not in this oracle's log"),
        (1, (1 << 64) - 1, "the reading is not in this oracle's log"),
    ],
)
async def test_answer__leaf_that_the_log_does_not_bear_out__is_named_and_never_sent(
    bench: Bench, index: int, value: object, reason: str
) -> None:
    challenge = bench.doubt(await bench.begin())
    leaf = (*challenge.leaf[:index], value, *challenge.leaf[index + 1 :])
    bench.chain.doubts[challenge.challenge_id] = (replace(challenge, leaf=leaf), ChallengeStatus.OPEN)  # type: ignore[arg-type]
    for now in (NOW, challenge.deadline):
        assert bench.step(now).startswith(f"cannot be answered here: {reason}")
    assert bench.outbox.calls == []
    (alarm,) = bench.alarms
    assert alarm.startswith(f"challenge 0x{challenge.challenge_id.hex()} of reading {leaf[1]} of device 0x")
    assert bench.answerer.report["unanswerable"] == 1


# INV-O13
async def test_answer__registry_does_not_find_it_signed__is_not_sent_until_it_does(bench: Bench) -> None:
    bench.doubt(await bench.begin())
    bench.chain.verdict = False
    assert "would lose the bond at once" in bench.step()
    assert bench.outbox.calls == []
    bench.chain.verdict = True
    assert bench.step(moved=False).startswith("cannot be answered here")
    assert bench.step() == "answer queued"
    assert bench.alarms == []


async def test_answer__log_behind_the_chain__waits_for_the_reading_before_it_alarms(bench: Bench) -> None:
    (signed, *_) = make_readings(bench.parts)
    bench.doubt(signed)
    assert not bench.follower.caught_up
    assert bench.step() == "waits until the log has caught up with the chain"
    assert bench.alarms == []
    bench.parts.append([signed], 0)
    assert bench.step() == "answer queued"


async def test_answer__reading_out_of_a_document__brings_the_document(bench: Bench) -> None:
    await bench.begin()
    key = bench.parts.keys[0]
    (signed,) = read(cose(key, senml_json(net_energy_record(5, TIME + 900)), counter=77), COSE, key)
    bench.parts.append([signed], 0)
    bench.doubt(signed)
    assert bench.step() == "answer queued"
    ((_, _, calldata),) = bench.outbox.calls
    assert signed.signature in calldata
    assert signed.document in calldata


async def test_answer__leaf_of_another_document__is_objected_to(bench: Bench) -> None:
    await bench.begin()
    key = bench.parts.keys[0]
    (signed,) = read(cose(key, senml_json(net_energy_record(5, TIME + 900)), counter=77), COSE, key)
    bench.parts.append([signed], 0)
    bench.doubt(replace(signed, document=signed.document + b"x"))
    assert "the leaf is of another signature" in bench.step()
