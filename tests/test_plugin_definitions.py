"""What Meltano is told about the plugins is what the code says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from exposure_export.settings import ExportSettings
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.tap import TapKlaviyoInbox
from klaviyo_wire.errors import ConfigurationError
from map_consent_strings.mapper import MapConsentStrings
from singer_program.settings import Settings, unknown_variables
from subject_requests.settings import RequestSettings
from subject_requests.tap import TapSubjectRequests
from tap_duckdb.tap import TapDuckDB
from tap_experiments.tap import TapExperiments
from tap_forwarding.tap import TapForwarding
from tap_klaviyo_engagement.reconciliation.tap import TapKlaviyoReconcile
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.streams import STREAMS
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_files.tap import TapKlaviyoFiles
from target_duckdb.target import TargetDuckDB
from target_klaviyo_profiles.deletions_tap import TapKlaviyoDeletions
from target_klaviyo_profiles.rejects_tap import TapKlaviyoRejects
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import notify  # noqa: E402
from home import WAIT_HOURS  # noqa: E402
from hub_definitions import local_packages  # noqa: E402

CODE: dict[str, type[PluginBase]] = {
    "tap-klaviyo-engagement": TapKlaviyoEngagement,
    "tap-klaviyo-reconcile": TapKlaviyoReconcile,
    "tap-experiments": TapExperiments,
    "tap-forwarding": TapForwarding,
    "tap-duckdb": TapDuckDB,
    "tap-klaviyo-inbox": TapKlaviyoInbox,
    "tap-klaviyo-files": TapKlaviyoFiles,
    "tap-klaviyo-deletions": TapKlaviyoDeletions,
    "tap-klaviyo-rejects": TapKlaviyoRejects,
    "tap-subject-requests": TapSubjectRequests,
    "map-consent-strings": MapConsentStrings,
    "target-duckdb": TargetDuckDB,
    "target-klaviyo-profiles": TargetKlaviyoProfiles,
}
COMMANDS: dict[str, type[Settings]] = {"exposure-export": ExportSettings}
"""Plain commands, with their settings."""
ASK = "import json, {module} as m; print(json.dumps(m.{plugin}.{schema}))"
KINDS = {"boolean": "boolean", "integer": "integer", "array": "array", "object": "object"}

Plugin = dict[str, Any]


@cache
def _schema(name: str) -> dict[str, Any]:
    """The plugin's own settings, asked in a fresh process: the SDK adds its built-in ones to a class in use."""
    owner = CODE.get(name) or COMMANDS[name]
    schema_of = "config_jsonschema" if name in CODE else "json_schema()"
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", ASK.format(module=owner.__module__, plugin=owner.__name__, schema=schema_of)],
        capture_output=True,
        text=True,
        check=True,
    )
    schema: dict[str, Any] = json.loads(told.stdout)
    return schema


def _plugins() -> dict[str, Plugin]:
    """What each plugin's definition says; with an executable of its own, also what it inherits."""
    plugins = {
        plugin["name"]: plugin
        for path in sorted((ROOT / "plugins").glob("*.meltano.yml"))
        for plugins in yaml.safe_load(path.read_text())["plugins"].values()
        for plugin in plugins
    }
    for name, plugin in plugins.items():
        if "inherit_from" in plugin and "executable" in plugin:
            parent = plugins[plugin["inherit_from"]]
            plugins[name] = parent | plugin | {"settings": parent["settings"] + plugin["settings"]}
    return plugins


PLUGINS = _plugins()
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())


def _kind(property_schema: dict[str, Any]) -> str:
    if property_schema.get("format") == "date-time":
        return "date_iso8601"
    types = property_schema["type"]
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    return KINDS.get(names[0], "string")


def _as_told(name: str, code: dict[str, Any]) -> dict[str, Any]:
    """A setting of the code as a definition must have it: nothing less, nothing more."""
    allowed = [value for value in code.get("enum", ()) if value is not None]
    told = {
        "name": name,
        "label": code.get("title"),
        "kind": _kind(code),
        "sensitive": code.get("secret") or None,
        "value": code.get("default"),
        "options": [{"label": value, "value": value} for value in allowed] or None,
        "description": code["description"],
    }
    return {key: value for key, value in told.items() if value is not None}


