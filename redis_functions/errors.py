"""What an error of Redis means: the one place that reads its class and its text."""

from __future__ import annotations

from enum import Enum

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)


class Kind(Enum):
    """What an error means for the command that was answered by it."""

    #: The connection failed, or the reply did not come in time.
    UNREACHABLE = "unreachable"
    LOADING = "loading"
    #: The memory of Redis is at its limit.
    FULL = "full"
    #: Redis cannot write its append-only file.
    DISK = "disk"
    #: A script runs, a cluster is in disorder, or too few replicas are there.
    BUSY = "busy"
    #: This server is no primary any more: the same command may succeed on another connection.
    NOT_PRIMARY = "not primary"
    #: The password is wrong, or one is needed: it passes once the user is there (again) with this password.
    LOGIN = "login"
    #: The series does not exist. TS.MADD answers the same for a key of another type.
    NO_SERIES = "no series"
    #: The key holds another type.
    WRONG_TYPE = "wrong type"
    #: The sample is older than the series keeps.
    TOO_OLD = "too old"
    #: What was to be created is there already.
    EXISTS = "exists"
    #: The library of functions is not loaded.
    NO_FUNCTION = "no function"
    #: It is not loaded, and this user may not load it: an administrator has to.
    NO_LIBRARY = "no library"
    #: The user's access list does not allow the command or the key.
    DENIED = "denied"
    #: The server does not know the command: too old, or without the TimeSeries module.
    NO_COMMAND = "no command"
    #: Anything else: the command is wrong, and stays so.
    OTHER = "other"


class StoreRefused(Exception):
    """This store must not be used as it is, and trying again will not help: one line with the reason and the remedy."""


class FunctionsMissing(RedisError):
    """The library of functions is not there in this version, and this user may not load it."""


#: redis-py takes the first word off the texts of these, so their class is asked.
_CLASSES: tuple[tuple[type[RedisError], Kind], ...] = (
    (FunctionsMissing, Kind.NO_LIBRARY),
    (AuthenticationError, Kind.LOGIN),
    (AuthorizationError, Kind.LOGIN),
    (ReadOnlyError, Kind.NOT_PRIMARY),
    (MasterDownError, Kind.NOT_PRIMARY),
    (OutOfMemoryError, Kind.FULL),
    (BusyLoadingError, Kind.LOADING),
    (ClusterDownError, Kind.BUSY),
    (TryAgainError, Kind.BUSY),
    (NoPermissionError, Kind.DENIED),
)
#: How texts begin: those of hiredis, which keeps the first word, and those from inside a function.
_BEGINNINGS: tuple[tuple[str, Kind], ...] = (
    ("READONLY", Kind.NOT_PRIMARY),
    ("MASTERDOWN", Kind.NOT_PRIMARY),
    ("OOM", Kind.FULL),
    ("LOADING", Kind.LOADING),
    ("MISCONF", Kind.DISK),
    ("CLUSTERDOWN", Kind.BUSY),
    ("BUSY", Kind.BUSY),
    ("TRYAGAIN", Kind.BUSY),
    ("NOREPLICAS", Kind.BUSY),
    ("WRONGPASS", Kind.LOGIN),
    ("NOAUTH", Kind.LOGIN),
    ("NOPERM", Kind.DENIED),
    ("WRONGTYPE", Kind.WRONG_TYPE),
)
#: What texts hold, wherever: the TimeSeries module prefixes its own.
_PHRASES: tuple[tuple[str, Kind], ...] = (
    ("not a TSDB key", Kind.NO_SERIES),
    ("TSDB: the key does not exist", Kind.NO_SERIES),
    ("older than retention", Kind.TOO_OLD),
    ("key already exists", Kind.EXISTS),
    ("already has a src rule", Kind.EXISTS),
    ("already has a source rule", Kind.EXISTS),
    ("Function not found", Kind.NO_FUNCTION),
    ("unknown command", Kind.NO_COMMAND),
    ("can't run this command or subcommand", Kind.DENIED),
    ("WRONGTYPE", Kind.WRONG_TYPE),
)


def kind_of(error: Exception) -> Kind:
    """The meaning of an error of redis-py (also within the reply to a pipeline) or of hiredis."""
    for its_class, kind in _CLASSES:
        if isinstance(error, its_class):
            return kind
    if isinstance(error, OSError) or (isinstance(error, RedisError) and not isinstance(error, ResponseError)):
        return Kind.UNREACHABLE  # connecting, waiting for the reply
    text = str(error)
    for beginning, kind in _BEGINNINGS:
        if text.startswith(beginning):
            return kind
    return next((kind for phrase, kind in _PHRASES if phrase in text), Kind.OTHER)


def may_pass(error: Exception) -> bool:
    """Whether the same command may succeed later, on this connection or on a new one."""
    return kind_of(error) in _PASSING


def condition_of(error: Exception) -> str:
    """An error of the server as a message that an operator can act on."""
    return _CONDITIONS.get(kind_of(error), "Redis refuses commands")


_CONDITIONS = {
    Kind.UNREACHABLE: "Redis is unreachable",
    Kind.LOADING: "Redis loads its data",
    Kind.FULL: "the memory of Redis is full",
    Kind.DISK: "the disk of Redis is full or fails",
    Kind.BUSY: "Redis is busy with a script, or its cluster is in disorder",
    Kind.NOT_PRIMARY: "Redis is no primary",
    Kind.LOGIN: "Redis refuses the user or the password (`tapewatch users apply` sets both)",
    Kind.NO_LIBRARY: "the Redis Functions of this version are missing",
}
#: What the server is in passes, what a command is wrong in does not.
_PASSING = frozenset(_CONDITIONS)
