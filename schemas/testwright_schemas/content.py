"""Content: who works on what already, as an index that submissions are looked up in.

Keys are digests that the submitter makes, see ``testwright.submitter.joining``.
"""

from testwright_schemas._base import Digest, Id, Message, Token


class ContentClaimed(Message, frozen=True, kw_only=True):
    """Task ``task_id`` works, or has worked, on this content; the last claim counts."""

    namespace: Token
    content: Digest
    task_id: Id


class TaskJoined(Message, frozen=True, kw_only=True):
    """Task ``task_id`` does no work of its own: it ends as task ``source_id`` does."""

    namespace: Token
    task_id: Id
    source_id: Id


class ModuleTaken(Message, frozen=True, kw_only=True):
    """Task ``task_id`` is about this module. With ``supersede`` older tasks about it are to end."""

    namespace: Token
    module: Digest
    task_id: Id
    supersede: bool = False


ContentMessage = ContentClaimed | TaskJoined | ModuleTaken
