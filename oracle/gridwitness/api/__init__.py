"""HTTP interface of an oracle: routes over protocols that the service layer fulfils."""

from gridwitness.api.app import create_app
from gridwitness.api.protocols import CommitteeReply, Oracle, Verdict

__all__ = ["CommitteeReply", "Oracle", "Verdict", "create_app"]
