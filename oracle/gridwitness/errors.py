"""All errors this package raises on purpose.

GridwitnessError                 one line for a person, with an optional hint
├── InputError                   something given to us is wrong: the message names the value and the limit
│   ├── CommunityError           a community's data files
│   ├── UnsupportedContent       a body of a type nobody here reads
│   ├── ReadingRejected          a device's reading; carries the reason that is counted
│   └── ProofError               a proof file or a proof that does not verify
│       └── NothingAttested      an oracle has no proof of what was asked for
├── ConfigError                  settings, keys, parameter and manifest files
├── ChainError                   the node: not there, wrong chain, transaction failed
│   ├── NodeUnavailable          no node answers, or none that can be used
│   └── Reverted                 a contract refused; carries the decoded custom error
├── CommitteeError               peers did not co-sign
├── TryLater                     nothing wrong, only too much at once; carries the seconds to wait
│   ├── Overloaded               this service has more waiting than it can take
│   └── RateLimited              this sender sends more than its share
└── StoreError                   the durable log
    └── StoreFull                no room left on its disk
"""

from __future__ import annotations


class GridwitnessError(Exception):
    """An error meant for a person: `message` is one line, `hint` says what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(GridwitnessError):
    """Something given to us is wrong."""


class CommunityError(InputError):
    """A community's data files are wrong."""


class UnsupportedContent(InputError):
    """A body's content type is none that is read here."""


class ReadingRejected(InputError):
    """A reading was refused before it was acknowledged; `reason` is the label under which it is counted."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class ProofError(InputError):
    """A proof is malformed or does not verify."""


class NothingAttested(ProofError):
    """An oracle that was asked for a proof says that it has none."""


class ConfigError(GridwitnessError):
    """Settings, keys, parameters or manifests are wrong."""


class ChainError(GridwitnessError):
    """The node is unreachable, on another chain, or a transaction failed."""


class NodeUnavailable(ChainError):
    """No node answers, or none of those that do can be used: to be tried again later."""


class Reverted(ChainError):
    """A contract refused; `error_name` is the custom error and `arguments` its decoded values."""

    def __init__(self, error_name: str, arguments: dict[str, object], *, hint: str = "") -> None:
        values = ", ".join(f"{name}={value}" for name, value in arguments.items())
        super().__init__(f"{error_name}({values})", hint=hint)
        self.error_name = error_name
        self.arguments = arguments


class CommitteeError(GridwitnessError):
    """Too few committee members co-signed."""


class StoreError(GridwitnessError):
    """The durable log could not be read or written."""


class StoreFull(StoreError):
    """The durable log's disk has no room: nothing more is taken until there is some."""


class TryLater(GridwitnessError):
    """Nothing was taken, and the same request is welcome again after `retry_after_s` seconds, at least 1."""

    def __init__(self, message: str, retry_after_s: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = max(1, retry_after_s)


class Overloaded(TryLater):
    """More is waiting than this service takes, whoever sent it."""


class RateLimited(TryLater):
    """One sender sent more than its share."""
