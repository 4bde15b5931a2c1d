"""Every error this package raises on purpose.

    MigratorError
    ├── BadInput               what the caller asked for cannot be done; nothing was written
    │   ├── BadForm            fields of a form that do not fit; it says which and why
    │   ├── ConfigError        the configuration file or an environment variable
    │   └── UnknownRun         no run of that id in the state DB
    ├── StoreError             a store said no
    │   ├── NotFound           no such object, bucket or folder
    │   │   └── PlaceGone      the bucket or folder itself; the run waits until it is back
    │   ├── AlreadyExists      a conditional write met an object
    │   ├── Protected          a lock, a hold, a lease or a retention keeps it from being replaced or deleted
    │   ├── UploadGone         an upload in parts is not known any more; worth beginning anew
    │   ├── SourceChanged      the object is not the one that was planned
    │   ├── Denied             these rights do not allow it
    │   │   └── CredentialsRefused  they are missing, expired or wrong; the run waits until they are renewed
    │   ├── NotDurable         what was written may not be on the disk; it is not called done
    │   ├── DiskFull           no room at a folder; the run waits until there is
    │   └── Unreachable        no answer, or one that is a failure of the server's; worth another try
    │       ├── OtherBytes     it got other bytes than were sent, and took none of them
    │       ├── Overtaken      another write of the same object was under way; worth another try
    │       └── Throttled      the store asks for fewer requests; worth another try, later and more slowly
    ├── StateError             the state DB cannot be used
    │   ├── StateFull          no room where it is kept; nothing is written until there is
    │   └── NewerSchema        it was written by a newer release
    ├── KeyConflict            a key= that already names another run
    ├── LeaseHeld              another run that lives writes there; nothing was started
    ├── TokenLost              another attempt owns the run now; stop before the next write
    ├── MigrationLoadError     a migration's class cannot be found or has changed
    └── RunNotCompleted        wait(check=True) met another end than `completed`

A message names the thing, says why, and says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from .options import option
from .words import sized

if TYPE_CHECKING:
    from .model import Snapshot


class MigratorError(Exception):
    """The root. Catch this to catch everything this package raises on purpose."""


class BadInput(MigratorError):
    """What the caller asked for cannot be done; nothing was written."""


class BadForm(BadInput):
    """Fields that were filled in do not fit.

    Attributes
    ----------
    fields : dict of str to str
        A sentence for each field; under ``""`` what concerns no single one.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{option(name)}: {said}" if name else said for name, said in fields.items()))
        self.fields = dict(fields)


class ConfigError(BadInput):
    """The configuration file or an environment variable cannot be used."""


class UnknownRun(BadInput):
    """No run of that id is in the state DB."""


class StoreError(MigratorError):
    """A store refused or failed. Subclasses say which.

    Attributes
    ----------
    ends : str
        What it is the end of: this ``try`` (another one may get through), this ``item``, or the ``run``, since the
        others will fare no better until somebody has seen to it.
    """

    ends: Literal["try", "item", "run"] = "item"


class NotFound(StoreError):
    """No such object, bucket or folder."""


class PlaceGone(NotFound):
    """The bucket or folder itself is not there: no object of it will fare better."""

    ends = "run"


class AlreadyExists(StoreError):
    """A conditional write met an object under that key."""


class Protected(StoreError):
    """A lock, a hold, a lease or a retention keeps an object from being replaced or deleted."""


class UploadGone(StoreError):
    """An upload in parts is not known at its server any more: nothing of it is left, and it may be begun anew."""


class SourceChanged(StoreError):
    """The source object is not the one that was planned."""


class Denied(StoreError):
    """Not allowed: these rights do not reach so far."""


class CredentialsRefused(Denied):
    """Credentials are missing, expired or wrong: nothing gets through until they are renewed."""

    ends = "run"


class NotDurable(StoreError):
    """The disk did not take what was written; nothing of it may be called done."""

    ends = "run"


class DiskFull(StoreError):
    """There is no room where something is to be written.

    Attributes
    ----------
    path : str
        Where.
    size : int
        Bytes that were to be written there at least.
    """

    ends = "run"

    def __init__(self, path: str, size: int) -> None:
        super().__init__(f"Disk full: it needs {sized(max(size, 1))} more at {path!r}.")
        self.path, self.size = path, size


class Unreachable(StoreError):
    """The store gave no answer, or one that is a failure of its own.

    Attributes
    ----------
    silent : bool
        Whether all the time that there was went by without a word.
    """

    ends = "try"

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.silent = silent


class OtherBytes(Unreachable):
    """The store got other bytes than the hash says that was sent with them: they were damaged on the way."""


class Overtaken(Unreachable):
    """Another write of the same object was under way: neither of them need be the one that stands now."""


class Throttled(Unreachable):
    """The store asks for fewer requests.

    Attributes
    ----------
    cause : str
        Its words: ``503 SlowDown``.
    after : float or None
        The seconds to wait that it asks for.
    """

    def __init__(self, message: str, cause: str = "", after: float | None = None) -> None:
        super().__init__(message)
        self.cause, self.after = cause, after


class StateError(MigratorError):
    """The state DB cannot be used."""


class StateFull(StateError):
    """There is no room where the state DB is kept."""


class NewerSchema(StateError):
    """The state DB was written by a newer release."""


class KeyConflict(MigratorError):
    """A ``key=`` already names a run with another specification."""


class LeaseHeld(MigratorError):
    """Another run that lives writes to the same place; nothing was started."""


class TokenLost(MigratorError):
    """Another attempt owns this run now; this process must not write again."""


class MigrationLoadError(MigratorError):
    """A migration's class cannot be found, or is not one."""


class RunNotCompleted(MigratorError):
    """A run ended with another status than ``completed``.

    Attributes
    ----------
    snapshot : Snapshot
        The run as it ended.
    """

    def __init__(self, message: str, snapshot: Snapshot) -> None:
        super().__init__(message)
        self.snapshot = snapshot