def _differences(schema: dict[str, Any], settings: list[dict[str, Any]]) -> list[str]:
    """Where a definition says something else than the code, more or less.

    A value that begins with `$` is where this project keeps something: no default of the code.
    """
    code = {name: _as_told(name, each) for name, each in schema["properties"].items()}
    told = {setting["name"]: dict(setting) for setting in settings}
    found = [f"{name}: only in the code" for name in code.keys() - told.keys()]
    found += [f"{name}: not in the code" for name in told.keys() - code.keys()]
    for name in code.keys() & told.keys():
        if str(told[name].get("value", "")).startswith("$"):
            told[name].pop("value")
            code[name].pop("value", None)
        found += [
            f"{name}.{key}: {told[name].get(key)!r}, in the code {code[name].get(key)!r}"
            for key in code[name].keys() | told[name].keys()
            if told[name].get(key) != code[name].get(key)
            or type(told[name].get(key)) is not type(code[name].get(key))
        ]
    if not found and list(code) != list(told):
        found.append("the order is another")
    return sorted(found)


@pytest.mark.parametrize("name", [*CODE, *COMMANDS])
def test_settings_are_those_of_the_code(name: str) -> None:
    """Both ways: names, kinds, defaults, allowed values, secrets, descriptions. `make docs` renews them."""
    assert _differences(_schema(name), PLUGINS[name]["settings"]) == []


_EXAMPLE = {
    "properties": {
        "key": {"type": ["string"], "secret": True, "description": "A key"},
        "how": {"type": ["string", "null"], "enum": ["a", "b", None], "default": "a", "description": "How"},
        "most": {"type": ["integer", "null"], "description": "Most. Without it, 16"},
        "path": {"type": ["string", "null"], "default": "here", "description": "Where"},
    }
}
_TOLD: list[dict[str, Any]] = [
    {"name": "key", "kind": "string", "sensitive": True, "description": "A key"},
    {
        "name": "how",
        "kind": "string",
        "value": "a",
        "options": [{"label": "a", "value": "a"}, {"label": "b", "value": "b"}],
        "description": "How",
    },
    {"name": "most", "kind": "integer", "description": "Most. Without it, 16"},
    {"name": "path", "kind": "string", "value": "$HOME/here", "description": "Where"},
]


@pytest.mark.parametrize(
    ("position", "change", "said"),
    [
        (0, {"sensitive": None}, "key.sensitive"),
        (0, {"value": "x"}, "key.value"),
        (0, {"description": "The key"}, "key.description"),
        (0, {"description": None}, "key.description"),
        (1, {"value": "b"}, "how.value"),
        (1, {"value": None}, "how.value"),
        (1, {"options": [{"label": "a", "value": "a"}]}, "how.options"),
        (1, {"kind": "options"}, "how.kind"),
        (2, {"value": 16}, "most.value"),
        (2, {"hidden": True}, "most.hidden"),
        (2, {"name": "least"}, "least: not in the code"),
        (3, {"value": "there"}, "path.value"),
    ],
)
def test_every_difference_between_a_definition_and_the_code_is_found(
    position: int, change: dict[str, Any], said: str
) -> None:
    assert _differences(_EXAMPLE, _TOLD) == []
    changed = [dict(setting) for setting in _TOLD]
    changed[position] = {key: value for key, value in (changed[position] | change).items() if value is not None}
    assert any(found.startswith(said) for found in _differences(_EXAMPLE, changed))
    assert _differences(_EXAMPLE, [_TOLD[1], _TOLD[0], *_TOLD[2:]]) == ["the order is another"]
    assert _differences(_EXAMPLE, _TOLD[:3]) == ["path: only in the code"]


def test_every_plugin_of_this_repository_is_compared_with_its_code() -> None:
    ours = {name for name, plugin in PLUGINS.items() if '-e "$MELTANO_PROJECT_ROOT' in plugin.get("pip_url", "")}
    without_settings = {name for name in ours if "settings" not in PLUGINS[name]}
    assert ours - without_settings == CODE.keys() | COMMANDS.keys()
    assert without_settings == {"lift-report"}, "it takes arguments"


def _origin(plugin: Plugin) -> str:
    """The plugin whose code runs."""
    inherited = plugin.get("inherit_from", plugin["name"])
    return str(plugin["name"] if "executable" in plugin else inherited)


def test_whatever_is_configured_is_a_setting() -> None:
    """In plugins that inherit from another as well, and in environments."""
    configured = [(plugin, plugin.get("config", {})) for plugin in PLUGINS.values()]
    for environment in PROJECT["environments"]:
        for plugins in environment.get("config", {}).get("plugins", {}).values():
            configured += [(PLUGINS[plugin["name"]], plugin.get("config", {})) for plugin in plugins]
    built_in = {"stream_maps", "stream_map_config", "flattening_enabled", "flattening_max_depth"}
    for plugin, config in configured:
        settings = {setting["name"] for setting in PLUGINS[_origin(plugin)].get("settings", ())}
        assert set(config) <= settings | built_in, plugin["name"]


