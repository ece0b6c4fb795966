"""The oracle operator's tutorial, what goes on from there, and the operator's manuals beside that oracle."""

from __future__ import annotations

from tests.integration.docs.blocks import DOCS
from tests.integration.docs.walk import Walk
from tests.integration.docs.walks import MANUALS, OPERATOR

# What the manuals take for granted, of the oracle that the tutorial has left.
MANUALS_SCENE = """
mkdir -p data && ln -s ../data-of-oracle-1 data/oracle-1
export TO=$ORACLE RPC=http://127.0.0.1:8545
export TOKEN=$(python -c "from meter import chain; print(chain.manifest.address('EuroToken'))")
python - <<EOF
from meter import P256Key, Reading, SignedReading, domain, encode_body, reading_digest, time
key = P256Key(2016)
reading = Reading(key.device_id, 2, int(time.time()) // 900 * 900 - 900, "1-0:16.29.0", 7)
signed = SignedReading(reading, key.sign(reading_digest(domain, reading)))
open("readings.ndjson", "wb").write(encode_body([signed])[1:-1])
EOF
"""


def test_follow__operators_tutorial_and_what_goes_on_from_there__print_what_they_say(walk: Walk) -> None:
    for page in OPERATOR:
        walk.follow(DOCS / page)
    walk.prepare(MANUALS_SCENE)
    for page in MANUALS:
        walk.follow(DOCS / page)
