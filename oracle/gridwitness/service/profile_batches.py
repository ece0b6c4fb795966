"""Batches of day profiles: what a device delivered on a UTC day, as the readings stream attests it."""

from __future__ import annotations

from collections.abc import Mapping

from gridwitness.domain.batches import AttestedBatch, BatchMeta
from gridwitness.domain.readings import Profile, SignedReading
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.errors import InputError
from gridwitness.scoring import FLAG_SCORE_BPS, Scorer, profile_score
from gridwitness.service.batching import (
    BatchRules,
    Prepared,
    ProfileKeys,
    ReadingKeyJson,
    decode_keys,
    encode_keys,
)
from gridwitness.service.fleet import Fleet
from gridwitness.store import BatchLog, ProfileLog, StoredBatch


class ProfileBatches:
    """The zone's stream of profiles. Methods block; call them off the event loop."""

    name = "profiles"

    def __init__(
        self,
        stream_id: bytes,
        readings_stream: bytes,
        profiles: ProfileLog,
        batches: BatchLog,
        fleet: Fleet,
        rules: BatchRules,
    ) -> None:
        self.stream_id = stream_id
        self._readings_stream = readings_stream
        self._profiles = profiles
        self._batches = batches
        self._fleet = fleet
        self._rules = rules

    def due(self, now: int) -> str | None:
        """The oldest day with complete profiles that are not attested, once all active devices are complete or the
        day's grace is over. Devices completed by late readings follow in a batch of their own.
        """
        head = self._batches.head(self._readings_stream)
        if head is None:
            return None
        active = len(self._fleet.active())
        for day, complete in self._profiles.open_days():
            grace_over = now >= (day + 1) * SECONDS_PER_DAY + self._rules.profile_grace_s
            if grace_over or complete + self._profiles.profiled(day) >= active:
                return encode_keys(ProfileKeys(day, head.batch.seq))
        return None

    def missing(self, keys: str, attached: Mapping[bytes, SignedReading]) -> list[ReadingKeyJson]:
        """Nothing: profiles are made of what is attested."""
        return []

    def objection(self, keys: str) -> str:
        """Never: what the profiles say follows from what is attested."""
        return ""

    def behind(self, keys: str) -> str:
        """Non-empty while this oracle has not yet followed the readings stream as far as the keys say."""
        wanted = decode_keys(keys, ProfileKeys).readings_seq
        head = self._batches.head(self._readings_stream)
        known = 0 if head is None else head.batch.seq
        return "" if wanted <= known else f"readings are followed up to batch {known}; the profiles need {wanted}"

    def prepare(self, seq: int, keys: str, attached: Mapping[bytes, SignedReading]) -> Prepared:
        """Build the day's profiles, root and meta."""
        named = decode_keys(keys, ProfileKeys)
        profiles = self._build(named, seq)
        if not profiles:
            raise InputError(f"no device has {SLOTS_PER_DAY} attested readings on day {named.day} and no profile yet")
        root = StandardMerkleTree([profile_leaf(profile) for profile in profiles]).root
        scores = [profile.score_bps for profile in profiles]
        meta = BatchMeta(
            count=len(profiles),
            flagged_count=sum(score > FLAG_SCORE_BPS for score in scores),
            max_score_bps=max(scores),
            time_from=named.day * SECONDS_PER_DAY,
            time_to=(named.day + 1) * SECONDS_PER_DAY,
            model_hash=Scorer().model_hash[:12],
        )
        return Prepared(self.stream_id, seq, root, meta, keys, profiles=profiles)

    def opaque(self, item: AttestedBatch) -> Prepared:
        """A batch without known profiles."""
        return Prepared(self.stream_id, item.seq, item.root, item.meta, encode_keys(ProfileKeys(0, 0)))

    def commit(self, prepared: Prepared, stored: StoredBatch) -> None:
        """Record the batch."""
        self._profiles.commit(stored, prepared.profiles)

    def roll_back(self, seq: int) -> None:
        """Take back all batches after `seq`."""
        self._profiles.roll_back(self.stream_id, seq)

    def readings_of(self, keys: str) -> list[SignedReading] | None:
        """Nothing to hand over: the readings stream has it all."""
        return []

    def rebuild(self, keys: str, seq: int) -> tuple[Profile, ...]:
        """The profiles of an attested batch, for proofs."""
        return self._build(decode_keys(keys, ProfileKeys), seq)

    def _build(self, keys: ProfileKeys, seq: int) -> tuple[Profile, ...]:
        return tuple(
            Profile(
                device_id,
                keys.day * SLOTS_PER_DAY,
                tuple(energy_wh for energy_wh, _ in slots),
                profile_score([score_bps for _, score_bps in slots]),
            )
            for device_id, slots in self._profiles.complete(keys.day, keys.readings_seq, seq)
        )
