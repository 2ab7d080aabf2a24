"""What experiments of one folder owe each other: layers, groups, snippets, and what holds for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import GlobalHoldout, load

DEFINITION = """\
key: {key}
version: 1
status: {status}
description: Which?
channel: email
audience: {{list: Newsletter}}
primary_metric: clicked
attribution_window_days: 5
slots:
  hero:
    arms:
      plain: {{content: plain.html, control: true}}
      bold: {{content: bold.html}}
    allocation: equal
template: {{name: lf_{key}, html: template.html}}
"""


def define(root: Path, key: str, more: str = "", *, status: str = "draft", yaml: str = DEFINITION) -> Path:
    """Write an experiment; `more` stands at the end of its definition."""
    folder = root / key
    folder.mkdir(parents=True)
    (folder / "experiment.yml").write_text(yaml.format(key=key, status=status) + more)
    for name in ("plain", "bold"):
        (folder / f"{name}.html").write_text(f'<a href="https://x.io">{name}</a>')
    (folder / "template.html").write_text('[[ slot("hero") ]]{% unsubscribe %}')
    return folder


def faults(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as error:
        load(root, PropertyFormat.LIST, locking=True)
    return [str(fault).replace(f"{root}/", "") for fault in error.value.faults]


def test_neighbours_in_a_layer(tmp_path: Path) -> None:
    define(tmp_path, "a", "layer: {name: promo, from: 0, to: 33.33}", status="live")
    define(tmp_path, "b", "layer: {name: promo, from: 33.33, to: 100}")
    define(tmp_path, "c", "layer: {name: other, from: 0, to: 100}")
    define(tmp_path, "d")
    assert len(load(tmp_path, PropertyFormat.LIST, locking=True).pairs) == 4


@pytest.mark.parametrize(
    ("taken", "wanted", "free"),
    [
        ("from: 0, to: 50", "from: 49.99, to: 60", "50 to 100"),
        ("from: 20, to: 50", "from: 0, to: 100", "0 to 20, 50 to 100"),
        ("from: 0, to: 100", "from: 10, to: 20", "nothing, so use another layer"),
        ("from: 20, to: 50", "from: 20, to: 50", "0 to 20, 50 to 100"),
    ],
)
def test_an_overlap_in_a_layer_says_what_is_free(tmp_path: Path, taken: str, wanted: str, free: str) -> None:
    define(tmp_path, "a", f"layer: {{name: promo, {taken}}}", status="live")
    define(tmp_path, "b", f"layer: {{name: promo, {wanted}}}")
    [found] = faults(tmp_path)
    assert found.startswith("b/experiment.yml:16: layer: overlaps ")
    assert found.endswith(
        f"of `promo`, which {tmp_path}/a/experiment.yml has; take a part of what is free: {free}".replace(
            f"{tmp_path}/", ""
        )
    )


def test_an_ended_experiment_leaves_its_layer(tmp_path: Path) -> None:
    for key, status in {"a": "ended", "b": "live"}.items():
        define(tmp_path, key, "layer: {name: promo, from: 0, to: 100}", status=status)
    load(tmp_path, PropertyFormat.LIST, locking=True)


def test_a_group_that_agrees(tmp_path: Path) -> None:
    define(tmp_path, "a", "group: spring\n", status="live")
    define(tmp_path, "b", "group: spring\ntraffic: 50\n")
    load(tmp_path, PropertyFormat.LIST, locking=True)


THOMPSON = "{{thompson: {{}}, accept: {{plain: 40, bold: 60}}}}"
DISAGREEMENTS = {
    "version": ("version: 1", "version: 2", "2: version: is 2, but 1 in a/experiment.yml;"),
    "arms": ("bold:", "loud:", "11: slots.hero.arms: is plain, loud, but plain, bold in a/experiment.yml;"),
    "order": (
        "      plain: {{content: plain.html, control: true}}\n      bold: {{content: bold.html}}\n",
        "      bold: {{content: bold.html}}\n      plain: {{content: plain.html, control: true}}\n",
        "11: slots.hero.arms: is bold, plain, but plain, bold in a/experiment.yml;",
    ),
    "weights": (
        "equal",
        "{{manual: {{plain: 40, bold: 60}}}}",
        "14: slots.hero.allocation: is 40, 60, but 50, 50 in a/experiment.yml;",
    ),
    "accepted": ("equal", THOMPSON, "14: slots.hero.allocation: is 40, 60, but 50, 50 in a/experiment.yml;"),
    "hash": (
        "version: 1",
        "version: 1\nunit_hash: growthbook_v2",
        "3: unit_hash: is growthbook_v2, but md5 in a/",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_a_group_that_disagrees(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in DEFINITION
    define(tmp_path, "a", "group: spring\n")
    define(tmp_path, "b", "group: spring\n", yaml=DEFINITION.replace(old, new, 1))
    [found] = faults(tmp_path)
    assert found.startswith(f"b/experiment.yml:{expected}")
    assert found.endswith("make it the same in all experiments of the group `spring`")


def test_a_group_with_other_slots(tmp_path: Path) -> None:
    define(tmp_path, "a", "group: spring\n")
    folder = define(tmp_path, "b", "group: spring\n", yaml=DEFINITION.replace("hero:", "foot:"))
    (folder / "template.html").write_text('[[ slot("foot") ]]{% unsubscribe %}')
    [found] = faults(tmp_path)
    assert found.startswith("b/experiment.yml:9: slots: is foot, but hero in a/experiment.yml;")


def test_an_ended_experiment_leaves_its_group(tmp_path: Path) -> None:
    define(tmp_path, "a", "group: spring\n", status="ended")
    define(tmp_path, "b", "group: spring\n", yaml=DEFINITION.replace("version: 1", "version: 2"))
    load(tmp_path, PropertyFormat.LIST, locking=True)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1", "version: 1\nassignment: quota", "3: assignment: counts in one audience"),
        ("version: 1", "version: 1\nbalance: {{tries: 5}}", "3: balance: fits one audience"),
        ("equal", "{{thompson: {{}}}}", "14: slots.hero.allocation: is decided by each experiment's own history"),
    ],
)
def test_what_fits_one_audience_cannot_be_shared(tmp_path: Path, old: str, new: str, expected: str) -> None:
    define(tmp_path, "a", "group: spring\n", yaml=DEFINITION.replace(old, new, 1))
    [found] = faults(tmp_path)
    assert found.startswith(f"a/experiment.yml:{expected}")


def test_a_group_is_not_called_like_an_experiment(tmp_path: Path) -> None:
    """Their salts would be the same, and so their buckets."""
    define(tmp_path, "a", "group: b\n")
    define(tmp_path, "b", status="ended")
    [found] = faults(tmp_path)
    assert found.startswith("a/experiment.yml:16: group: `b` is the key of an experiment")


def test_an_unused_snippet_is_a_warning_only(tmp_path: Path) -> None:
    define(tmp_path, "a")
    (tmp_path / "_snippets" / "banner").mkdir(parents=True)
    (tmp_path / "_snippets" / "README.md").touch()
    assert load(tmp_path, PropertyFormat.LIST).warnings == (
        f"{tmp_path}/_snippets/banner: no experiment uses this snippet",
    )


def test_what_holds_for_all(tmp_path: Path) -> None:
    assert load(tmp_path, PropertyFormat.LIST).holdout == GlobalHoldout(0, 1)
    (tmp_path / "project.yml").write_text("global_holdout: {percent: 2.5, version: 3}")
    assert load(tmp_path, PropertyFormat.LIST).holdout == GlobalHoldout(250, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("global_holdout: {percent: 100, version: 1}", "1: global_holdout.percent: leaves nobody to send to"),
        ("global_holdout: {percent: 5}", "1: global_holdout.version: is missing; add it"),
        ("global_holdout: 5", "1: global_holdout: is not a mapping"),
        ("\nglobal_holdot: {}", "2: global_holdot: is an unknown key; did you mean `global_holdout`?"),
        ("[", "1: is not valid YAML"),
    ],
)
def test_what_holds_for_all_is_checked(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "project.yml").write_text(text)
    [found] = faults(tmp_path)
    assert found.startswith(f"project.yml:{expected}")


def test_what_holds_for_all_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").touch()
    assert faults(tmp_path) == ["project.yaml: is not read; call it project.yml"]