def test_the_example_of_an_environment_names_settings_only() -> None:
    names = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert names
    known = {
        f"{plugin}_{setting}".replace("-", "_").upper()
        for plugin in [*CODE, *COMMANDS]
        for setting in _schema(plugin)["properties"]
    }
    known |= {f"KLAVIYO_INBOX_{setting}".upper() for setting in InboxSettings.json_schema()["properties"]}
    known |= {f"SUBJECT_REQUESTS_{setting}".upper() for setting in RequestSettings.json_schema()["properties"]}
    server = r"env_var\('(KLAVIYO_LOOP_POSTGRES_\w+)'"
    known |= set(re.findall(server, (ROOT / "transform" / "profiles.yml").read_text()))
    assert set(names) - known == {WAIT_HOURS, notify.URL, notify.COMMAND}  # the scripts' own


@cache
def _variables_of_meltano() -> dict[str, str]:
    """Every variable that Meltano reads or sets for a plugin of this project: settings, extras, inherited ones."""
    from meltano.core.plugin.settings_service import PluginSettingsService  # noqa: PLC0415 - takes half a second
    from meltano.core.project import Project  # noqa: PLC0415

    project = Project(ROOT)
    services = [PluginSettingsService(project, plugin) for plugin in project.plugins.plugins()]
    return {
        variable.key: "x"
        for service in services
        for setting in service.definitions()
        for writing in (True, False)
        for variable in service.setting_env_vars(setting, for_writing=writing)
    }


def _known(program: str) -> list[str]:
    """The settings of a program, those of the SDK with them."""
    if program == "klaviyo-inbox":
        return list(InboxSettings.json_schema()["properties"])
    schema = {"properties": dict(_schema(program)["properties"])}
    CODE[program].append_builtin_config(schema)
    return list(schema["properties"])


@pytest.mark.parametrize("program", [*CODE, "klaviyo-inbox"])
def test_no_variable_of_meltano_is_taken_for_a_misspelt_setting(program: str) -> None:
    known = dict.fromkeys(_known(program))
    variables = _variables_of_meltano()
    prefix = program.replace("-", "_").upper()
    if program != "klaviyo-inbox":
        assert {f"{prefix}_{known_name}".upper() for known_name in _schema(program)["properties"]} <= set(
            variables
        )
        assert f"{prefix}__LOG_PARSER" in variables
    parts = {f"{prefix}_{name}_{part}".upper(): "x" for name in known for part in ("events", "_else__", "0_id")}
    assert unknown_variables(program, known, variables | parts) == []


@pytest.mark.parametrize("program", [*CODE, "klaviyo-inbox"])
def test_a_slip_in_the_name_of_any_variable_is_found(program: str) -> None:
    """A letter or an underscore left out, or twice."""
    known = dict.fromkeys(_known(program))
    prefix = f"{program}_".replace("-", "_").upper()
    for setting in known:
        for place in range(0, len(setting), 3):
            rest = setting[place + 1 :]
            for slip in (setting[:place] + rest, setting[: place + 1] + setting[place:]):
                told = unknown_variables(program, known, {prefix + slip.upper(): "v4lue"})
                assert len(told) == (slip not in known), slip
                assert "v4lue" not in "".join(told)


