"""Messages by which a wallet signs in (EIP-4361): parsed strictly by its grammar, checked, and written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.address import is_checksum_address

from gridwitness.errors import InputError

MAX_MESSAGE_CHARACTERS = 4_096
# A message without an expiry is good for so long, and one from the future so far: clocks differ.
MAX_AGE_S = 600
CLOCK_TOLERANCE_S = 60

_DATE_TIME = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*"
_MESSAGE = re.compile(
    rf"""(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?
    (?P<domain>[A-Za-z0-9._~!$&'()*+,;=:@%\[\]-]+)\ wants\ you\ to\ sign\ in\ with\ your\ Ethereum\ account:\n
    (?P<address>0x[0-9A-Fa-f]{{40}})\n
    \n
    (?:(?P<statement>[A-Za-z0-9._~:/?\#\[\]@!$&'()*+,;=\ -]+)\n)?
    \n
    URI:\ (?P<uri>{_URI.replace("#", chr(92) + "#")})\n
    Version:\ (?P<version>1)\n
    Chain\ ID:\ (?P<chain_id>[0-9]{{1,20}})\n
    Nonce:\ (?P<nonce>[A-Za-z0-9]{{8,128}})\n
    Issued\ At:\ (?P<issued_at>{_DATE_TIME})
    (?:\nExpiration\ Time:\ (?P<expiration_time>{_DATE_TIME}))?
    (?:\nNot\ Before:\ (?P<not_before>{_DATE_TIME}))?
    (?:\nRequest\ ID:\ (?P<request_id>[A-Za-z0-9._~!$&'()*+,;=:@%-]*))?
    (?:\nResources:(?P<resources>(?:\n-\ {_URI.replace("#", chr(92) + "#")})*))?""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """What of a message decides. Times are unix seconds."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: float
    expires_at: float
    not_before: float


def parse_sign_in(text: str) -> SignInMessage:
    """Read a message. Raises InputError for anything that the grammar does not make."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        raise InputError(f"the sign-in message has {len(text)} characters; at most {MAX_MESSAGE_CHARACTERS} are read")
    match = _MESSAGE.fullmatch(text)
    if match is None:
        raise InputError("the sign-in message is not written as EIP-4361 wants")
    if not is_checksum_address(match["address"]):
        raise InputError(f"the address {match['address']} of the sign-in message has no EIP-55 checksum")
    issued_at = _unix_time(match["issued_at"])
    return SignInMessage(
        domain=match["domain"],
        address=match["address"],
        uri=match["uri"],
        chain_id=int(match["chain_id"]),
        nonce=match["nonce"],
        issued_at=issued_at,
        expires_at=_unix_time(match["expiration_time"]) if match["expiration_time"] else issued_at + MAX_AGE_S,
        not_before=_unix_time(match["not_before"]) if match["not_before"] else issued_at,
    )


def check_sign_in(message: SignInMessage, *, domain: str, chain_id: int, now: float) -> None:
    """Whether the message is for this site, this chain and now. Raises InputError naming what is not."""
    if message.domain.lower() != domain.lower():
        raise InputError(f"the sign-in message is for {message.domain[:80]}, this is {domain[:80]}")
    authority = urlsplit(message.uri).netloc
    if authority.lower() != domain.lower():
        raise InputError(f"the sign-in message's URI is at {authority[:80]}, this is {domain[:80]}")
    if message.chain_id != chain_id:
        raise InputError(f"the sign-in message is for chain {message.chain_id}, this site is on {chain_id}")
    if now >= message.expires_at:
        raise InputError(f"the sign-in message expired {now - message.expires_at:.0f} s ago; sign a new one")
    early_s = max(message.not_before, message.issued_at) - now
    if early_s > CLOCK_TOLERANCE_S:
        raise InputError(f"the sign-in message is good only in {early_s:.0f} s; is your clock right?")


def check_signer(text: str, message: SignInMessage, signature: bytes) -> None:
    """Whether the message's address signed it (EIP-191). Raises InputError if not."""
    try:
        signer = Account.recover_message(encode_defunct(text=text), signature=signature)
    except Exception as error:  # eth-account raises many kinds for what is no signature
        raise InputError(f"{len(signature)} bytes that are no signature of a wallet") from error
    if signer != message.address:
        raise InputError(f"the sign-in message is of {message.address}, but {signer} signed it")


def write_sign_in(
    *, domain: str, address: str, uri: str, chain_id: int, nonce: str, issued_at: str, statement: str = ""
) -> str:
    """A message to sign; `issued_at` as RFC 3339 has it. Raises InputError if it would not be read here."""
    statement_lines = f"{statement}\n" if statement else ""
    text = (
        f"{domain} wants you to sign in with your Ethereum account:\n{address}\n\n{statement_lines}\n"
        f"URI: {uri}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued_at}"
    )
    parse_sign_in(text)
    return text


def _unix_time(text: str) -> float:
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text} in the sign-in message is no time") from error
