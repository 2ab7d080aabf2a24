from __future__ import annotations

import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singer_program.definitions.faults import DefinitionError
from singer_program.definitions.files import MAX_FILE_BYTES
from singer_program.definitions.yaml_values import Document
from tap_experiments.definitions.allocation import equal_split
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.preregistration import LOCK
from tap_experiments.project import load

YAML = """\
key: spring
version: 1
status: draft
description: Which hero?
channel: email
audience: {segment: Everyone}
traffic: 12.5
primary_metric: clicked
attribution_window_days: 5
slots:
  hero:
    arms:
      plain: {content: plain.html, control: true}
      bold: {content: bold.html}
      loud: {content: loud.html}
    allocation: equal
template:
  name: lf_spring
  html: template.html
"""

FILES = {
    "plain.html": '<a href="https://x.io">plain</a>',
    "bold.html": '<a href="https://x.io">bold</a>',
    "loud.html": '<a href="https://x.io">loud</a>',
    "template.html": '<body>[[ slot("hero") ]]{% unsubscribe %}</body>',
}


def define(root: Path, yaml: str = YAML, *, key: str = "spring", **files: str) -> Path:
    """Write an experiment; `files` replace the usual ones, their names with `__` for the dot."""
    folder = root / key
    folder.mkdir(parents=True)
    (folder / "experiment.yml").write_text(yaml)
    for name, content in {**FILES, **{name.replace("__", "."): text for name, text in files.items()}}.items():
        (folder / name).write_text(content)
    return folder


def faults(root: Path, property_format: PropertyFormat = PropertyFormat.LIST) -> list[str]:
    """The faults of a folder, without the folder's name."""
    with pytest.raises(DefinitionError) as error:
        load(root, property_format)
    return [str(fault).replace(f"{root}/", "") for fault in error.value.faults]


def test_a_sound_definition(tmp_path: Path) -> None:
    define(tmp_path)
    [(experiment, template)] = load(tmp_path, PropertyFormat.LIST).pairs
    assert (experiment.key, experiment.traffic_bp, experiment.audience) == ("spring", 1250, "Everyone")
    assert [(arm.key, arm.weight_bp) for arm in experiment.slots[0].arms] == [
        ("plain", 3334),
        ("bold", 3333),
        ("loud", 3333),
    ]
    assert experiment.slots[0].control.key == "plain"
    assert template.name == "lf_spring"


@given(st.integers(1, 300))
def test_an_equal_split_is_whole_fair_and_stable(arms: int) -> None:
    weights = equal_split(arms)
    assert sum(weights) == 10_000
    assert max(weights) - min(weights) <= 1
    assert weights == sorted(weights, reverse=True)


@given(st.decimals(0, 100, places=2))
def test_percentages_are_exact(percentage: Decimal) -> None:
    document = Document("f")
    assert document.root(f"{percentage:f}").basis_points() == percentage * 100
    assert document.faults == []


