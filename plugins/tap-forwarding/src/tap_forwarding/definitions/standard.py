"""The metrics that Klaviyo's own flows, benchmarks and predictive analytics look for, by their names.

Source: Klaviyo's guide to integrating a platform without a pre-built integration, of November 2026.
"""

from __future__ import annotations

STANDARD_METRICS = (
    "Active on Site",
    "Viewed Product",
    "Added to Cart",
    "Started Checkout",
    "Placed Order",
    "Ordered Product",
    "Fulfilled Order",
    "Cancelled Order",
    "Refunded Order",
)
_BY_LETTERS = {name.lower().replace(" ", ""): name for name in STANDARD_METRICS}


def standard_name(metric: str) -> str | None:
    """The standard metric that a name may be meant for, case, spaces and underscores aside; none if it is none."""
    return _BY_LETTERS.get("".join(metric.lower().replace("_", " ").replace("-", " ").split()))
