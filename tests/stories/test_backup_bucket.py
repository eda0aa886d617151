"""A backup carried to an S3 store that nobody here wrote, which checks signatures and rights; and what is said when it does not take it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.backup import Bucket, bucket, put
from appliance.errors import Error
from tests.support.bucket import Store, missing
from tests.support.certificate import self_signed

pytestmark = [pytest.mark.stories, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(*self_signed(tmp_path_factory.mktemp("store"))) as running:
        yield running


@pytest.fixture
def key(store: Store, tmp_path: Path) -> Path:
    path = tmp_path / "s3.key"
    path.write_text(f"{store.access}\n{store.secret}\n")
    return path


def made(folder: Path, octets: int) -> tuple[Path, str]:
    path = folder / "casemate-20261126T010000Z.state.age"
    path.write_bytes(os.urandom(octets))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("octets", [70_000, 11 << 20], ids=["in one piece", "in parts"])
def test_boto3_reads_back_what_was_put(
    store: Store, key: Path, tmp_path: Path, octets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.backup.bucket.PART_OCTETS", 5 << 20)  # the smallest that S3 knows
    path, digest = made(tmp_path, octets)
    target = Bucket("localhost", store.port, "vault", "/boxes/SN-1")
    put([(path, digest)], target, key, "us-east-1", str(store.authority))
    kept = store.read(f"boxes/SN-1/{path.name}", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes() and kept["sha256"] == digest


@pytest.mark.parametrize("name", ["secret", "bucket", "authority", "nobody there"])
def test_what_is_wrong_is_told_without_the_key(
    store: Store, key: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "TRIES", 0)
    path, digest = made(tmp_path, 1000)
    port, where, authority = store.port, "vault", str(store.authority)
    if name == "secret":
        key.write_text(f"{store.access}\n{'x' * 40}\n")
    elif name == "bucket":
        where = "elsewhere"
    elif name == "authority":
        authority = ""
    else:
        port = 1
    with pytest.raises(Error) as told:
        put([(path, digest)], Bucket("localhost", port, where, ""), key, "us-east-1", authority)
    assert told.value.code == "peer_unavailable" and "may this key write" in told.value.hint
    assert store.secret not in str(told.value) and store.access not in str(told.value)
