"""Snapshot: the content-addressed source tree that a task works on, and which module of it is meant."""

from typing import Annotated

import msgspec

from testwright_schemas._base import Count, Digest, Record

# Workers open what is named so: it may lead nowhere but below the folder of the snapshot.
_BELOW = r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\\x00-\x1f]+(?!\n)$"


class Snapshot(Record, frozen=True, kw_only=True):
    """A project's files as one archive in the object store, named by its digest."""

    digest: Digest
    size: Count
    files: Count


class Target(Record, frozen=True, kw_only=True):
    """One module of a snapshot.

    Attributes:
        module: dotted import path, e.g. ``shop.pricing``.
        path: file relative to the snapshot's root, with ``/``.
        import_root: folder relative to the snapshot's root that goes on ``sys.path``; ``.`` is the root itself.
    """

    module: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=_BELOW)]
    import_root: Annotated[str, msgspec.Meta(pattern=_BELOW)] = "."