MUTATIONS = {
    "yaml syntax": ("audience: {", "audience: {{", ["7: is not valid YAML: expected ',' or '}'"]),
    "unknown key": ("traffic:", "trafic:", ["7: trafic: is an unknown key; did you mean `traffic`?"]),
    "missing key": ("version: 1\n", "", ["1: version: is missing; add it"]),
    "missing inner key": ("    allocation: equal\n", "", ["11: slots.hero.allocation: is missing"]),
    "no as text": ("spring\nversion", "no\nversion", ["1: key: `no` is read by YAML as a boolean, not as text"]),
    "date as text": ("Which hero?", "2026-04-01", ["4: description: `2026-04-01` is read by YAML as a date"]),
    "number as text": ("Everyone", "123", ["6: audience.segment: `123` is read by YAML as a number"]),
    "nothing as text": ("Which hero?", "", ["4: description: `` is read by YAML as empty, not as text; give"]),
    "blank text": ("Which hero?", '" "', ["4: description: is blank"]),
    "half a surrogate": ("Which hero?", '"\\ud800"', ["4: description: holds half of a surrogate pair"]),
    "on as key": ("bold:", "on:", ["14: slots.hero.arms.on: `on` is read by YAML as a boolean"]),
    "list as key": ("bold:", "[a]:", ["14: slots.hero.arms: has a key that is not a text"]),
    "list as text": ("Which hero?", "[a]", ["4: description: is not text"]),
    "underscored number": ("version: 1", "version: 1_000", ["2: version: `1_000` is not a whole number from 1"]),
    "octal number": ("version: 1", "version: 010", ["2: version: `010` is not a whole number"]),
    "version zero": ("version: 1", "version: 0", ["2: version: `0` is not a whole number from 1"]),
    "quoted number": ("version: 1", "version: '1'", ["2: version: `1` is not a whole number"]),
    "duplicate key": ("channel:", "version: 2\nchannel:", ["5: version: stands here twice, first in line 2"]),
    "unknown word": ("status: draft", "status: lve", ["3: status: `lve` is not known here; did you mean `live`?"]),
    "other key": ("key: spring", "key: winter", ["1: key: is `winter` in the folder `spring`"]),
    "bad identifier": ("bold:", "Bold-1:", ["14: slots.hero.arms.Bold-1: `Bold-1` cannot be used as a name"]),
    "long identifier": ("bold:", f"{'b' * 41}:", [f"14: slots.hero.arms.{'b' * 41}: `{'b' * 41}` cannot be used"]),
    "reserved identifier": ("bold:", "fb:", ["14: slots.hero.arms.fb: `fb` is what links say"]),
    "two audiences": ("{segment: Everyone}", "{segment: a, list: b}", ["6: audience: names no single group"]),
    "attrs of a segment": (
        "{segment: Everyone}",
        "{segment: Everyone, where: [{field: attrs.basket, more_than: 10}]}",
        ["6: audience.where: `attrs.basket` is sent by no segment; name a `flow`, or a field of the profile"],
    ),
    "nested attrs": (
        "{segment: Everyone}",
        "{flow: Welcome, where: [{field: attrs.a.b, exists: true}]}",
        ["6: audience.where[0].field: `attrs.a.b` names no property that can be looked up"],
    ),
    "flow and segment": (
        "{segment: Everyone}",
        "{segment: Everyone, flow: Welcome}",
        ["6: audience: names no single group"],
    ),
    "no audience": ("{segment: Everyone}", "{}", ["6: audience: names no single group"]),
    "traffic above": ("traffic: 12.5", "traffic: 100.01", ["7: traffic: `100.01` is not a percentage from 0"]),
    "traffic below": ("traffic: 12.5", "traffic: -1", ["7: traffic: `-1` is not a percentage"]),
    "traffic precision": ("traffic: 12.5", "traffic: 0.125", ["7: traffic: `0.125` is not a percentage"]),
    "traffic sexagesimal": ("traffic: 12.5", "traffic: 1:30", ["7: traffic: `1:30` is not a percentage"]),
    "no control": (", control: true", "", ["12: slots.hero.arms: has no control; mark the one arm"]),
    "two controls": ("bold.html}", "bold.html, control: true}", ["12: slots.hero.arms: has 2 controls (plain"]),
    "yes as control": ("control: true", "control: yes", [
        "12: slots.hero.arms: has no control", "13: slots.hero.arms.plain.control: `yes` is not true or false",
    ]),
    "split sum": ("allocation: equal", "allocation: {manual: {plain: 50, bold: 30, loud: 10}}", [
        "16: slots.hero.allocation.manual: sums to 90",
    ]),
    "split names": ("allocation: equal", "allocation: {manual: {plain: 50, bolt: 25, loud: 25}}", [
        "16: slots.hero.allocation.manual: gives the arm `bold` no share",
        "16: slots.hero.allocation.manual.bolt: is no arm of this slot; did you mean `bold`?",
    ]),
    "split zero": ("allocation: equal", "allocation: {manual: {plain: 50, bold: 50, loud: 0}}", [
        "16: slots.hero.allocation.manual.loud: is ze",
    ]),
    "split negative": ("allocation: equal", "allocation: {manual: {plain: 70, bold: 70, loud: -40}}", [
        "16: slots.hero.allocation.manual.loud: `-40` is not a percentage",
    ]),
    "split word": ("allocation: equal", "allocation: even", ["16: slots.hero.allocation: is neither `equal`"]),
    "one message id": ("traffic: 12.5", "campaign_message_ids: abc", ["7: campaign_message_ids: is not a list"]),
    "number as message id": ("traffic: 12.5", "campaign_message_ids: [7]", [
        "7: campaign_message_ids[0]: `7` is read by YAML as a number",
    ]),
    "padded template name": ("name: lf_spring", "name: 'lf_spring '", ["18: template.name: begins or ends"]),
    "missing file": ("bold.html", "bold.htm", [
        "14: slots.hero.arms.bold.content: `bold.htm` is not a file of this folder; did you mean `bold.html`?",
    ]),
    "folder as file": ("bold.html", ".", ["14: slots.hero.arms.bold.content: `.` is not a file of this folder"]),
    "traversal": ("bold.html", "../spring/../../x", ["14: slots.hero.arms.bold.content: `../spring/../"]),
    "absolute path": ("bold.html", "/etc/passwd", ["14: slots.hero.arms.bold.content: `/etc/passwd` lie"]),
    "nul in path": ("bold.html", '"a\\0b"', ["14: slots.hero.arms.bold.content: `a\\x00b` cannot be read"]),
    "text without a part": ("bold.html", "bold.html, text: bold.html", [
        "13: slots.hero.arms.plain.text: is missing; give every arm of the slot a text, or none",
        "14: slots.hero.arms.bold.text: has no place; add `template.text`",
        "15: slots.hero.arms.loud.text: is missing",
    ]),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), MUTATIONS.values(), ids=MUTATIONS)
