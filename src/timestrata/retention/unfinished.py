"""Files of the archive that are begun and not brought to their end, and files that are replaced: out of the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from timestrata import manifest, schema
from timestrata.archive import Archive
from timestrata.errors import ArchiveUnavailable, RetentionOvertaken
from timestrata.ingest import Context
from timestrata.tracking.rules import Transactions


@contextmanager
def abandoning(transactions: Transactions, archive: Archive, file_id: str, path: str) -> Iterator[None]:
    """Remove a file that this block began and does not bring into the manifest.

    What stops the block is raised, RetentionOvertaken for what another run took away while it was written.
    """
    try:
        yield
    except BaseException as error:
        taken = False
        with suppress(Exception):  # an archive or a database that is gone: the next run finds the file in the manifest
            # Its entry may be committed, or be about to, though nobody heard of it: then facts rest on the file.
            state = transactions.write([], partial(_give_up, file_id=file_id))
            if state != schema.KEPT:
                taken = state is None
                archive.remove(path)
                transactions.write([], partial(_forget, file_id=file_id))
        if taken and isinstance(error, ArchiveUnavailable):
            raise RetentionOvertaken(path) from error
        raise


def remove_retired(transactions: Transactions, archive: Callable[[], Archive]) -> None:
    """Remove the files that are marked so in the manifest, by whomever. Raises what archive() does."""
    for file in transactions.read(manifest.retired):
        archive().remove(file.path)
        transactions.write([], partial(_forget, file_id=file.file_id))


def _give_up(context: Context, file_id: str) -> int | None:
    return manifest.give_up(context.connection, file_id)


def _forget(context: Context, file_id: str) -> None:
    manifest.forget_file(context.connection, file_id)
