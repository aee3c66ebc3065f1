"""Every provider of the catalogue in one run: generated, imported, typed, and held to the contract."""

import time

from modelscan_catalog.onboarding.published import catalogue_of, stored_interfaces
from modelscan_catalog.sdk.check import check_clients
from modelscan_catalog.settings import load_settings

MOST_SECONDS = 60.0


def test_all_clients_of_the_catalogue_keep_the_contract_within_a_minute() -> None:
    started = time.monotonic()
    catalogue = catalogue_of(stored_interfaces(load_settings()))
    checked = check_clients(catalogue.pairs)
    took = time.monotonic() - started
    assert {one.client.provider: one.findings for one in checked if not one.passed} == {}
    assert len(checked) >= 217
    assert all(one.types is True and len(one.claims) >= 11 for one in checked)
    assert took < MOST_SECONDS
