"""Coupons, their codes, and the jobs that make these."""

from __future__ import annotations

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream, Listing, Operator
from tap_klaviyo_engagement.stream_kinds.owned_stream import OwnedStream


class Coupons(ListedStream):
    """Coupons of which Klaviyo gives out codes."""

    name = "coupons"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_coupons"
    resource = "coupon"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Coupon id: the same as `external_id`"),
        th.Property("external_id", th.StringType, description="Id in the shop; templates name it"),
        th.Property("description", th.StringType, description="What someone noted about it"),
        th.Property("monitor_configuration", OPEN, description="When someone is warned that few codes are left"),
    ).to_dict()


class CouponCodes(OwnedStream):
    """Codes of coupons, read whole in every run: Klaviyo tells nothing of when one was given out or used.

    A hundred codes a request, several coupons at once.
    """

    name = "coupon_codes"
    rhythm = "shop"
    about_people = "by columns"
    selected_by_default = False
    operation = "get_coupon_codes"
    parent = "get_coupons"
    resource = "coupon-code"
    owner = "coupon"
    relationships = ("profile",)
    primary_keys = ("id",)
    given_columns = ("coupon_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Code id: the coupon and the code"),
        th.Property("coupon_id", th.StringType, description="The coupon"),
        th.Property("profile_id", th.StringType, description="Who was given it; null while nobody was"),
        th.Property("unique_code", th.StringType, description="The code itself"),
        th.Property("status", th.StringType, description="UNASSIGNED, ASSIGNED_TO_PROFILE, USED, PROCESSING, …"),
        th.Property("expires_at", th.DateTimeType, description="Until when it can be used"),
    ).to_dict()

    @override
    def listing_of(self, key: str) -> Listing:
        return Listing(filter=Operator.EQUALS("coupon.id", key), columns={self.owner_column: key})


class CouponCodeJobs(ListedStream):
    """Makings of many codes at once, as long as Klaviyo knows them."""

    name = "coupon_code_jobs"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_bulk_create_coupon_code_jobs"
    resource = "coupon-code-bulk-create-job"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Job id"),
        th.Property("status", th.StringType, description="queued, processing, complete or cancelled"),
        th.Property("total_count", th.IntegerType, description="Codes handed over"),
        th.Property("completed_count", th.IntegerType, description="Codes made"),
        th.Property("failed_count", th.IntegerType, description="Codes refused"),
        th.Property("errors", th.ArrayType(OPEN), description="What was refused: `code`, `detail`, `source`"),
        th.Property("created_at", th.DateTimeType, description="When the job was handed over"),
        th.Property("completed_at", th.DateTimeType, description="When it was done"),
        th.Property("expires_at", th.DateTimeType, description="When Klaviyo forgets it"),
    ).to_dict()
