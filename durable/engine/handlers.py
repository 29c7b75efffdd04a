"""Functions that answer for an orchestration: what one may be, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from durable.codec import annotation_of, decode, encode
from durable.engine.places import frames_of_ours
from durable.errors import InvalidRequestError
from durable.model.events import Payload
from durable.model.failure import ExceptionPropertiesProvider, FailureDetails
from durable.model.unicode import is_unicode

Handler = Callable[[], object] | Callable[[Any], object]
"""An ordinary function of nothing, or of the one input."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_name(name: object, what: str) -> str:
    """The name, or InvalidRequestError."""
    if not isinstance(name, str) or not name:
        raise InvalidRequestError(f"{what} has a name, a text that is not empty")
    if not is_unicode(name):
        raise InvalidRequestError(f"the name of {what} is not valid Unicode")
    return name


def checked(handler: Handler, what: str) -> Handler:
    """A handler that can be one; InvalidRequestError otherwise. `what` it is for, in words."""
    if not callable(handler):
        raise InvalidRequestError(f"{what} is answered by a function, not {handler!r:.80}")
    if inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler):
        raise InvalidRequestError(
            f"{what} is answered by an ordinary function: it runs at once, and awaits nothing"
        )
    parameters = _parameters(handler)
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    keyword = [each for each in required if each.kind is inspect.Parameter.KEYWORD_ONLY]
    if len(required) > 1 or keyword:
        raise InvalidRequestError(f"{what} is answered by a function of nothing, or of its input")
    return handler


def answer(
    handler: Handler, payload: Payload, provider: ExceptionPropertiesProvider | None
) -> tuple[str | None, FailureDetails | None]:
    """The JSON text of what the handler returns, or what it raised; an input that does not fit
    its annotation, and a value that has no JSON form, are failures too."""
    try:
        call: Callable[..., object] = handler
        value = call(*_arguments(handler, payload))
        if inspect.isawaitable(value):
            raise InvalidRequestError(
                "a handler answers at once, and this one gave an awaitable; an update whose answer "
                "takes steps is taken with wait_for_update"
            )
        result = encode(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, failure_of(error, provider)
    return result, None


def failure_of(
    error: BaseException, provider: ExceptionPropertiesProvider | None
) -> FailureDetails:
    """An error of user code, without our frames."""
    skip = frames_of_ours(error.__traceback__)
    return FailureDetails.from_exception(error, skip_frames=skip, provider=provider)


def _arguments(handler: Handler, payload: Payload) -> tuple[object, ...]:
    parameters = [each for each in _parameters(handler) if each.kind in _POSITIONAL]
    text = payload if isinstance(payload, str) else None
    if not parameters or (text is None and parameters[0].default is not inspect.Parameter.empty):
        return ()
    return (decode(text, annotation_of(handler, parameters[0].name)),)


def _parameters(handler: Handler) -> list[Any]:
    try:
        signature = inspect.signature(handler)
    except ValueError:
        # a builtin that does not say; `cart.copy` is one
        return []
    star = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in signature.parameters.values() if each.kind not in star]
