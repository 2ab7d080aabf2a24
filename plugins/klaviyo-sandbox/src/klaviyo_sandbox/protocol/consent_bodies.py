"""Request documents about consent, suppression and deletion, as Klaviyo's OpenAPI describes them.

Held is consent to marketing. What else the channels have (transactional messages, open tracking, push tokens) is
refused as unknown keys.
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


class _GrantedMarketing(Strict):
    marketing: Granted


class _Grants(Strict):
    email: _GrantedMarketing | UnsetType = UNSET
    sms: _GrantedMarketing | UnsetType = UNSET
    whatsapp: _GrantedMarketing | UnsetType = UNSET
    push: _GrantedMarketing | UnsetType = UNSET


class _SubscriberAttributes(Strict, kw_only=True):
    email: Text = UNSET
    phone_number: Text = UNSET
    subscriptions: _Grants
    age_gated_date_of_birth: str | None = None


class Subscriber(Strict):
    """A row of a subscribe."""

    type: Literal["profile"]
    attributes: _SubscriberAttributes
    id: str | None = None


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


class _RevokedMarketing(Strict):
    marketing: _Revoked


class _Revocations(Strict):
    """Push is revoked by token, and no token is held."""

    email: _RevokedMarketing | UnsetType = UNSET
    sms: _RevokedMarketing | UnsetType = UNSET
    whatsapp: _RevokedMarketing | UnsetType = UNSET


class _UnsubscriberAttributes(Strict, kw_only=True):
    email: Text = UNSET
    phone_number: Text = UNSET
    subscriptions: _Revocations


class Unsubscriber(Strict):
    """A row of an unsubscribe."""

    type: Literal["profile"]
    attributes: _UnsubscriberAttributes


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
