"""A device, its owner and those they deal with; every signed action, over every digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape

from gridwitness.domain.devices import DeviceKind, Rotation
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading
from gridwitness.encoding import eip712
from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.encoding.leaves import leaf_hash
from tests.actors import HOUR_SECONDS, Device, registration_args

OWN_CALL = (0, b"")
TRADE, DATA, CONSENT, PAYMENT = 1, 2, 4, 8
ALL_SCOPES = TRADE | DATA | CONSENT | PAYMENT
FOREVER = 2**40 - 1
BY_OWNER = ("Rotate", "Retire", "OfferTransfer", "SetDelegate", "SetPayee")
BY_DEVICE = ("Register", "Activate", "RotateNewKey")
TYPES = ("Register", "Activate", "Rotate", "Retire", "OfferTransfer", "AcceptTransfer", "SetDelegate", "SetPayee")


def key_of(account: Any) -> Secp256k1Key:
    """Private key of a test account."""
    return Secp256k1Key(int(account.private_key, 16))


def account_id(account: Any) -> bytes:
    """Left-padded address, as `isAuthorized` takes a signer."""
    return bytes.fromhex(str(account)[2:]).rjust(32, b"\0")


def key_signature(account: Any, digest: bytes) -> bytes:
    """`signer || r || s || v` of an account, as `verifySignature` takes it."""
    key = key_of(account)
    return key.device_id[12:] + key.sign(digest)


@dataclass
class Scene:
    """What is signed and sent about one device. Fields of all types are alike, so that only the type parts them."""

    registry: Any
    domain: Domain
    device: Device
    owner: Any
    other: Any
    carrier: Any
    new_key: DeviceKey
    deadline: int
    time: int

    def digest(self, kind: str, nonce: int | None = None, deadline: int | None = None, **changes: Any) -> bytes:
        """Digest of a type over the scene's fields, with `changes`."""
        device_id, other = self.device.device_id, str(changes.get("to", self.other))
        deadline = self.deadline if deadline is None else deadline
        terms = {"nonce": self.nonce if nonce is None else nonce, "deadline": deadline}
        registration = self.device.registration(self.owner, deadline=deadline)
        match kind:
            case "Register":
                return eip712.register_digest(self.domain, registration)
            case "Activate":
                return eip712.activate_digest(self.domain, registration, self.fleet)
            case "Reading":
                return eip712.reading_digest(self.domain, Reading(device_id, 1, deadline, NET_ENERGY_METRIC, 5))
            case "Rotate" | "RotateNewKey":
                rotation = Rotation(device_id, self.new_key.device_id, changes.get("time", self.time), deadline)
                return eip712.rotate_digest(self.domain, rotation, terms["nonce"])
            case "Retire":
                return eip712.retire_digest(self.domain, device_id, **terms)
            case "OfferTransfer":
                time = changes.get("time", self.time)
                return eip712.offer_transfer_digest(self.domain, device_id, other, time, **terms)
            case "AcceptTransfer":
                owner = str(changes.get("from_", self.owner))
                return eip712.accept_transfer_digest(self.domain, device_id, owner, other, **terms)
            case "SetDelegate":
                scopes, time = changes.get("scopes", TRADE), changes.get("time", self.time)
                return eip712.set_delegate_digest(self.domain, device_id, other, scopes, time, **terms)
            case "SetPayee":
                return eip712.set_payee_digest(self.domain, device_id, other, **terms)
        raise AssertionError(kind)

    def send(self, kind: str, digest: bytes, signer: DeviceKey | None = None, deadline: int | None = None) -> Any:
        """Receipt of the call of `kind`, carried by a stranger with a signature over `digest`; all else is right."""
        registry, device_id = self.registry, self.device.device_id
        deadline = self.deadline if deadline is None else deadline
        signature = (signer or self.signer(kind)).sign(digest)
        consent, by = (deadline, signature), {"sender": self.carrier}
        registration = registration_args(self.device.registration(self.owner, deadline=deadline))
        rotation = (device_id, self.new_key.device_id, self.time, deadline)
        proof = self.new_key.sign(self.digest("Rotate", deadline=deadline))
        match kind:
            case "Register":
                return registry.register(registration, signature, **by)
            case "Activate":
                return registry.activate(registration, self.other, [], signature, **by)
            case "Rotate":
                return registry.rotate(rotation, proof, consent, **by)
            case "RotateNewKey":
                return registry.rotate(rotation, signature, OWN_CALL, sender=self.owner)
            case "Retire":
                return registry.retire(device_id, consent, **by)
            case "OfferTransfer":
                return registry.offerTransfer(device_id, self.other, self.time, consent, **by)
            case "AcceptTransfer":
                return registry.acceptTransfer(device_id, consent, **by)
            case "SetDelegate":
                return registry.setDelegate(device_id, self.other, TRADE, self.time, consent, **by)
            case "SetPayee":
                return registry.setPayee(device_id, self.other, consent, **by)
        raise AssertionError(kind)

    def prepare(self, kind: str) -> None:
        """Bring the device to where `kind` is possible."""
        if kind == "Activate":
            self.registry.enrolFleet(self.fleet_root, 1, sender=self.other)
        elif kind != "Register":
            self.device.register(self.owner)
        if kind == "AcceptTransfer":
            self.registry.offerTransfer(self.device.device_id, self.other, self.time, OWN_CALL, sender=self.owner)

    def refusal(self, kind: str) -> tuple[Any, dict[str, object]]:
        """Error and inputs that a signature over anything else meets."""
        if kind in BY_DEVICE:
            key_id = self.new_key.device_id if kind == "RotateNewKey" else self.device.device_id
            return self.registry.PossessionNotProven, {"keyId": key_id}
        signer = self.other if kind == "AcceptTransfer" else self.owner
        fields = {"deviceId": self.device.device_id, "signer": signer, "nonce": self.nonce}
        return self.registry.AuthorizationInvalid, fields

    def signer(self, kind: str) -> DeviceKey:
        """Key whose signature `kind` asks for."""
        if kind == "RotateNewKey":
            return self.new_key
        if kind in BY_DEVICE:
            return self.device.key
        return key_of(self.other if kind == "AcceptTransfer" else self.owner)

    @property
    def nonce(self) -> int:
        """The device's present nonce."""
        return int(self.record.nonce)

    @property
    def record(self) -> Any:
        """The device's record."""
        return self.registry.device(self.device.device_id)

    @property
    def fleet_root(self) -> bytes:
        """Root of a fleet of this one device."""
        return leaf_hash((self.device.device_id, int(DeviceKind.PROSUMER)))

    @property
    def fleet(self) -> bytes:
        """Id of that fleet, enrolled by `other`."""
        return eip712.fleet_id(str(self.other), self.fleet_root)


def rotate(scene: Scene, key: DeviceKey, valid_from: int) -> Any:
    """Receipt of a rotation to `key`, called by the owner."""
    deadline = ape.chain.pending_timestamp + HOUR_SECONDS
    rotation = Rotation(scene.device.device_id, key.device_id, valid_from, deadline)
    proof = key.sign(eip712.rotate_digest(scene.domain, rotation, scene.nonce))
    fields = (rotation.device_id, rotation.new_key_id, valid_from, deadline)
    return scene.registry.rotate(fields, proof, OWN_CALL, sender=scene.record.owner)


def new_keys() -> list[DeviceKey]:
    """Keys of both curves that no device has."""
    return [P256Key(0x2E1), Secp256k1Key(0x2E2), P256Key(0x2E3)]