def test_faults_of_the_definition(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert old in YAML
    define(tmp_path, YAML.replace(old, new, 1))
    found = faults(tmp_path)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(f"spring/experiment.yml:{start}")
        assert line.isprintable()


CONTENTS = {
    "blank": (" \n", "1: {key}: is blank; write what shall be shown"),
    "own delimiter": ('a\n[[ slot("hero") ]]', "2: {key}: holds `[[`, which is read in the template only"),
    "own block": ("[% if %]", "1: {key}: holds `[%`"),
    "own comment": ("[# c #]", "1: {key}: holds `[#`"),
    "decorated link": ('\n<a href="https://x.io?LF_CID=1">', "2: {key}: holds `lf_cid`; remove it"),
    "hash comment": ("<!-- lf:0 -->", "1: {key}: holds `<!-- lf:`; remove it"),
    "stray else": ("a{% else %}b", "1: {key}: `{{% else %}}` stands outside its block; remove"),
    "stray elif": ("{% elif a %}", "1: {key}: `{{% elif a %}}` stands outside its"),
    "stray end": ("\n{% endif %}", "2: {key}: `{{% endif %}}` closes nothing"),
    "crossed blocks": (
        "{% if a %}{% for b in c %}{% endif %}{% endfor %}",
        "1: {key}: `{{% endif %}}` closes nothing",
    ),
    "open if": ("{% if a %}", "1: {key}: `{{% if a %}}` is not closed; add `{{% endif %}}`"),
    "open verbatim": ("{% verbatim %}", "1: {key}: `{{% verbatim %}}` is not closed"),
    "open comment": ("{% comment %}", "1: {key}: `{{% comment %}}` is not closed"),
    "open unknown block": ("{% x %}{% x %}{% endx %}", "1: {key}: `{{% x %}}` is not closed"),
    "open tag": ("{% if a", "1: {key}: `{{%` is not closed on its line"),
    "open variable": ("{{ a\n}}", "1: {key}: `{{{{` is not closed on its line"),
    "empty tag": ("{% %}", "1: {key}: `{{% %}}` is empty"),
    "empty variable": ("{{}}", "1: {key}: `{{{{}}}}` is empty"),
    "tag in a tag": ("{%{% if a %}", "1: {key}: `{{%{{% if a %}}` begins a tag inside a tag"),
    "elsif": ("{% if a %}{% elsif b %}{% endif %}", "1: {key}: `{{% elsif b %}}` is not known to Klaviyo; write"),
    "filter space": (
        "{{ a|default: 'b' }}",
        "1: {key}: `{{{{ a|default: 'b' }}}}` cannot be read by Klaviyo; r",
    ),
}


@pytest.mark.parametrize(("content", "expected"), CONTENTS.values(), ids=CONTENTS)
def test_faults_of_a_content(tmp_path: Path, content: str, expected: str) -> None:
    define(tmp_path, bold__html=content)
    [found] = faults(tmp_path)
    assert found.startswith(f"spring/bold.html:{expected.format(key='slots.hero.arms.bold.content')}")


@pytest.mark.parametrize(
    "content",
    [
        "{% verbatim %}{% if %} {{ {% endverbatim %}",
        "{% comment %}{% endfor %}{% endcomment %}",
        "{# {% if %} #}",
        "{% for a in b %}{% if a %}{{ a|default:'x: y' }}{% else %}-{% endif %}{% empty %}{% endfor %}",
        "{% catalog a %}b{% endcatalog %}{% x %}{% endx %}{% today '%Y' as today %}",
        "{% verbatim a %}{% endverbatim %}{% endverbatim a %}",
        "%} }} #} {{ '{%' }}",
        "<style>@media print{#a{color:#fff}}</style>\n",
    ],
)
def test_sound_contents(tmp_path: Path, content: str) -> None:
    define(tmp_path, bold__html=content)
    load(tmp_path, PropertyFormat.LIST)


TEMPLATES = {
    "unknown slot": (
        '\n[[ slot("hero") ]][[ slot("hera") ]]',
        "2: {key}: places the unknown slot `hera`; did you me",
    ),
    "no slot": ("<p>", " {key}: never places the slot `hero`; add"),
    "slot twice": ('[[ slot("hero") ]]\n[[ slot("hero") ]]', "2: {key}: places the slot `hero` 2 times"),
    "syntax": ('[[ slot("hero") ]]\n[[ slot( ]]', "2: {key}: is not a valid template"),
    "undefined": ('[[ slot("hero") ]]\n[[ hero ]]', "2: {key}: cannot be rendered: 'hero' is undefined"),
    "wrong call": ('[[ slot("hero") ]]\n[[ slot() ]]', "2: {key}: cannot be rendered"),
    "own error": ('[[ slot("hero") ]]\n\n[[ (1 // 0)|string ]]', "3: {key}: cannot be rendered"),
    "not a text": ('[[ slot("hero") ]]\n[[ slot ]]', "2: {key}: cannot be rendered: `[[ ]]` holds"),
    "escape": ("[[ slot('hero') ]]\n[[ ''.__class__ ]]", "2: {key}: cannot be rendered"),
    "open if": ('\n{% if a %}[[ slot("hero") ]]', "2: {key}: `{{% if a %}}` is not closed"),
    "decorated link": ('[[ slot("hero") ]]?lf_cid=a', "1: {key}: holds `lf_cid`"),
}


@pytest.mark.parametrize(("content", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_faults_of_a_template(tmp_path: Path, content: str, expected: str) -> None:
    define(tmp_path, template__html=f"{content}{{% unsubscribe %}}")
    [found] = faults(tmp_path)
    assert found.startswith(f"spring/template.html:{expected.format(key='template.html')}")


@pytest.mark.parametrize(
    "around",
    [
        ("{% verbatim %}", "{% endverbatim %}"),
        ("{% comment %}", "{% endcomment %}"),
        ("{", "}}"),
        ("{#", " #}"),
    ],
)
def test_a_slot_whose_branches_would_not_be_read(tmp_path: Path, around: tuple[str, str]) -> None:
    before, after = around
    define(tmp_path, template__html=f'{before}[[ slot("hero") ]]{after}{{% unsubscribe %}}')
    [found] = faults(tmp_path)
    assert found.startswith(
        "spring/experiment.yml:17: template: gives a template whose branches Klaviyo would not read"
    )


@pytest.mark.parametrize(
    "tag", ["{% unsubscribe %}", "{% unsubscribe 'Leave' %}", '<a href="{% unsubscribe_link %}">']
)
def test_a_template_holds_an_unsubscribe_tag(tmp_path: Path, tag: str) -> None:
    define(tmp_path / "with", template__html=f'[[ slot("hero") ]]{tag}')
    load(tmp_path / "with", PropertyFormat.LIST)
    define(tmp_path / "without", template__html=f'[[ slot("hero") ]]{{% verbatim %}}{tag}{{% endverbatim %}}')
    [found] = faults(tmp_path / "without")
    assert found.startswith("spring/template.html:1: template.html: holds no `{% unsubscribe %}`")


def test_the_definition_in_the_readme_is_sound(tmp_path: Path) -> None:
    project = Path(__file__).parents[3]
    folder = Path(shutil.copytree(project / "demo" / "experiments" / "spring_hero", tmp_path / "spring_hero"))
    readme = (project / "plugins" / "tap-experiments" / "README.md").read_text()
    (folder / "experiment.yml").write_text(readme.partition("```yaml\n")[2].partition("```")[0])
    (folder / LOCK).unlink()
    assert len(load(tmp_path, PropertyFormat.LIST, locking=True).pairs) == 1


def test_a_text_part_shows_texts_only(tmp_path: Path) -> None:
    yaml = YAML.replace("html: template.html", "html: template.html\n  text: template.txt")
    define(tmp_path / "without", yaml, template__txt='Hello\n[[ slot("hero") ]]')
    [found] = faults(tmp_path / "without")
    assert found == (
        "spring/template.txt: template.text: places the slot `hero`, whose arms have no text; "
        "give each of them a `text` file"
    )
    define(tmp_path / "plain", yaml, template__txt="Hello")
    load(tmp_path / "plain", PropertyFormat.LIST)
    for arm in ["plain", "bold", "loud"]:
        yaml = yaml.replace(f"content: {arm}.html", f"content: {arm}.html, text: {arm}.html")
    define(tmp_path / "unplaced", yaml, template__txt="Hello")
    [found] = faults(tmp_path / "unplaced")
    assert found.startswith("spring/template.txt: template.text: never places the slot `hero`")


def test_one_arm_and_no_slot(tmp_path: Path) -> None:
    yaml = YAML.replace("      bold: {content: bold.html}\n      loud: {content: loud.html}\n", "")
    define(tmp_path / "one", yaml)
    assert faults(tmp_path / "one")[0].startswith(
        "spring/experiment.yml:12: slots.hero.arms: has fewer than two arms"
    )
    start, end = YAML.index("  hero:"), YAML.index("template:")
    define(tmp_path / "none", YAML[:start].replace("slots:", "slots: {}") + YAML[end:])
    assert faults(tmp_path / "none")[0].startswith("spring/experiment.yml:10: slots: holds no slot")


def test_unreadable_files(tmp_path: Path) -> None:
    folder = define(tmp_path)
    (folder / "plain.html").write_bytes(b"caf\xe9")
    (folder / "bold.html").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    (folder / "loud.html").write_bytes(b"a\0b")
    found = faults(tmp_path)
    assert found[0].startswith(
        "spring/experiment.yml:13: slots.hero.arms.plain.content: `plain.html` is not UTF-8: byte 0xe9 at offset 3"
    )
    assert "`bold.html` is larger than 1,000,000 bytes" in found[1]
    assert "`loud.html` holds a NUL character" in found[2]


def test_symlinks_lead_nowhere_else(tmp_path: Path) -> None:
    folder = define(tmp_path / "set")
    (tmp_path / "secret.html").write_text("secret")
    (folder / "bold.html").unlink()
    (folder / "bold.html").symlink_to(tmp_path / "secret.html")
    (folder / "loud.html").unlink()
    (folder / "loud.html").symlink_to("loud.html")
    found = faults(tmp_path / "set")
    assert "`bold.html` lies outside its folder" in found[0]
    assert "slots.hero.arms.loud.content: `loud.html`" in found[1]
    elsewhere = define(tmp_path / "elsewhere")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "spring").symlink_to(elsewhere)
    assert faults(tmp_path / "linked")[0].startswith("spring/experiment.yml: is a symlink out of")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder = define(tmp_path)
    (folder / "bold.html").unlink()
    os.mkfifo(folder / "bold.html")
    assert "`bold.html` is not a file of this folder" in faults(tmp_path)[0]


def test_faults_of_all_experiments_come_at_once(tmp_path: Path) -> None:
    define(tmp_path, YAML.replace("draft", "alive").replace("allocation: equal", "allocation: odd"), bold__html="")
    define(tmp_path, YAML.replace("key: spring", "key: autumn").replace("12.5", "200"), key="autumn")
    define(tmp_path, "key: [", key="broken")
    define(tmp_path, "", key="empty")
    define(tmp_path, "- a", key="listed")
    define(tmp_path, "[" * 5000, key="deep")
    (tmp_path / "half").mkdir()
    (tmp_path / "stray.yml").touch()
    assert [line.split(";")[0] for line in faults(tmp_path)] == [
        "autumn/experiment.yml:7: traffic: `200` is not a percentage from 0 to 100",
        "broken/experiment.yml:1: is not valid YAML: expected the node content, but found '<stream end>'",
        "deep/experiment.yml: is nested too deeply",
        "empty/experiment.yml: is empty",
        "half/experiment.yml: `experiment.yml` is not a file of this folder",
        "listed/experiment.yml:1: is not a mapping",
        "spring/bold.html:1: slots.hero.arms.bold.content: is blank",
        "spring/experiment.yml:3: status: `alive` is not known here",
        "spring/experiment.yml:16: slots.hero.allocation: is neither `equal` nor a mapping",
        "stray.yml: is not read",
    ]


def test_names_shared_by_two_experiments(tmp_path: Path) -> None:
    define(tmp_path)
    define(tmp_path, YAML.replace("key: spring", "key: summer"), key="summer")
    [found] = faults(tmp_path)
    assert found.startswith("summer/experiment.yml:18: template.name: `lf_spring` is the template of")


def test_flat_properties_do_not_collide(tmp_path: Path) -> None:
    """`lf_spring_sale_hero` could be the slot `hero` of `spring_sale` or the slot `sale_hero` of `spring`."""
    define(
        tmp_path,
        YAML.replace("hero:", "sale_hero:"),
        template__html='[[ slot("sale_hero") ]]{% unsubscribe %}',
    )
    other = YAML.replace("key: spring", "key: spring_sale").replace("lf_spring", "lf_sale")
    define(tmp_path, other, key="spring_sale")
    load(tmp_path, PropertyFormat.LIST)
    [found] = faults(tmp_path, PropertyFormat.FLAT)
    assert found.startswith(
        "spring_sale/experiment.yml:11: slots.hero: is kept in the property `lf_spring_sale_hero`"
    )


def test_a_template_klaviyo_would_refuse_for_its_size(tmp_path: Path) -> None:
    long = "x" * MAX_FILE_BYTES
    define(
        tmp_path,
        plain__html=long,
        bold__html=long.replace("x", "y"),
        loud__html=long.replace("x", "z"),
        template__html=FILES["template.html"] + long[:-99],
    )
    [found] = faults(tmp_path)
    assert found.startswith("spring/experiment.yml:17: template: gives a template of 5,000,216 bytes")


def test_hostile_names_stay_on_one_line(tmp_path: Path) -> None:
    define(tmp_path, YAML.replace("bold:", '"bo\\nld\\x1b[31m":'), key="a\nb")
    found = faults(tmp_path)
    assert len(found) == 2
    assert all(line.isprintable() for line in found)


def test_hidden_and_private_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "_archive").mkdir()
    (tmp_path / "README.md").touch()
    assert load(tmp_path, PropertyFormat.LIST).pairs == ()


def test_a_missing_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(
        DefinitionError, match="nowhere: cannot be read: No such file or directory; give the setting `path`"
    ):
        load(tmp_path / "nowhere", PropertyFormat.LIST)


def test_line_breaks_and_byte_order_marks_of_other_systems_change_nothing(tmp_path: Path) -> None:
    """A checkout on Windows must not look like a new definition."""
    unix = define(tmp_path / "unix", bold__html="a\nb\n")
    windows = define(tmp_path / "windows", bold__html="")
    for file in unix.iterdir():
        (windows / file.name).write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    [(one, one_template)] = load(tmp_path / "unix", PropertyFormat.LIST).pairs
    [(other, other_template)] = load(tmp_path / "windows", PropertyFormat.LIST).pairs
    assert one.sha256 == other.sha256
    assert one_template == other_template


def test_the_definition_hash_covers_every_file(tmp_path: Path) -> None:
    folder = define(tmp_path)
    hashes = set()
    for name in ["experiment.yml", *FILES]:
        with (folder / name).open("a") as file:
            file.write("\n")
        [(experiment, _)] = load(tmp_path, PropertyFormat.LIST).pairs
        hashes.add(experiment.sha256)
    assert len(hashes) == 1 + len(FILES)
