"""Log lines as they reach stderr: their shape, their level, and that no configured secret is ever in them."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tapewatch import logs
from tapewatch.settings import Settings
from tests.support import ROOT, wait_until

SECRETS = Settings(
    api_key="key-of-the-vendor",
    token='to"ken\\of=mine',
    grafana_token="glsa_grafana",
    redis_url="redis://user:pa%2Fss@localhost:6379/0",
)


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    saved = (root.level, sys.excepthook)
    yield
    for handler in [h for h in root.handlers if isinstance(h, logs._Handler)]:
        root.removeHandler(handler)
    root.setLevel(saved[0])
    sys.excepthook = saved[1]
    logging.captureWarnings(False)


def lines(settings: Settings, *calls: tuple[str, int, str, dict[str, object]]) -> list[str]:
    out = io.StringIO()
    logs.setup(settings, out)
    for name, level, message, extra in calls:
        logging.getLogger(name).log(level, message, extra=extra)
    return out.getvalue().splitlines()


def test_a_line_for_people() -> None:
    (line,) = lines(Settings(), ("tapewatch.ingest", logging.INFO, "connected", {"feed": "a b", "lag_s": 0.25}))
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  ingest   connected feed="a b" lag_s=0.25', line)


def test_a_message_of_several_lines_stays_one_line() -> None:
    assert len(lines(Settings(), ("tapewatch.ingest", logging.WARNING, "one\ntwo\r\nthree", {}))) == 1


ODD = "hello \x1b[31mred\x9b2J \u202eback\u2028"


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_text_of_others_steers_no_terminal(log_format: str) -> None:
    settings = Settings(log_format="json" if log_format == "json" else "human")
    out = io.StringIO()
    logs.setup(settings, out)
    log = logging.getLogger("tapewatch.feed")
    log.warning("the feed sends a warning: %s", ODD, extra={"text": ODD, "more": [ODD], "numbers": {"a": ODD}})
    try:
        raise ValueError(ODD)
    except ValueError:
        log.exception("failed")
    text = out.getvalue()
    text.encode()
    assert len(text.splitlines()) == text.count("\n") == 2
    for char in "\x1b\x9b\u202e\u2028":
        assert char not in text
    if log_format == "json":
        assert json.loads(text.splitlines()[0])["message"].endswith(ODD)
    else:
        assert "hello \\x1b[31mred\\x9b2J \\u202eback\\u2028" in text


@pytest.mark.parametrize("formatter", [logs.HumanFormatter(logs.Masker(())), logs.JsonFormatter(logs.Masker(()))])
def test_half_a_character_can_be_encoded(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"name": "x", "msg": "half \ud83d"})
    assert "half \\ud83d" in formatter.format(record).encode().decode()


def test_a_kind_of_line_comes_ten_times_a_second_and_the_rest_is_counted() -> None:
    out = io.StringIO()
    logs.setup(Settings(), out)
    log = logging.getLogger("tapewatch.feed")
    for number in range(5_000):
        log.warning("odd frame %d", number)
    log.warning("another kind")
    wait_until(lambda: "4990 more lines like this one" in out.getvalue(), 5)
    lines = out.getvalue().splitlines()
    assert len(lines) == 12
    assert "WARN  feed     4990 more lines like this one were left out within a second: odd frame %d" in lines[-1]
    log.warning("odd frame %d", 1)
    assert out.getvalue().splitlines()[-1].endswith("odd frame 1")


def test_what_was_left_out_is_counted_when_the_log_is_closed() -> None:
    out = io.StringIO()
    logs.setup(Settings(), out)
    for _ in range(30):
        logging.getLogger("tapewatch.feed").info("the same")
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs._Handler))
    handler.close()
    assert "20 more lines like this one" in out.getvalue()


def test_json() -> None:
    (line,) = lines(Settings(log_format="json"), ("tapewatch.ingest", logging.WARNING, "stalled", {"seconds": 30}))
    event = json.loads(line)
    assert list(event)[:4] == ["ts", "level", "logger", "message"]
    assert event | {"ts": ""} == {
        "ts": "",
        "level": "warning",
        "logger": "tapewatch.ingest",
        "message": "stalled",
        "seconds": 30,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["ts"])


def test_level_and_noisy_libraries() -> None:
    shown = lines(
        Settings(log_level="info"),
        ("tapewatch.ingest", logging.DEBUG, "hidden", {}),
        ("websockets.client", logging.INFO, "hidden", {}),
        ("urllib3.connectionpool", logging.INFO, "hidden", {}),
        ("werkzeug", logging.INFO, "hidden", {}),
        ("websockets.client", logging.ERROR, "shown", {}),
    )
    assert [line.split()[-1] for line in shown] == ["shown"]


def test_set_up_twice_says_everything_once() -> None:
    logs.setup(Settings(), io.StringIO())
    assert len(lines(Settings(), ("tapewatch.ingest", logging.INFO, "once", {}))) == 1


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_secrets_are_masked_everywhere(log_format: str) -> None:
    settings = Settings(
        api_key=SECRETS.api_key,
        token=SECRETS.token,
        grafana_token=SECRETS.grafana_token,
        redis_url=SECRETS.redis_url,
        log_format="json" if log_format == "json" else "human",
    )
    out = io.StringIO()
    logs.setup(settings, out)
    log = logging.getLogger("tapewatch.test")
    log.info("key %s, %r, to%%22ken%%5Cof%%3Dmine", settings.api_key, settings.token, extra={"url": settings.redis_url})
    try:
        try:
            raise OSError(f"refused for {settings.token} at {settings.redis_url}")
        except OSError as error:
            raise ValueError({"key": settings.api_key, "token": settings.token}) from error
    except ValueError:
        log.exception("failed with %s", settings.grafana_token)
    text = out.getvalue()
    assert text.count("***") >= 8
    for secret in ("key-of-the-vendor", "\\of=", "to%22ken", "=mine", "glsa_grafana", "pa%2Fss", "pa/ss"):
        assert secret not in text
    if log_format == "json":
        assert [json.loads(line)["level"] for line in text.splitlines()] == ["info", "error"]


@given(st.text(min_size=logs.SHORTEST_SECRET, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_masked_text_never_holds_the_secret(secret: str, before: str, after: str) -> None:
    assume("*" not in secret)
    masked = logs.Masker([secret])(before + secret + after)
    assert logs.MASK in masked
    assert secret not in masked


def test_an_exception_is_one_line_with_its_places_and_causes() -> None:
    out = io.StringIO()
    logs.setup(Settings(), out)
    try:
        try:
            os.environ["TW_MISSING"]
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError("a\nb"), OSError("c")]) from error
    except ExceptionGroup:
        logging.getLogger("tapewatch.ingest").exception("broken")
    (line,) = out.getvalue().splitlines()
    for part in (
        "broken",
        "ExceptionGroup: both",
        "test_logs.py:",
        "ValueError: a\\nb",
        "OSError: c",
        "from KeyError: 'TW_MISSING'",
    ):
        assert part in line


def test_a_record_with_wrong_arguments_tells_without_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    logs.setup(SECRETS, out)
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs._Handler))
    handler.handle(logging.LogRecord("tapewatch.test", logging.INFO, "x.py", 1, "%d", (SECRETS.api_key,), None))
    assert out.getvalue() == "a log record of tapewatch.test could not be written: TypeError\n"
    assert capsys.readouterr().err == ""


CRASH = """
import threading
from tapewatch import logs
from tapewatch.settings import Settings
logs.setup(Settings(token="s3cret-token"))
t = threading.Thread(target=lambda: 1 / 0, name="worker")
t.start(); t.join()
raise RuntimeError("s3cret-token was refused")
"""


def test_uncaught_errors_are_logged_and_masked() -> None:
    done = subprocess.run([sys.executable, "-c", CRASH], cwd=ROOT, capture_output=True, text=True, timeout=30)
    thread, main = done.stderr.splitlines()
    assert done.returncode == 1
    assert "the thread worker was stopped by an unhandled exception ZeroDivisionError" in thread
    assert "RuntimeError: *** was refused" in main
    assert "\x1b" not in done.stderr


def test_under_the_journal_the_level_is_in_its_syntax(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    path = f"{tmp_path}/journal"
    with open(path, "w+") as out:
        stat = os.fstat(out.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        logs.setup(Settings(), out)
        logging.getLogger("tapewatch.ingest").warning("slow")
        out.seek(0)
        assert out.read() == "<4>WARN  ingest   slow\n"
