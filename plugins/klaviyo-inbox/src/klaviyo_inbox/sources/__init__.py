"""The sources, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from klaviyo_inbox.sources.consent import CONSENT
from klaviyo_inbox.sources.flows import FLOWS
from klaviyo_inbox.sources.klaviyo_webhooks import KLAVIYO_WEBHOOKS
from klaviyo_inbox.sources.orders import OWN_ORDERS
from klaviyo_inbox.sources.privacy import PRIVACY
from klaviyo_inbox.sources.shopify import SHOPIFY
from klaviyo_inbox.sources.site_events import SITE
from klaviyo_inbox.sources.woocommerce import WOOCOMMERCE

if TYPE_CHECKING:
    from klaviyo_inbox.source import Source

SOURCES: Sequence[Source] = (KLAVIYO_WEBHOOKS, FLOWS, SHOPIFY, WOOCOMMERCE, OWN_ORDERS, SITE, CONSENT, PRIVACY)
