"""A plugin as Meltano Hub describes it, made from this project's definition and the plugin's code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import plugin_settings
import yaml
from project import ROOT, definition_of
from singer_sdk.plugin_base import PluginBase

FOLDER = Path("plugins/hub")
"""Laid out as the Hub's own: kind of plugin, name, variant."""
VARIANT = "klaviyo-loop"
REPOSITORY = "$KLAVIYO_LOOP_REPOSITORY"
"""The address that the repository is cloned from, which Meltano takes from the environment."""

_NOT_OFFERED = {"faker_config", "load_method", "batch_config"}
"""Settings of the SDK that need what is not installed, or that change nothing here."""
_KEYWORDS: Mapping[str, Sequence[str]] = {
    "map-consent-strings": ["consent", "tcf", "gpp"],
    "tap-forwarding": ["klaviyo", "events"],
}
_MAPPED, _FLATTENED = "stream-maps", "schema-flattening"


def local_packages(folder: str) -> list[str]:
    """The folders of the packages that one needs of this repository, what is needed first and itself last."""
    before = dict.fromkeys(each for name in _needed(folder) for each in local_packages(name))
    return [*before, folder]


def _needed(folder: str) -> Iterator[str]:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
    for name in project.get("tool", {}).get("uv", {}).get("sources", {}):
        yield next(each for each in (name, f"plugins/{name}") if (ROOT / each).is_dir())


def addresses(folder: str) -> list[str]:
    """What pip is given to install a package out of git: it and what it needs, which no package index has."""
    return [f"git+{REPOSITORY}#subdirectory={each}" for each in local_packages(folder)]


def path_of(group: str, name: str) -> Path:
    """Where the definition of a plugin lies: `group` is `extractors`, `mappers` or `loaders`."""
    return FOLDER / group / name / f"{VARIANT}.yml"


def definition(name: str, code: type[PluginBase], folder: str, schema: Mapping[str, Any]) -> str:
    """The file that `meltano add --from-ref` and the Hub take.

    Args:
        name: The plugin's, in this project's definitions.
        code: Its class, which knows the settings that the SDK adds.
        folder: Its package.
        schema: Its own settings.
    """
    told = definition_of(name)
    capabilities = [str(each) for each in told["capabilities"]]
    settings = plugin_settings.definitions(schema, {})
    if _MAPPED in capabilities:
        added: dict[str, Any] = {"properties": {}}
        code.append_builtin_config(added)
        offered = {each: kind for each, kind in added["properties"].items() if each not in _NOT_OFFERED}
        capabilities += [_FLATTENED] if "flattening_enabled" in offered else []
        settings += plugin_settings.definitions({"properties": offered}, {})
    required = schema.get("required", ())
    text = yaml.safe_dump(
        {
            "name": name,
            "namespace": told.get("namespace", name.replace("-", "_")),
            "variant": VARIANT,
            "label": told.get("label", name),
            "description": told.get("description", code.__doc__),
            "repo": REPOSITORY,
            "pip_url": " ".join(addresses(folder)),
            "executable": told["executable"],
            "capabilities": capabilities,
            **({"settings_group_validation": [list(required)]} if required else {}),
            "settings": settings,
            "supported_python_versions": ["3.11", "3.12", "3.13"],
            "maintenance_status": "active",
            "quality": "unknown",
            "keywords": _KEYWORDS.get(name, ["klaviyo", "experiments"] if "klaviyo" in name else ["experiments"]),
            **({"domain_url": "https://www.klaviyo.com"} if "klaviyo" in name else {}),
        },
        sort_keys=False,
        allow_unicode=True,
        width=110,
    )
    return f"# Made from the code: `make docs WRITE=--write` renews it.\n{text}"
