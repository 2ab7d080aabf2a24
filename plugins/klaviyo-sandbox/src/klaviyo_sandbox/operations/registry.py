"""The decorator `operation`, and the handlers that it has registered, by the key in the endpoint table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from klaviyo_wire.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Handler

_handlers: dict[str, Handler] = {}
HANDLERS: Mapping[str, Handler] = MappingProxyType(_handlers)


@overload
def operation(handler: Handler, /) -> Handler: ...
@overload
def operation(*, revision: str) -> Callable[[Handler], Handler]: ...
def operation(
    handler: Handler | None = None, /, *, revision: str | None = None
) -> Handler | Callable[[Handler], Handler]:
    """Register a function as the handler of the operation that it is named after.

    Args:
        handler: the function.
        revision: the API revision of the operation's entry, where it is not the table's first one.

    Raises:
        LookupError: the endpoint table has no such operation, or it has a handler already.
    """

    def register(function: Handler) -> Handler:
        key = function.__name__ if revision is None else f"{function.__name__}@{revision}"
        if key not in ENDPOINTS:
            msg = f"{key} is no operation: give the function the name of an entry of klaviyo_wire.endpoints"
            raise LookupError(msg)
        if key in _handlers:
            msg = f"{key} has two handlers, the second in {function.__module__}"
            raise LookupError(msg)
        _handlers[key] = function
        return function

    return register if handler is None else register(handler)
