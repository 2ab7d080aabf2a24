"""One folder for several accounts: an experiment runs in those that it names, or in all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from test_experiment_sets import define

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import Project, load
from tap_experiments.streams import Experiments
from tap_experiments.tap import TapExperiments


def accounts(root: Path, *names: str) -> None:
    (root / "project.yml").write_text(f"accounts: [{', '.join(names)}]\n")


def read(root: Path) -> Project:
    return load(root, PropertyFormat.LIST, locking=True)


def keys(project: Project) -> list[str]:
    return [experiment.key for experiment, _ in project.pairs]


def refused(root: Path, account: str | None = None) -> list[str]:
    with pytest.raises(DefinitionError) as error:
        read(root).of(account or "")
    return [str(fault).replace(f"{root}/", "") for fault in error.value.faults]


def test_an_account_gets_what_names_it_and_what_names_none(tmp_path: Path) -> None:
    accounts(tmp_path, "brand-a", "brand-b", "'Brand “C”'")
    define(tmp_path, "alone", "account: brand-a\n")
    define(tmp_path, "both", "account: [brand-b, 'Brand “C”']\n")
    define(tmp_path, "everywhere")
    project = read(tmp_path)
    assert keys(project) == ["alone", "both", "everywhere"]
    assert keys(project.of("brand-a")) == ["alone", "everywhere"]
    assert keys(project.of("brand-b")) == keys(project.of("Brand “C”")) == ["both", "everywhere"]


def test_where_nothing_says_whose_it_is_none_may_name_one(tmp_path: Path) -> None:
    """It would run in a wrong account."""
    accounts(tmp_path, "brand-a")
    define(tmp_path, "everywhere")
    assert keys(read(tmp_path).of("")) == ["everywhere"]
    define(tmp_path, "alone", "account: brand-a\n")
    [found] = refused(tmp_path)
    assert found == (
        "alone/experiment.yml:16: account: is given, and nothing says which account this is; set "
        "TAP_EXPERIMENTS_ACCOUNT to its name where this runs: an environment of meltano.yml for each account"
    )


def test_a_folder_without_accounts_may_be_read_for_any(tmp_path: Path) -> None:
    define(tmp_path, "everywhere")
    assert keys(read(tmp_path).of("brand-a")) == ["everywhere"]


def test_a_name_that_is_no_account_is_refused(tmp_path: Path) -> None:
    """Misspelled, it would run nowhere without a word."""
    define(tmp_path, "alone", "account: brand-a\n")
    [found] = refused(tmp_path, "brand-a")
    assert found.startswith("alone/experiment.yml:16: account: `brand-a` is no account of project.yml;")
    assert found.endswith("list the accounts in project.yml, as in `accounts: [brand-a]`")
    accounts(tmp_path, "brand-a", "brand-b")
    assert refused(tmp_path, "brnd-a") == [
        "TAP_EXPERIMENTS_ACCOUNT: is `brnd-a`, which is no account of project.yml; did you mean `brand-a`?"
    ]
    define(tmp_path, "other", "account: [brand-b, brand-bb]\n")
    [found] = refused(tmp_path, "brand-a")
    assert found.endswith("account: `brand-bb` is no account of project.yml; did you mean `brand-b`?")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("account: []", "account: is an empty list; name at least one account, or remove it"),
        ("account: ' '", "account: is blank; give a text"),
        ("account: 12", "account: `12` is read by YAML as a number, not as text; put it in quotes: '12'"),
        ("account: [a, a]", "account[1]: names `a` again; remove it"),
        ("account: {a: b}", "account: is not text; give text"),
    ],
)
def test_what_names_no_account_is_refused(tmp_path: Path, given: str, expected: str) -> None:
    accounts(tmp_path, "a")
    define(tmp_path, "alone", f"{given}\n")
    [found] = refused(tmp_path, "a")
    assert found.startswith(f"alone/experiment.yml:16: {expected}")


def test_experiments_of_different_accounts_owe_each_other_nothing(tmp_path: Path) -> None:
    """A layer, a group, a template's name: Klaviyo keeps accounts apart, and so do profiles."""
    accounts(tmp_path, "a", "b")
    layer = "layer: {name: promo, from: 0, to: 100}\ngroup: spring\n"
    define(tmp_path, "one", f"account: a\n{layer}", status="live")
    other = define(tmp_path, "two", f"account: b\n{layer}version: 2\n", status="live") / "experiment.yml"
    other.write_text(other.read_text().replace("version: 1\n", "").replace("lf_two", "lf_one"))
    assert keys(read(tmp_path).of("b")) == ["two"]
    other.write_text(other.read_text().replace("account: b\n", ""))
    found = "\n".join(refused(tmp_path, "b"))
    assert "overlaps 0 to 100 of `promo`" in found
    assert "version: is 2, but 1 in one/experiment.yml" in found
    assert "`lf_one` is the template of one/experiment.yml too" in found


def test_a_fault_of_any_account_stops_all(tmp_path: Path) -> None:
    """A folder is one set: an account that cannot be read of the file would not be known."""
    accounts(tmp_path, "a", "b")
    define(tmp_path, "one", "account: a\n")
    define(tmp_path, "two", "account: b\ntraffic: 200\n")
    [found] = refused(tmp_path, "a")
    assert found.startswith("two/experiment.yml:17: traffic")


def test_the_tap_takes_the_account_from_its_settings(tmp_path: Path) -> None:
    accounts(tmp_path, "brand-a", "brand-b")
    define(tmp_path, "alone", "account: brand-a\n")
    define(tmp_path, "everywhere")
    for account, expected in {"brand-a": ["alone", "everywhere"], "brand-b": ["everywhere"]}.items():
        tap = TapExperiments(config={"path": str(tmp_path), "account": account})
        [experiments] = [stream for stream in tap.discover_streams() if isinstance(stream, Experiments)]
        assert [row["experiment_key"] for row in experiments.rows()] == expected
    with pytest.raises(DefinitionError, match="nothing says which account this is"):
        TapExperiments(config={"path": str(tmp_path)}).discover_streams()


def test_warnings_are_of_what_runs_in_the_account(tmp_path: Path) -> None:
    accounts(tmp_path, "a", "b")
    folder = define(tmp_path, "one", "account: a\n")
    (folder / "template.html").write_text('[[ slot("hero") ]]{% unsubscribe %}{{ first_name }}')
    whole = read(tmp_path)
    assert whole.warnings
    assert whole.of("a").warnings == whole.warnings
    assert whole.of("b").warnings == ()
