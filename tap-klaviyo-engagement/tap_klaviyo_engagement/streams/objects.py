"""Custom objects: their sources, types, schemas and records."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream
from tap_klaviyo_engagement.stream_kinds.owned_stream import OwnedStream


class DataSources(ListedStream):
    """Where records of custom objects come from."""

    name = "data_sources"
    rhythm = "objects"
    selected_by_default = False
    operation = "get_data_sources"
    resource = "data-source"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Source id"),
        th.Property("title", th.StringType, description="Name shown in Klaviyo"),
        th.Property("description", th.StringType, description="What someone noted about it"),
        th.Property("namespace", th.StringType, description="What its types are grouped by"),
        th.Property("visibility", th.StringType, description="private or shared"),
    ).to_dict()


class ObjectTypes(ListedStream):
    """Kinds of custom objects."""

    name = "object_types"
    rhythm = "objects"
    selected_by_default = False
    operation = "get_object_types"
    resource = "object-type"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Type id"),
        th.Property("title", th.StringType, description="Name shown in Klaviyo"),
        th.Property("description", th.StringType, description="What someone noted about it"),
        th.Property("status", th.StringType, description="active, draft, publishing or undefined"),
        th.Property("namespace", th.StringType, description="What types are grouped by"),
        th.Property("created_at", th.DateTimeType, description="When it was made"),
        th.Property("updated_at", th.DateTimeType, description="Last edit"),
    ).to_dict()


class ObjectSchemas(OwnedStream):
    """Versions of what the objects of a type hold: the current one is `active`."""

    name = "object_schemas"
    rhythm = "objects"
    selected_by_default = False
    operation = "get_schema_versions_for_object_type"
    resource = "object-schema"
    primary_keys = ("id",)
    parent = "get_object_types"
    owner = "object-type"
    given_columns = ("object_type_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Schema id"),
        th.Property("object_type_id", th.StringType, description="The type"),
        th.Property("title", th.StringType, description="Name"),
        th.Property("description", th.StringType, description="What someone noted about it"),
        th.Property("status", th.StringType, description="active, draft, publishing or undefined"),
        th.Property("properties", th.ArrayType(OPEN), description="`id`, `name`, `type`, `description`"),
        th.Property("required", th.ArrayType(th.StringType), description="Those that each record has"),
        th.Property("published_at", th.DateTimeType, description="When it became the current one"),
        th.Property("visibility", th.StringType, description="private or shared"),
    ).to_dict()


class ObjectRecords(OwnedStream):
    """Custom objects, read whole: Klaviyo tells nothing of when one changed.

    What they hold is the account's: it may be personal.
    """

    name = "object_records"
    rhythm = "objects"
    selected_by_default = False
    about_people = "by anything"
    operation = "get_records_for_object_type"
    resource = "object-record"
    primary_keys = ("id",)
    parent = "get_object_types"
    owner = "object-type"
    given_columns = ("object_type_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Record id"),
        th.Property("object_type_id", th.StringType, description="The type"),
        th.Property("record_properties", OPEN, description="What it holds, by the names in its schema"),
    ).to_dict()


class ObjectIngestionLogs(OwnedStream):
    """Records of custom objects that Klaviyo did not take, and why; it keeps that for fourteen days.

    Each says which value was wrong: it may be personal.
    """

    name = "object_ingestion_logs"
    rhythm = "objects"
    selected_by_default = False
    about_people = "by anything"
    operation = "get_ingestion_logs_for_object_type"
    resource = "object-ingestion-log"
    relationships = ("object-record",)
    primary_keys = ("id",)
    parent = "get_object_types"
    owner = "object-type"
    given_columns = ("object_type_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Entry id"),
        th.Property("object_type_id", th.StringType, description="The type"),
        th.Property(
            "object_record_id", th.StringType, description="The record, if Klaviyo tells; it need not exist"
        ),
        th.Property("status", th.StringType, description="error, warning or info"),
        th.Property("event_type", th.StringType, description="validation_error"),
        th.Property("timestamp", th.DateTimeType, description="When it happened"),
        th.Property("summary", th.StringType, description="What was wrong, in words"),
        th.Property(
            "errors", th.ArrayType(OPEN), description="Each fault: `code`, `message`, `property`, `invalid_value`"
        ),
    ).to_dict()
