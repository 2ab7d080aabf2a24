"""Presets are sound, and give what the tools they are called after and Klaviyo's flows expect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from forwarding_files import SMALL, loaded

from tap_forwarding.definitions.paths import Root
from tap_forwarding.definitions.presets import event_presets, source_presets, text_of
from tap_forwarding.definitions.reader import preset_rules, preset_source
from tap_forwarding.definitions.standard import STANDARD_METRICS, standard_name

EXPECTED = {
    "Viewed Product": {
        "ProductName",
        "ProductID",
        "SKU",
        "Categories",
        "ImageURL",
        "URL",
        "Brand",
        "Price",
        "CompareAtPrice",
    },
    "Added to Cart": {
        "AddedItemProductName",
        "AddedItemProductID",
        "AddedItemSKU",
        "AddedItemCategories",
        "AddedItemImageURL",
        "AddedItemURL",
        "AddedItemPrice",
        "AddedItemQuantity",
        "ItemNames",
        "CheckoutURL",
        "Items",
    },
    "Started Checkout": {"ItemNames", "CheckoutURL", "Categories", "Items"},
    "Placed Order": {
        "OrderId",
        "Categories",
        "ItemNames",
        "DiscountCode",
        "DiscountValue",
        "Brands",
        "Items",
        "BillingAddress",
        "ShippingAddress",
    },
    "Ordered Product": {
        "OrderId",
        "ProductID",
        "SKU",
        "ProductName",
        "Quantity",
        "ProductURL",
        "ImageURL",
        "Categories",
        "ProductBrand",
    },
    "Fulfilled Order": {"OrderId", "ItemNames", "Items"},
    "Cancelled Order": {"OrderId", "Reason", "ItemNames", "Items"},
    "Refunded Order": {"OrderId", "Reason", "ItemNames", "Items"},
}
"""Klaviyo's guide to integrating a platform without a pre-built integration: what each standard metric has."""


@pytest.mark.parametrize("name", event_presets())
def test_a_preset_of_events_is_sound(name: str) -> None:
    """And none of its names is one of Klaviyo's but for its case."""
    for rule in preset_rules(name):
        assert standard_name(rule.metric) in {None, rule.metric}
        assert rule.keep or rule.keeps_all or rule.properties, f"{rule.event} would be sent without a property"
        if rule.per:
            assert any(path.root is Root.ITEM for part in rule.unique_id for path in part.paths)
    assert text_of("events", name).startswith("description: ")


@pytest.mark.parametrize("name", source_presets())
def test_a_preset_of_columns_is_sound(name: str) -> None:
    preset = preset_source(name)
    assert preset.identifiers
    assert {"message_id", "occurred_at"} <= preset.source.columns.keys()


def test_klaviyos_names_have_the_properties_that_flows_look_for() -> None:
    found = {rule.metric: rule for rule in preset_rules("klaviyo")}
    assert found.keys() == EXPECTED.keys() == {*STANDARD_METRICS} - {"Active on Site"}
    for metric, names in EXPECTED.items():
        assert names <= found[metric].properties.keys(), metric
    for metric in EXPECTED.keys() - {"Viewed Product"}:
        assert found[metric].value, f"{metric} without `$value`"
        assert found[metric].currency, metric


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        (
            "rudderstack",
            {
                "Product Viewed": "Viewed Product",
                "Product Clicked": "Viewed Product",
                "Product Added": "Added to Cart",
                "Checkout Started": "Started Checkout",
            },
        ),
        ("datafly", {"Product Viewed": "product_viewed", "Order Completed": "purchase", None: "page_view"}),
        ("segment", {"Order Completed": "Ordered Product"}),
    ],
)
def test_a_tools_own_names(name: str, renamed: dict[str | None, str]) -> None:
    """What it renames, and nothing else is renamed."""
    assert {rule.event: rule.metric for rule in preset_rules(name) if rule.event != rule.metric} == renamed


def test_orders_of_the_receiver_and_of_the_models_are_one() -> None:
    """`pub_klaviyo_events` calls an order `<shop>:<order>`, so that both roads meet."""
    for rule in preset_rules("orders"):
        first, colon, second, *_ = rule.unique_id
        assert ([str(path) for path in first.paths], colon.text) == (["properties.source"], ":")
        assert [str(path) for path in second.paths] == ["properties.order_id"]


def test_the_first_that_says_something_of_an_event_says_all(tmp_path: Path) -> None:
    text = SMALL.replace("Quiz Finished", "Order Completed").replace("from:", "presets: [segment, klaviyo]\nfrom:")
    rules = loaded(tmp_path, f"{text}ignore: [Product Added]\n").rules
    metrics = [rule.metric for rule in rules]
    assert metrics == [
        "Order Completed",
        "Product Viewed",
        "Checkout Started",
        "Order Cancelled",
        "Order Refunded",
        "Fulfilled Order",
    ]
    assert [rule.preset for rule in rules] == [None, *["segment"] * 4, "klaviyo"]
    assert rules[-1].line == 4
