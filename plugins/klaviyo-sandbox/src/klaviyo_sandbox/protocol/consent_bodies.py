"""Request documents about consent, suppression and deletion, as Klaviyo's OpenAPI describes them.

Push tokens and conversations are not held, and refused as unknown keys.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType, field

from klaviyo_sandbox.protocol.bodies import ListIdentifier, Rows, Strict, Text

MOST_SUBSCRIBED = 1_000
MOST_UNSUBSCRIBED = 100
MOST_SUPPRESSED = 100


class _ToList(Strict):
    data: ListIdentifier | UnsetType = UNSET


class _OfList(Strict):
    list: _ToList = field(default_factory=_ToList)


# subscribe


class Granted(Strict):
    """Consent, and since when where it is imported."""

    consent: Literal["SUBSCRIBED"]
    consented_at: str | None = None


class GrantedTracking(Strict):
    """Consent to being tracked, which is recorded as of now."""

    consent: Literal["SUBSCRIBED"]


class _GrantedByEmail(Strict):
    marketing: Granted | UnsetType = UNSET
    open_tracking: GrantedTracking | UnsetType = UNSET


class _GrantedWithClicks(_GrantedByEmail):
    click_tracking: GrantedTracking | UnsetType = UNSET


class _GrantedMessages(Strict):
    marketing: Granted | UnsetType = UNSET
    transactional: Granted | UnsetType = UNSET


class _GrantedMarketing(Strict):
    marketing: Granted


class _Grants(Strict):
    email: _GrantedByEmail | UnsetType = UNSET
    sms: _GrantedMessages | UnsetType = UNSET
    whatsapp: _GrantedMessages | UnsetType = UNSET
    push: _GrantedMarketing | UnsetType = UNSET


class _GrantsWithClicks(_Grants):
    email: _GrantedWithClicks | UnsetType = UNSET


class _SubscriberAttributes(Strict, kw_only=True):
    email: Text = UNSET
    phone_number: Text = UNSET
    subscriptions: _Grants
    age_gated_date_of_birth: str | None = None


class _SubscriberAttributesWithClicks(_SubscriberAttributes, kw_only=True):
    subscriptions: _GrantsWithClicks


class Subscriber(Strict):
    """A row of a subscribe."""

    type: Literal["profile"]
    attributes: _SubscriberAttributes
    id: str | None = None


class SubscriberWithClicks(Subscriber):
    """A row of a subscribe, from revision 2026-10-15 on."""

    attributes: _SubscriberAttributesWithClicks


class _SubscribeAttributes(Strict, kw_only=True):
    profiles: Rows
    custom_source: str | None = None
    historical_import: bool | None = None


class Subscribe(Strict):
    """`POST /api/profile-subscription-bulk-create-jobs`; rows are still undecoded."""

    type: Literal["profile-subscription-bulk-create-job"]
    attributes: _SubscribeAttributes
    relationships: _OfList = field(default_factory=_OfList)


# unsubscribe


class _Revoked(Strict):
    consent: Literal["UNSUBSCRIBED"]


class _RevokedByEmail(Strict):
    marketing: _Revoked | UnsetType = UNSET
    open_tracking: _Revoked | UnsetType = UNSET


class _RevokedWithClicks(_RevokedByEmail):
    click_tracking: _Revoked | UnsetType = UNSET


class _RevokedMessages(Strict):
    marketing: _Revoked | UnsetType = UNSET
    transactional: _Revoked | UnsetType = UNSET


class _Revocations(Strict):
    """Push is revoked by token, and no token is held."""

    email: _RevokedByEmail | UnsetType = UNSET
    sms: _RevokedMessages | UnsetType = UNSET
    whatsapp: _RevokedMessages | UnsetType = UNSET


class _RevocationsWithClicks(_Revocations):
    email: _RevokedWithClicks | UnsetType = UNSET


class _UnsubscriberAttributes(Strict, kw_only=True):
    email: Text = UNSET
    phone_number: Text = UNSET
    subscriptions: _Revocations


class _UnsubscriberAttributesWithClicks(_UnsubscriberAttributes, kw_only=True):
    subscriptions: _RevocationsWithClicks


class Unsubscriber(Strict):
    """A row of an unsubscribe."""

    type: Literal["profile"]
    attributes: _UnsubscriberAttributes


class UnsubscriberWithClicks(Unsubscriber):
    """A row of an unsubscribe, from revision 2026-10-15 on."""

    attributes: _UnsubscriberAttributesWithClicks


class _UnsubscribeAttributes(Strict):
    profiles: Rows


class Unsubscribe(Strict):
    """`POST /api/profile-subscription-bulk-delete-jobs`; rows are still undecoded."""

    type: Literal["profile-subscription-bulk-delete-job"]
    attributes: _UnsubscribeAttributes
    relationships: _OfList = field(default_factory=_OfList)


# suppress and unsuppress


class _SegmentIdentifier(Strict):
    type: Literal["segment"]
    id: str


class _ToSegment(Strict):
    data: _SegmentIdentifier | UnsetType = UNSET


class _Groups(Strict):
    list: _ToList = field(default_factory=_ToList)
    segment: _ToSegment = field(default_factory=_ToSegment)


class _AddressAttributes(Strict):
    email: str


class Addressee(Strict):
    """A row of a suppression."""

    type: Literal["profile"]
    attributes: _AddressAttributes


class _SuppressionAttributes(Strict):
    profiles: Rows | None = None


class _Suppression(Strict, kw_only=True):
    attributes: _SuppressionAttributes
    relationships: _Groups = field(default_factory=_Groups)


class Suppress(_Suppression):
    """`POST /api/profile-suppression-bulk-create-jobs`; rows are still undecoded."""

    type: Literal["profile-suppression-bulk-create-job"]


class Unsuppress(_Suppression):
    """`POST /api/profile-suppression-bulk-delete-jobs`; rows are still undecoded."""

    type: Literal["profile-suppression-bulk-delete-job"]


# deletion


class _ErasedAttributes(Strict):
    email: Text = UNSET
    phone_number: Text = UNSET


class _Erased(Strict):
    type: Literal["profile"]
    attributes: _ErasedAttributes
    id: str | None = None


class _ToErased(Strict):
    data: _Erased


class _DeletionAttributes(Strict):
    profile: _ToErased


class DeletionRequest(Strict):
    """`POST /api/data-privacy-deletion-jobs`."""

    type: Literal["data-privacy-deletion-job"]
    attributes: _DeletionAttributes
