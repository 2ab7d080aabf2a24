"""The names of metrics that the sandbox writes, counts or lists, as Klaviyo spells them."""

from __future__ import annotations

RECEIVED = "Received Email"
OPENED = "Opened Email"
CLICKED = "Clicked Email"
BOUNCED = "Bounced Email"
SPAM = "Marked Email as Spam"
SUBSCRIBED = "Subscribed to Email Marketing"
UNSUBSCRIBED = "Unsubscribed from Email Marketing"
SUPPRESSED = "Manually Suppressed from Email Marketing"
UNSUPPRESSED = "Manually Unsuppressed from Email Marketing"
JOINED_LIST, LEFT_LIST = "Subscribed to List", "Unsubscribed from List"

# Klaviyo renamed its SMS metrics in 2026; an account keeps events under both names.
OLD_SMS, NEW_SMS = "Received SMS", "Received Text Message"
OLD_SMS_CLICKED, NEW_SMS_CLICKED = "Clicked SMS", "Clicked Text Message"
OLD_SMS_FAILED, NEW_SMS_FAILED = "Failed to Deliver SMS", "Failed to Deliver Text Message"
OLD_SMS_SUBSCRIBED, NEW_SMS_SUBSCRIBED = "Subscribed to SMS Marketing", "Subscribed to Text Messaging Marketing"
OLD_SMS_UNSUBSCRIBED = "Unsubscribed from SMS Marketing"
NEW_SMS_UNSUBSCRIBED = "Unsubscribed from Text Messaging Marketing"
SMS_TRANSACTIONAL_UNSUBSCRIBED = "Unsubscribed from Text Messaging Transactional"

PUSH = "Received Push"
PUSH_OPENED = "Opened Push"
PUSH_BOUNCED = "Bounced Push"

# A shop writes these through the API.
ACTIVE = "Active on Site"
VIEWED = "Viewed Product"
ADDED = "Added to Cart"
CHECKOUT = "Started Checkout"
ORDERED = "Placed Order"
FULFILLED = "Fulfilled Order"