@pytest.mark.parametrize("program", CODE)
def test_every_program_ends_at_a_misspelt_variable(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Meltano has given it all settings in a file, and where one that is needed is missing for it."""
    setting = next(iter(_schema(program)["properties"]))
    misspelt = f"{setting[:-2]}{setting[-1]}{setting[-2]}"
    variable = f"{program}_{misspelt}".replace("-", "_").upper()
    monkeypatch.setenv(variable, "v4lue")
    required = dict.fromkeys(_schema(program).get("required", ()), "pk_0123456789abcdef")
    for config in (required, {}):
        with pytest.raises((ConfigValidationError, ConfigurationError)) as ended:
            _begin(CODE[program], config)
        told = str(getattr(ended.value, "errors", ended.value))
        assert f"{variable}: there is no setting `{misspelt}`; did you mean `{setting}`?" in told
        assert "v4lue" not in told


def _begin(owner: type[PluginBase], config: dict[str, Any]) -> None:
    if issubclass(owner, TapKlaviyoEngagement):
        owner.configured(_ConfigInput(config=config, parse_env=False))
    else:
        owner(config=config)


@pytest.mark.parametrize("name", CODE)
def test_required_settings_are_those_of_the_code(name: str) -> None:
    required = _schema(name).get("required", [])
    groups = PLUGINS[name].get("settings_group_validation", [[]])
    given = {setting["name"] for setting in PLUGINS[name]["settings"] if "value" in setting}
    given |= set(PLUGINS[name].get("config", ()))
    assert set(groups[0]) == set(required) - given


def test_no_deprecated_spelling() -> None:
    for plugin in PLUGINS.values():
        assert all(setting.get("kind") != "password" for setting in plugin.get("settings", []))
    assert "version" not in PROJECT


def test_each_stream_is_selected_by_exactly_one_rhythm() -> None:
    """Two plugins with one stream would read it twice and keep two bookmarks.

    `resource_ids` and `membership_snapshots` have no bookmark: they go wherever a stream is that they tell about.
    """
    rhythms = [
        {pattern.removesuffix(".*") for pattern in plugin["select"]}
        for plugin in PLUGINS.values()
        if plugin.get("inherit_from") == "tap-klaviyo-engagement" and "select" in plugin
    ]
    listed = {stream.name for stream in STREAMS if issubclass(stream, ListedStream) and stream.tells_ids}
    told = {"list_memberships", "segment_memberships", "profile_ids", "resource_ids"}
    assert all(("resource_ids" in streams) == bool(streams & listed) for streams in rhythms)
    assert all(("membership_snapshots" in streams) == bool(streams & told) for streams in rhythms)
    telling = {"resource_ids", "membership_snapshots"}
    selected = [name for streams in rhythms for name in streams - telling]
    assert sorted(selected) == sorted({stream.name for stream in STREAMS} - telling)


@pytest.mark.parametrize(
    "job", [job for job in PROJECT["jobs"] if any("target-klaviyo" in each for each in job["tasks"])]
)
def test_what_a_publishing_job_compares_with_is_read_before_it_builds(job: dict[str, Any]) -> None:
    """Else a template, list or campaign that was deleted counts as there, and what is made of it is refused.

    A job that answers publishes no template, and who joins a list twice is on it once.
    """
    built = next(place for place, task in enumerate(job["tasks"]) if task.startswith("dbt:"))
    read = " ".join(job["tasks"][:built])
    assert "tap-klaviyo-profiles " in read  # profiles, templates
    publisher = job["tasks"][-1 if "target-klaviyo" in job["tasks"][-1] else built + 1].split()[0]
    if publisher.endswith("-deletions"):  # whose an own id is, and who is suppressed
        return
    if publisher.endswith("-answers"):
        assert "tap-klaviyo-events " in read  # orders and consents that Klaviyo shows
        assert not [each for each in PLUGINS[publisher]["select"] if "templates" in each]
        return
    assert "tap-klaviyo-events " in read  # campaigns and their messages
    if "assign" in job["tasks"][built]:
        assert "tap-klaviyo-groups " in read  # lists and segments, which choose whom to assign


def test_no_job_deletes_but_that_of_deletions() -> None:
    """What is to be deleted lies where only its own taps look, and goes to the only target that may delete."""
    model = ROOT / "transform" / "models" / "deletions" / "pub_klaviyo_profile_deletions.sql"
    assert model.exists()
    configs = {name: plugin.get("config", {}) for name, plugin in PLUGINS.items()}
    reading = {
        name
        for name, config in configs.items()
        if "deletions" in (config.get("schema"), *config.get("filter_schemas", ()))
    }
    deleting = {name for name, config in configs.items() if config.get("allow_deletions")}
    assert deleting == {"target-klaviyo-deletions"}
    tasks = {
        (job["name"], task)
        for job in PROJECT["jobs"]
        for task in job["tasks"]
        if {*task.split()} & (reading | deleting)
    }
    assert tasks == {
        ("deletions", "tap-duckdb-deletions target-klaviyo-deletions"),
        ("postgres-deletions", "tap-postgres-deletions target-klaviyo-deletions"),
    }
    assert {each["job"] for each in PROJECT["schedules"]}.isdisjoint({name for name, _ in tasks})
    # What was asked for is known before, and what was answered is known after.
    for job in PROJECT["jobs"]:
        if job["name"].endswith("deletions"):
            assert job["tasks"][1].split()[0] == job["tasks"][-1].split()[0] == "tap-klaviyo-deletions"


def test_who_was_deleted_is_looked_for_by_a_schedule() -> None:
    jobs = {job["name"]: job["tasks"] for job in PROJECT["jobs"]}
    swept = {name for name, tasks in jobs.items() if any(task.startswith("tap-klaviyo-sweep ") for task in tasks)}
    assert {each["job"] for each in PROJECT["schedules"]} & swept


def test_local_packages_are_installed_from_the_project_root() -> None:
    """A relative path breaks `meltano install` in a subfolder; without one, pip asks an index for the name."""
    for name, plugin in PLUGINS.items():
        if name not in CODE:
            continue
        pip_url = plugin["pip_url"]
        assert "-e ./" not in pip_url
        package = CODE[name].__module__.partition(".")[0].replace("_", "-")
        [folder] = [each for each in (package, f"plugins/{package}") if (ROOT / each).is_dir()]
        for needed in local_packages(folder):
            assert f'-e "$MELTANO_PROJECT_ROOT/{needed}"' in pip_url


def test_the_checkout_may_lie_in_a_path_with_spaces_and_quotes() -> None:
    """Meltano splits `pip_url` into words once it has put the path in."""
    for plugin in PLUGINS.values():
        words = shlex.split(plugin.get("pip_url", "").replace("$MELTANO_PROJECT_ROOT", "a b/it's"))
        paths = [word for word in words if "it's" in word]
        assert all(path.startswith("a b/it's/") for path in paths), plugin["name"]


def test_every_setting_that_is_not_inherited_has_a_value() -> None:
    """Meltano 4.4 ends with a KeyError over one without: it looks for it in the plugin that is inherited."""
    plugin = PLUGINS["tap-klaviyo-reconcile"]
    own = {setting["name"] for setting in plugin["settings"]} - {
        setting["name"] for setting in PLUGINS[plugin["inherit_from"]]["settings"]
    }
    assert own
    assert own == set(plugin["config"])


def test_every_task_names_a_plugin_and_its_command() -> None:
    mappings = {mapping["name"] for plugin in PLUGINS.values() for mapping in plugin.get("mappings", ())}
    for job in PROJECT["jobs"]:
        for task in job["tasks"]:
            for word in task.split():
                plugin, _, command = word.partition(":")
                assert plugin in PLUGINS or word in mappings, task
                assert not command or command in PLUGINS[plugin]["commands"], task
    names = {job["name"] for job in PROJECT["jobs"]}
    assert {"extract", "define", "assign", "publish", "measure", "pipeline"} <= names
    assert {schedule["job"] for schedule in PROJECT["schedules"]} <= names


def test_the_pipeline_is_the_jobs_in_order() -> None:
    assert {job["tasks"][0] for job in PROJECT["jobs"]} == {"home:hold"}
    tasks = {job["name"]: job["tasks"][1:] for job in PROJECT["jobs"]}
    assert tasks["assign"] == ["dbt:assign"]
    *before, reading, rebuilding, writing = tasks["publish"]
    assert (before, [reading], rebuilding) == (tasks["events"], tasks["profiles"], "dbt:publish")
    assert tasks["measure"] == ["dbt:measure", "lift-report:page"]
    # Profiles are read straight before `assign`, which builds what `publish` would build; so does measuring less.
    assert tasks["pipeline"] == [
        *tasks["events"],
        *tasks["groups"],
        *tasks["define"],
        reading,
        *tasks["assign"],
        writing,
        "dbt:measure-after-assign",
        "lift-report:page",
    ]
    assert tasks["extract"] == [task for part in ("events", "profiles", "groups") for task in tasks[part]]


def test_the_page_on_consent_names_plugins_that_are_there() -> None:
    page = (ROOT / "docs" / "consent-changes.md").read_text()
    shown = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    [loader], [job] = shown["plugins"]["loaders"], shown["jobs"]
    defined = {
        each["name"]: each
        for file in (ROOT / "plugins").glob("*.meltano.yml")
        for kind in yaml.safe_load(file.read_text())["plugins"].values()
        for each in kind
    }
    known = {setting["name"] for setting in defined[loader["inherit_from"]]["settings"]}
    assert set(loader["config"]) <= known
    tap, target = job["tasks"][-1].split()
    assert defined[tap]["select"] == ["consent_changes.*"]
    assert target == loader["name"]
