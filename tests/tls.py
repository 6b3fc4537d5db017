"""Certificates made on the spot, for a Redis of a test's own behind TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.own_redis import OwnRedis
from tests.support import free_port


def certificate(folder: Path, name: str = "localhost", names: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """(certificate, key), signed by itself; skips the test where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", made, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


class TlsRedis(OwnRedis):
    """Reached at `address` (host:port, no scheme) by TLS only; `tests` may still use its Unix socket through `client`."""

    def __init__(self, made: Path, key: Path, *options: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__(
            "--tls-port", self.address.rpartition(":")[2], "--tls-cert-file", str(made), "--tls-key-file", str(key),
            "--tls-ca-cert-file", str(made), *options,
        )  # fmt: skip
