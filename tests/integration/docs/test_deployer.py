"""The deployer's tutorial, and what is added to a deployment."""

from __future__ import annotations

from tests.integration.docs.blocks import DOCS
from tests.integration.docs.walk import Walk
from tests.integration.docs.walks import DEPLOYER


def test_follow__deployers_tutorial_and_a_zone__print_what_they_say(walk: Walk) -> None:
    for page in DEPLOYER:
        walk.follow(DOCS / page)
