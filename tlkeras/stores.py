"""The kinds of stores that addresses lead to, and asking them persistently.

What goes wrong on the way is tried again, so often and so long and no longer;
then it is an `OSError` that says in words what the server did. What no second
try mends (no such bucket, no credentials, no package) is an `InputError`.
"""

import dataclasses
import errno
import importlib
import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tlkeras.errors import InputError, quote
from tlkeras.tables import lookup

T = TypeVar("T")

ATTEMPTS = 5  # at one request
LAST_ATTEMPT_SECONDS = 120  # after the first no other one begins
FIRST_PAUSE_SECONDS = 0.5  # before the second attempt; doubled for each
SILENCE_SECONDS = 30  # without a byte end an attempt
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_NO_CREDENTIALS = (  # begin the names of errors about them
    *("NoCredentials", "PartialCredentials", "TokenRetrieval"),
    *("DefaultCredentials", "RefreshError", "UnauthorizedSSOToken"),
)


def _http_options() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS
    )
    return {"client_kwargs": {"timeout": timeout}}


def _s3_options() -> dict[str, Any]:
    limits = {
        "connect_timeout": SILENCE_SECONDS,
        "read_timeout": SILENCE_SECONDS,
        "retries": {"total_max_attempts": 1},
    }
    return {"config_kwargs": limits}


def _gcs_options() -> dict[str, Any]:
    # It logs tracebacks of what it tries again itself.
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    return {"requests_timeout": SILENCE_SECONDS}


@dataclasses.dataclass(frozen=True)
class Store:
    """A kind of store.

    Attributes:
        package: That fsspec needs for it; "" = none.
        options: Makes what its file system is built with.
        can_write: Whether files can be written to it.
    """

    package: str = ""
    options: Callable[[], dict[str, Any]] = dict
    can_write: bool = True


_S3 = Store("s3fs", _s3_options)
_GCS = Store("gcsfs", _gcs_options)
_WEB = Store("aiohttp", _http_options, can_write=False)
# Scheme of an address -> what it leads to; `memory` lasts as long as a process.
STORES = {
    "s3": _S3,
    "s3a": _S3,
    "gs": _GCS,
    "gcs": _GCS,
    "https": _WEB,
    "http": _WEB,
    "memory": Store(),
}


def require_writable(url: str) -> None:
    """Refuses an address to which nothing can be written.

    Raises:
        InputError: If its scheme is unknown, or of a store that is only read.
    """
    if not _store_of(url).can_write:
        writable = ", ".join(
            f"{n}://" for n, s in STORES.items() if s.can_write
        )
        raise InputError(
            f"Nothing can be written to '{url}'; expected a local path or "
            f"{writable}: choose another place."
        )


def scheme_of(url: str) -> str:
    """Returns the scheme of an address in lower case; "" of a local path."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def _store_of(url: str) -> Store:
    return lookup(STORES, scheme_of(url), what="scheme of an address")


def open_store(url: str) -> tuple[Any, str]:
    """Returns the file system of an address, and the path in it.

    Raises:
        InputError: If the scheme is unknown, or its package is missing.
    """
    scheme, store = scheme_of(url), _store_of(url)
    try:
        import fsspec

        if store.package:
            importlib.import_module(store.package)
    except ImportError as error:
        raise InputError(
            f"'{url}' needs the package {error.name}, which is not installed; "
            "expected the extra for stores: pip install 'tlkeras[cloud]'."
        ) from None
    system = fsspec.filesystem(
        scheme, use_listings_cache=False, **store.options()
    )
    if store is _S3:
        system.retries = 1  # it is tried again here
        system.max_concurrency = 1  # else each read asks for the size first
    return system, system._strip_protocol(url)


def ask_store(url: str, ask: Callable[[], T]) -> T:
    """Asks a store what it holds, as often as `persist`.

    Args:
        url: Asked about.
        ask: Sends the request.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If this user may not ask.
        InputError: If the store cannot be reached.
    """
    try:
        return persist(url, ask)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise InputError(
            f"'{url}' cannot be reached ({error.strerror}); expected a store "
            "that answers: check the address and the network, and try again."
        ) from None


def persist(url: str, action: Callable[[], T]) -> T:
    """Sends a request until it succeeds, as often as is stated above.

    Args:
        url: What it is about.
        action: Sends it.

    Raises:
        OSError: If it never succeeds; FileNotFoundError if nothing is there,
            PermissionError if this user may not do it.
        InputError: If there are no credentials.
    """
    begun = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                errno.ENOENT, quote(error) or "does not exist", url
            ) from None
        except Exception as error:  # of a dozen libraries
            if _lacks_credentials(error):
                raise refuse(url, _words(error)) from None
            if isinstance(error, PermissionError) or _status(error) == 403:
                raise PermissionError(
                    errno.EACCES, f"{_words(error)}; not permitted", url
                ) from None
            if not _is_passing(error):
                raise
            is_late = time.monotonic() - begun > LAST_ATTEMPT_SECONDS
            if attempt == ATTEMPTS or is_late:
                raise OSError(
                    errno.EIO, f"{_words(error)}; tried {attempt} times", url
                ) from None
        time.sleep(_pause(attempt))
    raise AssertionError("unreachable")


def _pause(attempt: int) -> float:
    """Returns seconds; at random, so that many clients do not come at once."""
    return FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1)


def _words(error: Exception) -> str:
    status = _status(error)
    if status:
        return f"the server answered {status}"
    text = quote(getattr(error, "strerror", None) or error, limit=120)
    return f"{type(error).__name__}{f': {text}' if text else ''}"


def _status(error: Exception) -> int:
    """Returns the HTTP status that an error of any library carries; else 0."""
    for name in ("status", "code"):
        value = getattr(error, name, None)
        if str(value).isdecimal():
            return int(str(value))
    return 0


def _lacks_credentials(error: Exception) -> bool:
    name = type(error).__name__
    return _status(error) == 401 or name.startswith(_NO_CREDENTIALS)


def refuse(url: str, reason: str) -> InputError:
    """Returns the error of a user whom a store does not serve.

    Args:
        url: Asked for.
        reason: Of the store.
    """
    return InputError(
        f"'{url}' may not be used ({quote(reason)}); expected credentials that "
        "its store accepts, where its own tools look for them: see "
        "docs/remote.md."
    )


def _is_passing(error: Exception) -> bool:
    """Says whether the next attempt may succeed."""
    status = _status(error)
    if status:
        return status >= 500 or status in (408, 429)
    if isinstance(error, OSError | TimeoutError):
        return getattr(error, "errno", None) not in (errno.EINVAL, errno.ENOSPC)
    library = type(error).__module__.partition(".")[0]
    return library in ("aiohttp", "botocore", "aiobotocore", "gcsfs")
