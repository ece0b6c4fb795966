"""GET /metrics of real oracles on a real chain says what their status says."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.oracle.village import Oracle, Village, eventually, start_all


def _scrape(oracle: Oracle) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    response = oracle.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(response.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_scrape__readings_taken_refused_and_attested__are_counted(committee: list[Oracle], village: Village) -> None:
    start_all(committee)
    slot = village.first_slot()
    village.pass_slot(slot)
    readings = village.sign_slot(slot)
    for oracle in committee:
        oracle.post(readings)
    early = village.meters[0].sign(slot + 400, 1)
    assert committee[0].post([early])[0]["status"] == "rejected"
    eventually(lambda: committee[0].seq() >= 1 or None, "the batch to be attested")
    scraped = _scrape(committee[0])

    def value(name: str, **labels: str) -> float | None:
        return scraped.get((f"gridwitness_{name}", frozenset(labels.items())))

    assert value("up") == 1
    assert value("readings_accepted_total") == len(readings)
    assert value("readings_attested_total") == len(readings)
    assert value("readings_waiting") == 0
    assert value("readings_rejected_total", reason="future_time") == 1
    assert value("http_request_duration_seconds_count", method="POST", route="/v1/readings", status="200") == 2
    assert value("chain_head_block") >= 1
    assert value("rpc_usable", node=committee[0].status()["rpc"][0]["url"]) == 1
    assert value("account_balance_wei") > 0
