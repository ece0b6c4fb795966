"""Verify: what the browser finds out about a proof, in the words of `gridwitness verify`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import PROFILE_TYPES, profile_leaf, schema_of
from gridwitness.encoding.merkle import tree_root
from gridwitness.errors import ProofError
from gridwitness.service.proof_checks import check_offline
from gridwitness.service.proofs import parse_proof, profile_proof
from tests.deployed import dev_account
from tests.integration.chain.parties import open_strangers_stream
from tests.web import tampering
from tests.web.conftest import DAY, Served, Village, Visit

Check = Callable[..., Page]


@pytest.fixture
def check(served: Served, visit: Visit) -> Check:
    """Pastes something into Verify and waits for the verdict."""

    def check(pasted: Any, *, rpc_url: str | None = None) -> Page:
        page = visit.go("/verify")
        page.locator("#proof").fill(pasted if isinstance(pasted, str) else json.dumps(pasted))
        page.locator("#rpc").fill(rpc_url or served.rpc_url)
        page.get_by_role("button", name="Check it").click()
        expect(page.locator("#result")).not_to_have_attribute("data-state", "checking")
        return page

    return check


def refused(page: Page, verdict: str, sentence: str) -> None:
    expect(page.locator("#verdict")).to_have_text(verdict)
    expect(page.locator("#checks li.failed")).to_have_text(sentence)


def offline_sentence(proof: dict[str, Any]) -> str:
    """What `gridwitness verify` says of it."""
    with pytest.raises(ProofError) as problem:
        list(check_offline(parse_proof(proof)))
    return problem.value.message


def test_verify__good_proof__every_check_holds(check: Check, finished_village: Village) -> None:
    page = check(finished_village.proof)

    expect(page.locator("#verdict")).to_have_text("This reading is real: every check holds.")
    expect(page.locator("#checks li")).to_have_count(8)
    expect(page.locator("#checks li.failed")).to_have_count(0)
    expect(page.locator("#checks")).to_contain_text(
        f"the stream is readings, {finished_village.proof['batch']['stream']}"
    )
    expect(page.locator("#statement")).to_contain_text(finished_village.proof["explanation"])


def test_verify__proof_dropped_as_a_file__is_checked_too(finished_village: Village, visit: Visit) -> None:
    page = visit.go("/verify")

    page.locator("#proof-file").set_input_files(finished_village.out / "proof.json")

    expect(page.locator("#verdict")).to_have_text("This reading is real: every check holds.")


def test_verify__page_whose_script_has_not_come__button_waits_for_it(visit: Visit, finished_village: Village) -> None:
    held: list[Route] = []
    visit.page.route(re.compile(r"/verify\.js"), lambda route: held.append(route))

    visit.page.goto(visit.url + "/verify", wait_until="commit")
    visit.page.locator("#proof").fill(json.dumps(finished_village.proof))
    expect(visit.page.get_by_role("button", name="Check it")).to_be_disabled()
    (script,) = held
    script.continue_()
    visit.page.get_by_role("button", name="Check it").click()

    expect(visit.page.locator("#verdict")).to_have_text("This reading is real: every check holds.")


def test_verify__button_of_a_home__profile_is_fetched_and_checked(served: Served, visit: Visit) -> None:
    day = served.api("/v1/community")[0]
    page = visit.go(f"/homes/{day['homes'][0]['device_id']}?day={DAY}")

    page.get_by_role("link", name="Verify this day’s profile").click()

    expect(page.locator("#verdict")).to_have_text("This profile is real: every check holds.")


def test_verify__tampered_value__leaf_leads_to_another_root(check: Check, finished_village: Village) -> None:
    proof = tampering.with_value(finished_village.proof, 999_999)

    # The command finds the device's signature wrong first; the browser has the registry check it, after the hashes.
    file = parse_proof(proof)
    led, root = tree_root(file.leaf, file.proof.tree_proof).hex(), file.root.hex()
    refused(check(proof), "This does not hold.", f"leaf and tree proof lead to root 0x{led}, the batch has 0x{root}")


def test_verify__value_said_but_not_proven__words_differ_from_the_leaf(check: Check, finished_village: Village) -> None:
    proof = tampering.with_said_value(finished_village.proof, 999_999)

    value = finished_village.proof["statement"]["value"]
    refused(check(proof), "This does not hold.", f"the statement says value is 999999, the leaf has {value}")


def test_verify__tampered_sibling__leads_elsewhere_in_the_words_of_the_command(
    check: Check, finished_village: Village
) -> None:
    proof = tampering.with_sibling(finished_village.proof)

    refused(check(proof), "This does not hold.", offline_sentence(proof))


def test_verify__another_signature__hash_differs_in_the_words_of_the_command(
    check: Check, finished_village: Village
) -> None:
    proof = tampering.with_signature(finished_village.proof)

    refused(check(proof), "This does not hold.", offline_sentence(proof))


def test_verify__tampered_range__was_never_attested(check: Check, finished_village: Village) -> None:
    seq = finished_village.proof["batch"]["seq"]

    refused(
        check(tampering.with_range_sibling(finished_village.proof)),
        "This does not hold.",
        f"batch {seq} with this root and summary was never attested in this stream",
    )


def test_verify__wrong_chain__names_both(check: Check, finished_village: Village) -> None:
    refused(
        check(tampering.of_chain(finished_village.proof, 1)),
        "This proof is for another chain.",
        "the node is of chain 31337, the proof is of chain 1",
    )


def test_verify__old_root__says_how_the_stream_grew(check: Check, finished_village: Village, served: Served) -> None:
    seq, length = finished_village.proof["batch"]["seq"], served.api("/v1/streams")[0]["seq"]

    page = check(tampering.when_batch_was_newest(finished_village.proof))

    refused(page, "This proof is old.", f"the range proof is old: the stream grew from {seq} to {length} batches since")
    expect(page.locator("#hint")).to_contain_text("get a fresh proof")


@pytest.mark.parametrize(
    ("pasted", "sentence"),
    [
        ("garbage", "this is not JSON"),
        ("null", "the file is not a JSON object"),
        ("{}", "format is missing"),
        ('{"format": "gridwitness-proof/1"}', 'format is "gridwitness-proof/1"; this page reads "gridwitness-proof/2"'),
        ("[" * 100_000, "this is not JSON"),
    ],
)
def test_verify__garbage__is_called_so(pasted: str, sentence: str, check: Check) -> None:
    expect(check(pasted).locator("#checks li.failed")).to_have_text(sentence)


def answering(page: Page, url: str, call: str, answer: str) -> None:
    """A node that answers one kind of call with something else."""
    selector = "0x" + keccak(call.encode())[:4].hex()

    def serve(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if asked["method"] == "eth_call" and asked["params"][0]["data"].startswith(selector):
            route.fulfill(json={"jsonrpc": "2.0", "id": asked["id"], "result": answer})
        else:
            route.continue_()

    page.route(re.compile(re.escape(url)), serve)


def test_verify__device_nobody_registered__says_so(
    check: Check, served: Served, finished_village: Village, visit: Visit
) -> None:
    answering(visit.page, served.rpc_url, "device(bytes32)", "0x" + "00" * 256)

    device = finished_village.proof["leaf"]["fields"][0]
    refused(check(finished_village.proof), "Nobody knows this device.", f"device {device} was never registered")


def test_verify__signature_the_registry_refuses__names_the_key(
    check: Check, served: Served, finished_village: Village, visit: Visit
) -> None:
    answering(visit.page, served.rpc_url, "isDeviceSignature(bytes32,bytes32,bytes,uint40)", "0x" + "00" * 32)

    key = finished_village.proof["device_key"]
    refused(
        check(finished_village.proof), "This does not hold.", f"device_signature is not by key {key} over this reading"
    )


def test_verify__node_that_does_not_answer__is_left_open(
    served: Served, finished_village: Village, chromium: Browser
) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(served.url + "/verify")
        page.locator("#proof").fill(json.dumps(finished_village.proof))
        page.locator("#rpc").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Check it").click()

        expect(page.locator("#verdict")).to_have_text("The chain could not be asked, so this is not decided.")


def test_verify__bare_reading__its_proof_is_fetched_and_must_be_of_it(
    check: Check, served: Served, finished_village: Village
) -> None:
    fields = finished_village.proof["leaf"]["fields"]
    reading = served.api(f"/v1/readings/{fields[0]}/{fields[1]}")

    expect(check(reading).locator("#verdict")).to_have_text("This reading is real: every check holds.")
    refused(
        check({**reading, "value": 7}),
        "This does not hold.",
        f"the reading says value is 7, but {fields[4]} was attested under this counter",
    )


def profile_proof_of_home(served: Served) -> dict[str, Any]:
    day = served.api("/v1/community")[0]
    return served.api(f"/v1/proofs/profiles/{day['homes'][0]['device_id']}/{day['day']}")


def test_verify__chain_the_site_is_not_on__is_not_called_real(check: Check, served: Served, visit: Visit) -> None:
    def serve(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if asked["method"] == "eth_chainId":
            route.fulfill(json={"jsonrpc": "2.0", "id": asked["id"], "result": "0x1"})
        else:
            route.continue_()

    visit.page.route(re.compile(re.escape(served.rpc_url)), serve)

    page = check(tampering.of_chain(profile_proof_of_home(served), 1))

    expect(page.locator("#verdict")).to_have_text(
        "Every check holds, but on chain 1, of which this site knows nothing."
    )
    expect(page.locator("#result")).to_have_attribute("data-state", "open")


def test_verify__stream_of_another_committee__is_named(check: Check, served: Served, finished_village: Village) -> None:
    """A made-up profile of a home, attested on the site's contract by a committee of one, in a stream of its own."""
    chain = Chain(served.rpc_url, Manifest.load(finished_village.out / "31337.json"))
    stranger = dev_account(9)
    strangers = open_strangers_stream(chain, stranger, schema_of(PROFILE_TYPES))
    honest = parse_proof(profile_proof_of_home(served)).profile()
    made_up = replace(honest, energy_wh=(-9_000,) * len(honest.energy_wh), score_bps=0)
    strangers.attest(stranger, [profile_leaf(made_up)], [0])
    root = strangers.trees[0][0].root

    page = check(profile_proof(chain.manifest, made_up, root, strangers.proof(1, 0), 1).document())

    own = " and ".join(f"{stream['name']}, {stream['stream_id']}" for stream in served.api("/v1/streams"))
    sentence = f"stream 0x{strangers.stream_id.hex()} is of another committee: those known are {own}"
    refused(page, "Another committee attested this, not this site’s.", sentence)
    expect(page.locator("#claims")).to_have_text("What it claims")
