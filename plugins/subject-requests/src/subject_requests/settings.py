"""The settings, by file or as `SUBJECT_REQUESTS_<SETTING>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from klaviyo_wire.auth import DEFAULT_API_URL
from singer_program.settings import SECRET, Settings

PROGRAM = "subject-requests"


class RequestSettings(Settings, kw_only=True):
    """What is read, and where lists of people are kept. A command says which of them it cannot do without."""

    api_key: Annotated[str | None, SECRET, Meta(description="Private API key")] = None
    api_url: Annotated[str, Meta(description="Scheme and host of Klaviyo, or of a stand-in")] = DEFAULT_API_URL
    rate_limit_share: Annotated[
        float, Meta(gt=0, le=1, description="Part of the account's request quota that a run may use")
    ] = 1.0
    warehouse: Annotated[
        str | None,
        SECRET,
        Meta(description="The warehouse: the path of a DuckDB file, or a `postgresql://` URL"),
    ] = None
    schemas: Annotated[
        tuple[str, ...],
        Meta(description="Schemas of the warehouse that hold people; all of their tables are read"),
    ] = ("klaviyo_raw", "marts", "history")
    erased_schemas: Annotated[
        tuple[str, ...],
        Meta(description="Schemas in which `erase` looks: all that hold people, also what dbt makes of them"),
    ] = ("klaviyo_raw", "staging", "intermediate", "marts", "publish", "deletions", "history")
    raw_tables: Annotated[
        Mapping[str, str],
        Meta(description="Raw tables that have another name than here, as the dbt project's variable says it"),
    ] = {}
    rejects_paths: Annotated[
        tuple[str, ...],
        Meta(description="Files of refused rows, of target and tap; one that is not there holds nothing"),
    ] = ()
    controller_path: Annotated[
        str, Meta(description="Who is responsible, as YAML; left out where there is no such file")
    ] = "privacy/controller.yml"
    log_path: Annotated[
        str | None,
        Meta(description="Log of what was done, without a name, each line chained to the one before by its hash"),
    ] = None
    forgotten_path: Annotated[
        str | None, Meta(description="List of people who asked to be forgotten, as the target has it")
    ] = None
    restricted_path: Annotated[str | None, Meta(description="List of people whose data is restricted")] = None
    forgotten_key: Annotated[
        str | None, SECRET, Meta(description="Key of the hashes of both lists, and of people in the log")
    ] = None
