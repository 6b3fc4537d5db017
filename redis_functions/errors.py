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

    #: The same command may succeed later: Redis is unreachable, full, loading, or busy.
    PASSING = "passing"
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
    #: The user's access list does not allow the command or the key.
    DENIED = "denied"
    #: The server does not know the command: too old, or without the TimeSeries module.
    NO_COMMAND = "no command"
    #: Anything else: the command is wrong, and stays so.
    OTHER = "other"


#: redis-py takes the first word off the texts of these, so their class is asked.
_CLASSES: tuple[tuple[type[RedisError], Kind], ...] = (
    (AuthenticationError, Kind.LOGIN),
    (AuthorizationError, Kind.LOGIN),
    (ReadOnlyError, Kind.NOT_PRIMARY),
    (MasterDownError, Kind.NOT_PRIMARY),
    (OutOfMemoryError, Kind.PASSING),
    (BusyLoadingError, Kind.PASSING),
    (ClusterDownError, Kind.PASSING),
    (TryAgainError, Kind.PASSING),
    (NoPermissionError, Kind.DENIED),
)
#: How texts begin: those of hiredis, which keeps the first word, and those from inside a function.
_BEGINNINGS: tuple[tuple[str, Kind], ...] = (
    ("READONLY", Kind.NOT_PRIMARY),
    ("MASTERDOWN", Kind.NOT_PRIMARY),
    ("OOM", Kind.PASSING),
    ("LOADING", Kind.PASSING),
    ("MISCONF", Kind.PASSING),
    ("CLUSTERDOWN", Kind.PASSING),
    ("BUSY", Kind.PASSING),
    ("TRYAGAIN", Kind.PASSING),
    ("NOREPLICAS", Kind.PASSING),
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
    if isinstance(error, RedisError) and not isinstance(error, ResponseError):
        return Kind.PASSING  # connecting, waiting for the reply
    text = str(error)
    for beginning, kind in _BEGINNINGS:
        if text.startswith(beginning):
            return kind
    return next((kind for phrase, kind in _PHRASES if phrase in text), Kind.OTHER)


def may_pass(error: Exception) -> bool:
    """Whether the same command may succeed later, on this connection or on a new one."""
    return kind_of(error) in (Kind.PASSING, Kind.NOT_PRIMARY, Kind.LOGIN)


_LOGIN = "Redis refuses the user or the password (`tapewatch users apply` sets both)"
#: Conditions of the server that an operator acts on, by a word of the error's text or its class.
_CONDITIONS: tuple[tuple[str, str], ...] = (
    ("LOADING", "Redis loads its data"),
    ("MISCONF", "the disk of Redis is full or fails"),
    ("OOM", "the memory of Redis is full"),
    ("READONLY", "Redis is no primary"),
    ("MASTERDOWN", "Redis has no primary"),
    ("BUSY", "Redis is busy with a script"),
    ("WRONGPASS", _LOGIN),
    ("NOAUTH", _LOGIN),
)
_CONDITION_CLASSES: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "Redis loads its data"),
    (OutOfMemoryError, "the memory of Redis is full"),
    (ReadOnlyError, "Redis is no primary"),
    (MasterDownError, "Redis has no primary"),
    (AuthenticationError, _LOGIN),
    (AuthorizationError, _LOGIN),
)


def condition_of(error: Exception) -> str:
    """The condition of the server that an error which may pass stands for, in words."""
    for its_class, condition in _CONDITION_CLASSES:
        if isinstance(error, its_class):
            return condition
    text = str(error)
    for word, condition in _CONDITIONS:
        if text.startswith(word):
            return condition
    if isinstance(error, ResponseError):
        return "Redis refuses commands"
    return "Redis is unreachable"
