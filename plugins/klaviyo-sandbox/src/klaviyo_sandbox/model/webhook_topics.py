"""What a webhook can be called for: a topic for each metric, of Klaviyo's own also those that an account lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from klaviyo_sandbox.model.records import Metric

_KLAVIYO = "klaviyo"
_NO_LETTERS = re.compile(r"[\W_]+")

# An account had these in September 2026 (recorded), the renamed metrics of text messages under both names.
_OF_EVERY_ACCOUNT = [
    "bounced_email",
    "bounced_push",
    "clicked_email",
    "clicked_email_to_unsubscribe",
    "clicked_sms",
    "clicked_text_message",
    "dropped_email",
    "failed_to_deliver_automated_response_sms",
    "failed_to_deliver_automated_response_text_message",
    "failed_to_deliver_sms",
    "failed_to_deliver_text_message",
    "manually_suppressed_from_email_marketing",
    "manually_unsuppressed_from_email_marketing",
    "marked_email_as_spam",
    "merged_profile",
    "opened_email",
    "opened_push",
    "opened_text",
    "ready_to_review",
    "received_automated_response_sms",
    "received_automated_response_text_message",
    "received_email",
    "received_push",
    "received_sms",
    "received_text_message",
    "relayed_text_message",
    "sent_sms",
    "sent_text_message",
    "skipped_send",
    "social_comment",
    "social_dm",
    "social_ugc",
    "submitted_rating",
    "submitted_review",
    "subscribed_to_back_in_stock",
    "subscribed_to_email_marketing",
    "subscribed_to_list",
    "subscribed_to_sms_marketing",
    "subscribed_to_text_messaging_marketing",
    "unsubscribed_from_email_marketing",
    "unsubscribed_from_list",
    "unsubscribed_from_sms_marketing",
    "unsubscribed_from_text_messaging_marketing",
    "unsubscribed_from_text_messaging_transactional",
    "updated_email_preferences",
]
KLAVIYO_TOPICS = frozenset(f"event:{_KLAVIYO}.{each}" for each in _OF_EVERY_ACCOUNT)


def topic_of(metric: Metric) -> str:
    """The topic that events of a metric are reported under, such as `event:klaviyo.opened_email`."""
    return f"event:{metric.integration.key}.{_NO_LETTERS.sub('_', metric.name.lower()).strip('_')}"


def topics_of(metrics: Iterable[Metric]) -> list[str]:
    """All topics of an account that has these metrics, sorted."""
    return sorted(KLAVIYO_TOPICS | {topic_of(each) for each in metrics})
