"""The archive in a bucket, on a server that speaks S3."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import boto3
import duckdb
import fsspec
import pytest
from archive_store import full_row, row
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from timestrata.archive import Archive, Row, path_of, reading_query
from timestrata.errors import ArchiveDamaged, ArchiveMismatch, ArchiveUnavailable, InvalidRequest

PATH = path_of(19_849, "f1")
URL = "s3://bucket/old/facts"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of the server."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, and the environment in which programs find it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    yield server
    for one in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
        client.delete_object(Bucket="bucket", Key=one["Key"])
    client.close()
    S3FileSystem.clear_instance_cache()
    gc.collect()  # closes the sessions of what was cached


@pytest.fixture
def archive(s3: str) -> Archive:
    """A claimed archive."""
    archive = Archive(URL)
    archive.claim("store-1")
    return archive


def write(archive: Archive, rows: list[Row], path: str = PATH) -> None:
    with archive.writing(path) as writer:
        writer.add(rows)


def test_what_is_written_to_a_bucket_comes_back(archive: Archive) -> None:
    rows = [full_row(), row(2), row(3, user_id="bob")]

    with archive.writing(PATH) as writer:
        writer.add(rows)
        assert not archive.exists(PATH)
    found = Archive(URL).checksum(PATH)

    assert list(archive.read(PATH)) == rows
    assert list(archive.read(PATH, users=["bob"])) == rows[2:]
    assert (found.bytes, found.digest) == (writer.written.bytes, writer.written.digest)
    assert list(archive.paths()) == [PATH]


def test_what_another_process_writes_and_removes_is_seen_at_once(archive: Archive) -> None:
    assert (archive.exists(PATH), list(archive.paths())) == (False, [])
    client = boto3.client("s3")

    client.put_object(Bucket="bucket", Key=f"old/facts/{PATH}", Body=b"no Parquet")
    assert (archive.exists(PATH), list(archive.paths())) == (True, [PATH])
    with pytest.raises(ArchiveDamaged):
        list(archive.read(PATH))

    client.delete_object(Bucket="bucket", Key=f"old/facts/{PATH}")
    assert (archive.exists(PATH), list(archive.paths())) == (False, [])
    client.close()


def test_an_object_is_removed_once_or_twice(archive: Archive) -> None:
    write(archive, [row()])

    archive.remove(PATH)
    archive.remove(PATH)

    assert not archive.exists(PATH)
    with pytest.raises(ArchiveUnavailable, match="not found") as raised:
        list(archive.read(PATH))
    assert PATH in str(raised.value)


class Trouble(Exception):
    """Of the block that writes."""


def test_what_goes_wrong_half_way_leaves_nothing(archive: Archive) -> None:
    def write_half() -> None:
        with archive.writing(PATH) as writer:
            writer.add([{**row(), "number": number} for number in range(9000)])
            raise Trouble

    with pytest.raises(Trouble):
        write_half()

    client = boto3.client("s3")
    assert list(archive.paths()) == []
    assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")
    client.close()


def test_a_bucket_belongs_to_the_store_that_claims_it(archive: Archive) -> None:
    archive.claim("store-1")

    with pytest.raises(ArchiveMismatch):
        Archive(URL).claim("store-2")

    Archive("s3://bucket/other").claim("store-2")


def test_a_bucket_that_does_not_exist_is_told_and_not_made(s3: str) -> None:
    archive = Archive("s3://mistyped/old")

    with pytest.raises(ArchiveUnavailable, match="mistyped"):
        archive.claim("store-1")
    with pytest.raises(ArchiveUnavailable, match="mistyped"):
        write(archive, [row()])

    client = boto3.client("s3")
    assert [one["Name"] for one in client.list_buckets()["Buckets"]] == ["bucket"]
    client.close()


def test_a_server_that_does_not_answer_is_unavailable(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()

    with pytest.raises(ArchiveUnavailable, match="s3://bucket/old/facts"):
        Archive(URL).exists(PATH)


def test_the_query_reads_a_bucket(archive: Archive) -> None:
    write(archive, [row(1), row(2), row(3, user_id="bob")])
    sql = reading_query(URL, [(PATH, [])])

    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("s3"))
        [(count, month)] = connection.execute(f"SELECT count(*), any_value(month) FROM ({sql})").fetchall()

    assert (count, month) == (3, "2024-05")


def test_a_kind_of_store_whose_package_is_missing_is_named() -> None:
    with pytest.raises(InvalidRequest, match="gcsfs"):
        Archive("gs://bucket/old").exists(PATH)
