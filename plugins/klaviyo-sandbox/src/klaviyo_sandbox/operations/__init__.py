"""What each operation does: one handler, known by the key of its entry in the endpoint table.

Everything that can be declared (path, limits, scopes, paging, filters, sort, includes, fieldsets) is read from
`klaviyo_wire.endpoints`; a handler runs only after the request has passed those checks.

To add an operation: its entry there, and a function of its name in a module of this folder, under `@operation`.
Every module of this folder is loaded.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from klaviyo_sandbox.operations.registry import HANDLERS

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

OPERATIONS = HANDLERS
"""The handlers, by operation."""
