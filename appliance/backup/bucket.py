"""Carrying a backup to a bucket that speaks S3: the bank's own object store, or a cloud's. TLS always; the library minio signs (Signature Version 4).

A name appears there when the whole of it is there (that is what S3 promises of a PUT and of a completed multipart upload); its length is
asked for afterwards, and its SHA-256 stands beside it as metadata, so that a copy can be compared without a key of this box.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import Error

HTTPS: Final = 443
PART_OCTETS: Final = 64 << 20  # 10,000 parts: 640 GB; memory is one part
CONNECT_S_MAX: Final = 30.0
ANSWER_S_MAX: Final = 300.0
TRIES: Final = 5
BUCKET: Final = re.compile(
    r"s3://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[\w.-]+)*)/?"
)


@dataclass(frozen=True)
class Bucket:
    """Where backups go. `folder` begins with a slash, or is empty."""

    host: str
    port: int
    bucket: str
    folder: str

    @property
    def place(self) -> str:
        return f"{self.host}/{self.bucket}{self.folder}"


def bucket_of(text: str) -> Bucket:
    """`s3://HOST[:PORT]/BUCKET[/FOLDER]`. Raises Error `settings_invalid`."""
    m = BUCKET.fullmatch(text)
    if m is None or ".." in m[4] or not 0 < int(m[2] or HTTPS) < 65_536:
        raise Error(
            "settings_invalid",
            "backup.target is not s3://HOST[:PORT]/BUCKET[/FOLDER]",
            "the bucket in the path; letters, digits, . _ - in the folder",
        )
    return Bucket(m[1].strip("[]"), int(m[2] or HTTPS), m[3], m[4])


def credentials(path: Path) -> tuple[str, str]:
    """Access key and secret: the two lines of a file. Raises Error `settings_invalid`; says nothing of what is in it."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        lines = []
    if len(lines) != 2:
        raise Error("settings_invalid", "backup.s3_key is not a file of two lines", "access key, then secret key")
    return lines[0], lines[1]


def put(paths: list[tuple[Path, str]], target: Bucket, key: Path, region: str, authority: str) -> None:
    """Puts files (path, SHA-256) there. `authority`: PEM of who issued the store's certificate; "" for those of the system. Raises Error `peer_unavailable`."""
    import urllib3
    from minio import Minio
    from minio.error import MinioException

    try:
        context = ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError):
        raise Error("settings_invalid", "backup.s3_authority is not a file of certificates", "PEM") from None
    access, secret = credentials(key)
    host = f"[{target.host}]" if ":" in target.host else target.host
    pool = urllib3.PoolManager(
        ssl_context=context,
        timeout=urllib3.Timeout(connect=CONNECT_S_MAX, read=ANSWER_S_MAX),
        retries=urllib3.Retry(total=TRIES, backoff_factor=1, status_forcelist=[500, 502, 503, 504]),
    )
    client = Minio(
        endpoint=f"{host}:{target.port}",
        access_key=access,
        secret_key=secret,
        region=region,
        secure=True,
        http_client=pool,
    )
    try:
        for path, digest in paths:
            name = f"{target.folder.strip('/')}/{path.name}".lstrip("/")
            client.fput_object(
                bucket_name=target.bucket,
                object_name=name,
                file_path=str(path),
                metadata={"sha256": digest},
                part_size=PART_OCTETS,
                num_parallel_uploads=1,
            )
            there = client.stat_object(bucket_name=target.bucket, object_name=name).size
            if there != path.stat().st_size:
                raise Error("peer_unavailable", f"the store has {there} octets of {path.name}", "look at the store")
    except (MinioException, urllib3.exceptions.HTTPError, ValueError) as e:
        why = getattr(e, "code", None) or type(e).__name__
        raise Error(
            "peer_unavailable",
            f"the store did not take the backup: {why}",
            "is the bucket there, may this key write to it, and who issued the store's certificate?",
        ) from None
    finally:
        pool.clear()
