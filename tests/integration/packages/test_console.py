"""The Ape console's session, from the installed package."""

from __future__ import annotations

import json
import re

from tests.integration.packages.conftest import OpenWorkshop
from tests.integration.packages.scene import ROOT, Packages, ServedDemo

VERSIONS = json.loads((ROOT / "toolchain" / "interfaces.json").read_text(encoding="utf-8"))


def test_console__session_as_its_readme_says__reads_streams_feeds_and_roles(
    open_workshop: OpenWorkshop, packages_of_demo: Packages, served_demo: ServedDemo
) -> None:
    shop = open_workshop("ape-console", packages_of_demo)
    (commands,) = shop.readme_blocks()
    printed = shop.shell(commands, **served_demo.variables)
    deployed = served_demo.deployed
    assert "Traceback" not in printed
    assert "Error" not in printed
    address = deployed["contracts"]["DataAttestation"]["address"]
    assert f"('{VERSIONS['IDataAttestation']['version']}', '{address}')" in printed
    assert re.search(r"\{'profiles': [1-9]\d*, 'readings': [1-9]\d*\}", printed)
    assert all(member in printed for member in deployed["streams"]["readings"]["members"])
    assert f"owner='{deployed['streams']['readings']['owner']}'" in printed
    assert re.search(r"\('town hall / kWh', -?\d+\.\d+\)", printed)
    steward = deployed["roles"]["DeviceRegistry"]["STEWARD_ROLE"][0]
    assert re.search(rf"\('{steward}',\s+'[0-9a-f]{{64}}',\s+True\)", printed)
