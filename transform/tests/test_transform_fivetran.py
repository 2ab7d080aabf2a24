"""The views of the schema `klaviyo` are what `fivetran/dbt_klaviyo` 1.4.1 reads."""

from __future__ import annotations

from dbt.contracts.graph.nodes import ModelNode
from transform_project import Project, Warehouse

TEXT, TIME, SWITCH, NUMBER = "varchar", "timestamp", "boolean", "double"

ASKED = {
    "event": {
        **dict.fromkeys(("id", "uuid", "metric_id", "person_id", "type", "campaign_id", "flow_id"), TEXT),
        **dict.fromkeys(("flow_message_id", "_variation", "property_value"), TEXT),
        **dict.fromkeys(("timestamp", "datetime", "_fivetran_synced"), TIME),
        "_fivetran_deleted": SWITCH,
    },
    "person": {
        **dict.fromkeys(("id", "email", "phone_number", "first_name", "last_name", "organization", "title"), TEXT),
        **dict.fromkeys(("address_1", "address_2", "city", "region", "country", "zip", "timezone"), TEXT),
        **dict.fromkeys(("latitude", "longitude"), NUMBER),
        **dict.fromkeys(("created", "updated", "last_event_date", "_fivetran_synced"), TIME),
        "_fivetran_deleted": SWITCH,
    },
    "metric": {
        **dict.fromkeys(("id", "name", "integration_id", "integration_name", "integration_category"), TEXT),
        **dict.fromkeys(("created", "updated", "_fivetran_synced"), TIME),
    },
    "flow": {
        **dict.fromkeys(("id", "name", "status", "trigger_type"), TEXT),
        **dict.fromkeys(("created", "updated", "_fivetran_synced"), TIME),
        "archived": SWITCH,
    },
    "campaign": {
        **dict.fromkeys(("id", "name", "status", "campaign_type", "subject"), TEXT),
        **dict.fromkeys(("from_email", "from_name", "email_template_id"), TEXT),
        **dict.fromkeys(("created", "updated", "scheduled", "send_time", "sent_at", "_fivetran_synced"), TIME),
        "archived": SWITCH,
    },
}
"""Table, column, type, as the package's macros `get_<table>_columns` declare them.

Not there are `status_id` and `status_label` of campaigns, which it passes on alone, and `property_attribution` of
events: its existence, be it empty, makes the package leave its own attribution out. It is in a view of its own.
"""
ASKED["event_attributed"] = ASKED["event"] | {"property_attribution": TEXT}


def test_columns_and_types_are_those_that_the_package_asks_for(project: Project) -> None:
    """A column that it does not find, it reads as null in silence. The contract holds the views to the types."""
    declared = {
        node.alias: {column.name: column.data_type for column in node.columns.values()}
        for node in project.manifest.nodes.values()
        if isinstance(node, ModelNode) and node.fqn[1] == "fivetran"
    }
    assert declared == ASKED


def shown(warehouse: Warehouse, columns: str, rest: str) -> list[tuple[object, ...]]:
    """Rows of a view."""
    schema = warehouse.project.manifest.nodes["model.klaviyo_loop.fivetran_event"].schema
    return sorted(warehouse.query(f"select {columns} from {schema}.{rest}"), key=str)  # noqa: S608


def test_every_event_is_there_once_under_the_name_that_is_looked_for(built: Warehouse) -> None:
    landed = built.query("select id, profile_id from klaviyo_raw.events")
    assert shown(built, "id, person_id", "event") == sorted(landed, key=str)
    named = {str(what): count for what, count in shown(built, "type, count(campaign_id)", "event group by type")}
    assert named.keys() >= {"Received Email", "Opened Email", "Clicked Email", "Placed Order", "Unsubscribed"}
    assert named["Received Email"]
    assert not named["Placed Order"]


def test_people_are_those_of_the_raw_table(built: Warehouse) -> None:
    landed = built.query("select id, email from klaviyo_raw.profiles")
    assert shown(built, "id, email", "person") == sorted(landed, key=str)


def test_others_can_rest_views_on_them(warehouse: Warehouse) -> None:
    """As the package does, by the whole name. DuckDB refuses it where schema and file have one name."""
    node = warehouse.project.manifest.nodes["model.klaviyo_loop.fivetran_event"]
    names = [name for name in (node.database, node.schema, node.alias) if name]
    warehouse.project.engine.execute(
        warehouse.database,
        f"create view marts.theirs as select * from {'.'.join(names)}",  # noqa: S608
    )
    assert warehouse.query("select count(*) from marts.theirs") == shown(warehouse, "count(*)", "event")


def test_a_view_outlives_the_job_that_builds_what_it_rests_on(warehouse: Warehouse) -> None:
    """PostgreSQL would drop it with the view below."""
    warehouse.dbt("run", "--select", "stg_klaviyo__events")
    assert shown(warehouse, "count(*)", "event") == warehouse.query("select count(*) from klaviyo_raw.events")
