"""What speaks for a reading beside the registry: its document, and the gateway that keeps its device's key."""

from __future__ import annotations

import asyncio

from eth_utils.address import to_checksum_address

from gridwitness.domain.devices import Device, Scope
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.eip712 import Domain, signed_digest
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import ReadingRejected
from gridwitness.service.fleet import Fleet
from gridwitness.sources.decoding import decode, is_document
from gridwitness.sources.payloads import ReadingPayload
from gridwitness.sources.signers import Signers


class Decoder:
    """Decodes bodies; who signed a document is asked of the fleet, and of the chain if the fleet does not know."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._signers = Signers(fleet)

    async def decode(self, body: bytes, content_type: str) -> list[ReadingPayload]:
        """Payloads of a body. Raises InputError, ReadingRejected, or ChainError if the node does not answer."""
        if not is_document(content_type):
            return decode(body, content_type, self._signers)
        try:
            return await asyncio.to_thread(decode, body, content_type, self._signers)
        except ReadingRejected as rejected:
            if rejected.reason != "unknown_device":
                raise
        await self._fleet.refresh()
        return await asyncio.to_thread(decode, body, content_type, self._signers)


def gateway_of(domain: Domain, signed: SignedReading) -> str:
    """Checksummed address of the gateway that co-signed a reading; empty if none did, or nobody can have."""
    signer = recover_signer(signed_digest(domain, signed), signed.gateway_signature)
    return "" if signer is None else to_checksum_address(signer)


def check_gateway(domain: Domain, signed: SignedReading, device: Device) -> None:
    """See that a gateway's signature is of a delegate that might vouch for the device's data at the reading's time.

    Nothing to check without one. Raises ReadingRejected `unknown_gateway`.
    """
    if not signed.gateway_signature:
        return
    gateway, time = gateway_of(domain, signed), signed.reading.time
    if not gateway or not device.is_delegate(gateway, Scope.DATA, time):
        raise ReadingRejected(
            "unknown_gateway",
            f"the gateway's signature is by {gateway or 'nobody'}, who was no delegate for data of device "
            f"0x{device.device_id.hex()} at {time}",
        )
