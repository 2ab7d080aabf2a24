"""The settings, by file or as `EXPOSURE_EXPORT_<SETTING>`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from singer_program.settings import SECRET, Settings

PROGRAM = "exposure-export"


class ExportSettings(Settings, kw_only=True):
    """What is read, where it is written, and what is left out."""

    destination: Annotated[
        str,
        Meta(
            min_length=1, description="Folder that the hours are written under, on disk or as `s3://bucket/path`"
        ),
    ]
    warehouse: Annotated[
        str | None, Meta(description="DuckDB file with the exposures; any other warehouse is read by `dbt`")
    ] = None
    schema: Annotated[str, Meta(description="Where they are in it")] = "marts"
    dbt: Annotated[
        str | None,
        Meta(description="Instead of `warehouse`: the command of dbt, whose target and secrets it finds itself"),
    ] = None
    dbt_project: Annotated[str | None, Meta(description="With `dbt`: the folder of its project")] = None
    look_back_hours: Annotated[
        int,
        Meta(
            ge=0,
            description="Hours before now that a run without a range compares with what it wrote; 0: all",
        ),
    ] = 168
    file_mode: Annotated[
        str,
        Meta(
            pattern="^0[0-7]{3}$",
            description="Mode of the files on disk; folders may be entered by whom it lets read",
        ),
    ] = "0600"
    work_path: Annotated[
        str,
        Meta(description="Folder in which files are made before they are put into S3; on disk beside the hours"),
    ] = "exposure-export-unfinished"
    lease_seconds: Annotated[
        int,
        Meta(
            ge=30,
            description="Seconds after which a run that was killed no longer keeps others from writing to S3",
        ),
    ] = 600
    s3_endpoint_url: Annotated[
        str | None, Meta(description="Scheme and host of a store that speaks S3's protocol, if it is not Amazon's")
    ] = None
    s3_region: Annotated[str | None, Meta(description="Region of the bucket")] = None
    s3_access_key_id: Annotated[
        str | None,
        SECRET,
        Meta(
            description="Access key; without one, that of the environment, of a profile or of the machine's role"
        ),
    ] = None
    s3_secret_access_key: Annotated[str | None, SECRET, Meta(description="Its secret key")] = None
    s3_session_token: Annotated[str | None, SECRET, Meta(description="Token of a session")] = None
    forgotten_path: Annotated[
        str | None,
        Meta(
            description="List of people who asked to be forgotten, a keyed hash a line: no row of theirs is"
            " written. A list that cannot be read ends the run before anything is read"
        ),
    ] = None
    restricted_path: Annotated[
        str | None, Meta(description="List of people whose data is restricted, of the same form and key")
    ] = None
    forgotten_key: Annotated[str | None, SECRET, Meta(description="Key of the hashes of both lists")] = None

    def __post_init__(self) -> None:
        if (self.warehouse is None) == (self.dbt is None) or (self.dbt is None) != (self.dbt_project is None):
            message = "set either `warehouse`, or `dbt` and `dbt_project`"
            raise ValueError(message)
