"""The SDK's standard tests, against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.records import ImportFailure, ImportJob
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

# The suite is made when this module is imported; where the sandbox listens is known when it is up.
CONFIG: dict[str, Any] = {
    "api_key": "pk_test_0123456789",
    "include_subscriptions": True,
    "include_predictive_analytics": True,
    "report_conversion_metric": "Opened Email",
    "report_lookback": 30,  # where everything is selected, reports go back no further
}


@pytest.fixture(scope="class", autouse=True)
def account() -> Iterator[None]:
    with Sandbox(profiles=60, events=300, seed=3) as sandbox:
        CONFIG.update(api_url=sandbox.url, api_key=sandbox.api_key)
        _import(sandbox)
        yield


def _import(sandbox: Sandbox) -> None:
    """A job that refused a row, since an account begins without any."""
    made = sandbox.clock.now()
    failure = ImportFailure(
        position=0,
        id="F1",
        code="invalid",
        title="Invalid input.",
        detail="",
        pointer="/data",
        original_payload={},
    )
    job = ImportJob(id="J1", status="complete", created_at=made, total_count=1, failed_count=1)
    sandbox.store.finish_import_job(job, [], [failure])


class Tap(TapKlaviyoEngagement):
    """Does not wait for its turn: the sandbox has no limits here."""

    sleep = staticmethod(lambda _: None)


def _everything_selected() -> dict[str, Any]:
    catalog: dict[str, Any] = TapKlaviyoEngagement(config=CONFIG).catalog_dict
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = True
    return catalog


TestStandard = get_tap_test_class(
    Tap,
    config=CONFIG,
    catalog=_everything_selected(),
    suite_config=SuiteConfig(
        max_records_limit=None,  # a membership is a snapshot when it was read to the end
    ),
    parse_env_config=False,  # whatever key the developer has: not in these tests
)
