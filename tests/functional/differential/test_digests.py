"""Digests, device ids and verdicts on signatures: Python's and the contracts', over random cases."""

from __future__ import annotations

from gridwitness.chain.attestation import batch_tuple
from gridwitness.domain.batches import Batch, BatchMeta
from gridwitness.domain.devices import DeviceKind, Registration, Rotation
from gridwitness.domain.readings import MAX_SCORE_BPS
from gridwitness.encoding import eip712
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.keys import P256_ORDER, SECP256K1_ORDER, P256Key, Secp256k1Key, is_signature_of
from gridwitness.encoding.leaves import reading_fields
from tests.functional.differential.conftest import Draw, Encodings, assert_equal
from tests.functional.differential.test_leaves import any_reading

CASES = 1_000


def any_batch(draw: Draw) -> Batch:
    score, times = draw.randrange(MAX_SCORE_BPS + 1), (draw.uint(40), draw.uint(40))
    meta = BatchMeta(draw.uint(32), draw.uint(32), score, *times, model_hash=draw.randbytes(12))
    previous, window = draw.randbytes(20), (draw.uint(40), draw.uint(40))
    return Batch(draw.word(), draw.uint(32), draw.word(), previous, meta, draw.uint(32), *window, draw.uint(24))


def test_digest_batch__any__equals_the_contracts(
    encodings: Encodings, draw: Draw, attestation_domain_712: Domain
) -> None:
    cases = [any_batch(draw) for _ in range(CASES)]
    theirs = encodings.ask("batchDigests", [batch_tuple(case) for case in cases], [case.config for case in cases])
    assert_equal([eip712.batch_digest(attestation_domain_712, case) for case in cases], theirs, cases)


def test_digest_entry__any__equals_the_contracts(encodings: Encodings, draw: Draw, registry_domain_712: Domain) -> None:
    cases = []
    for _ in range(CASES):
        kind, zone, deadline = draw.choice(list(DeviceKind)), draw.uint(24), draw.uint(256)
        fleet = eip712.fleet_id(draw.address(), draw.word())
        cases.append((Registration(draw.word(), draw.address(), kind, zone, deadline), fleet))
    fields = [(row.device_id, row.owner, int(row.kind), row.zone, row.deadline) for row, _ in cases]
    ours = [
        (
            eip712.register_digest(registry_domain_712, registration),
            eip712.activate_digest(registry_domain_712, registration, fleet),
        )
        for registration, fleet in cases
    ]
    assert_equal(ours, encodings.ask("entryDigests", fields, [fleet for _, fleet in cases]), cases)


def test_digest_reading__any__equals_the_contracts(
    encodings: Encodings, draw: Draw, registry_domain_712: Domain
) -> None:
    cases = [any_reading(draw) for _ in range(CASES)]
    theirs = encodings.ask("readingDigests", [reading_fields(case) for case in cases])
    ours = [eip712.reading_digest(registry_domain_712, case.signed.reading) for case in cases]
    assert_equal(ours, theirs, cases)


def test_digest_action__any_with_any_nonce__equals_the_contracts(
    encodings: Encodings, draw: Draw, registry_domain_712: Domain
) -> None:
    domain, cases, ours = registry_domain_712, [], []
    for _ in range(CASES):
        rotation = Rotation(draw.word(), draw.word(), valid_from=draw.uint(40), deadline=draw.uint(256))
        a, b, scopes = draw.address(), draw.address(), draw.uint(32)
        device, at, signed = rotation.device_id, rotation.valid_from, {"nonce": draw.uint(16)}
        fields = (device, rotation.new_key_id, at, rotation.deadline)
        cases.append((fields, a, b, scopes, signed["nonce"]))
        until = {**signed, "deadline": rotation.deadline}
        ours.append(
            (
                eip712.rotate_digest(domain, rotation, signed["nonce"]),
                eip712.retire_digest(domain, device, **until),
                eip712.offer_transfer_digest(domain, device, a, at, **until),
                eip712.accept_transfer_digest(domain, device, a, b, **until),
                eip712.set_delegate_digest(domain, device, a, scopes, at, **until),
                eip712.set_payee_digest(domain, device, a, **until),
            )
        )
    assert_equal(ours, encodings.ask("actionDigests", cases, domain.separator), cases)


def with_fault(draw: Draw, key: P256Key | Secp256k1Key, signature: bytes) -> bytes:
    """The signature, or a like one: bit flipped, other length, s mirrored, r or s beyond the order or zero."""
    end = 128 if isinstance(key, P256Key) else 64
    order = P256_ORDER if isinstance(key, P256Key) else SECP256K1_ORDER
    r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (end - 64, end - 32))
    fault = draw.randrange(12)
    if fault == 0:
        place = draw.randrange(len(signature))
        return signature[:place] + bytes([signature[place] ^ 1 << draw.randrange(8)]) + signature[place + 1 :]
    if fault == 1:
        return draw.choice((signature[:-1], signature + b"\0", b"", draw.randbytes(len(signature))))
    if fault == 2:
        s = order - s
    elif fault in (3, 4):
        other = draw.choice((0, order, order + 1, order - 1, (1 << 256) - 1))
        r, s = (other, s) if fault == 3 else (r, other)
    tail = signature[end:] if fault != 2 or end == 128 else bytes([55 - signature[64]])
    return signature[: end - 64] + r.to_bytes(32, "big") + s.to_bytes(32, "big") + tail


def test_judge_signature__good_and_bad_of_any_key__same_verdict_as_the_contracts(
    encodings: Encodings, draw: Draw
) -> None:
    cases = []
    for _ in range(2 * CASES):
        curve, order = draw.choice(((P256Key, P256_ORDER), (Secp256k1Key, SECP256K1_ORDER)))
        key, digest = curve(draw.choice((1, order - 1, draw.randrange(1, order)))), draw.word()
        cases.append((key.device_id, digest, with_fault(draw, key, key.sign(digest))))
    ours = [is_signature_of(*case) for case in cases]
    assert CASES < sum(ours) < 2 * CASES
    assert_equal(ours, encodings.ask("areBy", *zip(*cases, strict=True)), cases)
