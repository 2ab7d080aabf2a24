"""Settings choose by name or id, and a name that does not exist is told with those that do."""

from __future__ import annotations

import pytest

from tap_klaviyo_engagement.name_lookup import choose


def test_things_are_chosen_by_id_or_name() -> None:
    existing = {"L1": "News", "L2": "VIP", "L3": "VIP"}
    assert choose((), existing) == ["L1", "L2", "L3"]
    assert choose(("L1",), existing) == ["L1"]
    assert choose(("VIP",), existing) == ["L2", "L3"]
    assert choose(("VIP", "L2", "News"), existing) == ["L1", "L2", "L3"]


def test_an_unknown_name_is_told_with_what_exists() -> None:
    with pytest.raises(LookupError, match=r"'Vip', which does not exist. There are: News \(L1\), VIP \(L2\)"):
        choose(("VIP", "Vip"), {"L2": "VIP", "L1": "News"})
