"""Profiles that templates are tried on."""

from __future__ import annotations

from typing import Any

SAMPLE_PROFILES: tuple[dict[str, Any], ...] = (
    {"first_name": "Ada", "last_name": "Byron", "email": "ada@shop.example"},
    {"first_name": "Zoë 名前 🌷", "last_name": 'O\'Neil "the" <b>&</b>', "email": "zoe@shop.example"},
    {
        "first_name": "{{ first_name }}",
        "last_name": "{% if x %}",
        "email": "%}@shop.example",
        "tags": ["}}", "{#"],
    },
    {},
)
"""What profiles hold beside their assignments: ordinary values, awkward ones, template code, nothing."""
