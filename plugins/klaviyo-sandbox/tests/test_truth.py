from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.simulation import truth
from klaviyo_sandbox.simulation.truth import Effect, Noise, Rates, Truth, TruthError

SPRING = """
baseline: {open: 0.3, click: 0.05, order: 0.02, order_value: 80}
noise: {machine_open: 0.5, background_order: 0.1}
effects:
  - {slot: spring.hero, arm: bold, outcome: click, multiply: 1.4}
  - {slot: spring.hero, arm: bold, outcome: unsubscribe, add: 0.001}
  - {slot: spring.cta, arm: loud, outcome: click, multiply: 2, add: -0.01}
"""


def test_a_truth_is_read_from_yaml_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "truth.yml").write_text(SPRING)
    read = truth.load(tmp_path / "truth.yml")
    (tmp_path / "truth.json").write_bytes(msgspec.json.encode(read))

    assert read.baseline.click == 0.05
    assert read.baseline.unsubscribe == Rates().unsubscribe, "what is left out has its default"
    assert truth.load(tmp_path / "truth.json") == read


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "truth.yml").write_text("# nothing yet\n")

    assert truth.load(tmp_path / "truth.yml") == Truth()


def test_effects_of_several_slots_combine() -> None:
    spring = truth.parse(msgspec.yaml.decode(SPRING))

    both = spring.rates({"spring.hero": "bold", "spring.cta": "loud"})

    assert both.click == pytest.approx(0.05 * 1.4 * 2 - 0.01)
    assert both.unsubscribe == pytest.approx(0.004 + 0.001)
    assert both.open == 0.3


@pytest.mark.parametrize("arm", ["control", "fb", "never_heard_of"])
def test_an_arm_without_effects_does_what_the_baseline_says(arm: str) -> None:
    spring = truth.parse(msgspec.yaml.decode(SPRING))

    assert spring.rates({"spring.hero": arm, "other.slot": "bold"}) == spring.baseline


def test_what_is_expected_to_be_measured_includes_orders_without_cause() -> None:
    spring = truth.parse(msgspec.yaml.decode(SPRING))

    expected = spring.expected({"spring.hero": "bold"})

    assert expected.clicked == pytest.approx(0.07)
    assert expected.ordered == pytest.approx(1 - 0.98 * 0.9)
    assert expected.revenue == pytest.approx(80 * 0.02 + 80 * 0.1)


CLICK = {"slot": "spring.hero", "arm": "bold", "outcome": "click"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "Expected `object`, got `array`"),
        ({"baselin": {}}, "unknown field `baselin`"),
        ({"baseline": {"open": 1.5}}, r"<= 1.0 - at `\$.baseline.open`"),
        ({"noise": {"late": "often"}}, r"got `str` - at `\$.noise.late`"),
        ({"effects": [CLICK | {"outcome": "clicks"}]}, r"'clicks' - at `\$.effects\[0\].outcome`"),
        ({"effects": [CLICK | {"slot": "hero"}]}, r"at `\$.effects\[0\].slot`"),
        ({"effects": [CLICK | {"arm": "fb", "multiply": 2}]}, r"effects\[0\]: `fb` shows the control's content"),
        ({"effects": [CLICK, CLICK]}, r"effects\[1\]: spring.hero.bold already has an effect on click"),
        ({"effects": [CLICK | {"multiply": 20}]}, "click becomes 1.2 where spring.hero.bold is shown"),
        ({"effects": [CLICK | {"add": -0.1}]}, "click becomes -0.04 where spring.hero.bold"),
    ],
)
def test_a_wrong_truth_says_where_it_is_wrong(document: object, message: str) -> None:
    with pytest.raises(TruthError, match=message):
        truth.parse(document)


def test_arms_that_only_together_are_impossible_are_refused() -> None:
    effects = tuple(Effect(f"spring.{slot}", "loud", "open", multiply=1.6) for slot in ("hero", "cta"))

    Truth(baseline=Rates(open=0.5), effects=effects[:1])
    with pytest.raises(TruthError, match=r"open becomes 1.28 where spring.hero.loud, spring.cta.loud"):
        Truth(baseline=Rates(open=0.5), effects=effects)


def test_an_unreadable_file_is_named_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("effects: [}")

    for path, reason in ((tmp_path / "none.yml", "No such file"), (broken, "did not find expected node")):
        with pytest.raises(TruthError) as caught:
            truth.load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


shares = st.floats(0, 1)


@given(baseline=st.builds(Rates, shares, shares, shares, shares, shares), noise=st.builds(Noise), lift=shares)
def test_lowering_a_rate_lowers_what_is_expected(baseline: Rates, noise: Noise, lift: float) -> None:
    effects = (
        Effect("a.b", "quiet", "open", multiply=lift),
        Effect("a.b", "quiet", "click", multiply=lift),
        Effect("a.b", "quiet", "order", multiply=lift),
        Effect("a.b", "quiet", "unsubscribe", multiply=lift),
    )
    quiet = Truth(baseline=baseline, noise=noise, effects=effects)

    shown, control = quiet.expected({"a.b": "quiet"}), quiet.expected({"a.b": "control"})

    for metric in ("opened", "clicked", "ordered", "revenue", "unsubscribed"):
        assert getattr(shown, metric) <= getattr(control, metric) + 1e-12
