from __future__ import annotations

from typing import Any

import pytest

from klaviyo_wire.accounts import owner


def test_the_owner_is_the_one_account() -> None:
    assert owner({"data": [{"type": "account", "id": "AbC123", "attributes": {}}]}) == "AbC123"


@pytest.mark.parametrize(
    "document",
    [{}, {"data": []}, {"data": [{"id": "A"}, {"id": "B"}]}, {"data": ["A"]}, {"data": [{}]}, {"data": 7}],
)
def test_anything_else_names_nobody(document: dict[str, Any]) -> None:
    assert owner(document) is None
