"""Verbs about dead letters: messages that nobody could decode, or that failed too often."""

from typing import Annotated

import typer

from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright.errors import DeadLetterNotFoundError
from testwright_schemas import MessageDeadLettered

app = typer.Typer(
    help="List and resend messages that nobody could handle.", no_args_is_help=True, rich_markup_mode=None
)

Letters = Annotated[
    list[str] | None, typer.Argument(metavar="LETTER", help="Ids of dead letters; see `testwright dead list`.")
]


@app.command("list")
def list_(
    *,
    every: Annotated[bool, typer.Option("--all", help="Also those that were sent again.")] = False,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the dead letters that are still kept and were not sent again, oldest first."""
    kept = with_client(lambda client: client.dead_letters(), server, namespace)
    letters = kept if every else unsent(kept)
    if as_json:
        output.document(letters)
        return
    columns = ("letter", "subject", "consumer", "deliveries", "sent again", "reason")
    rows = [
        (one.letter_id, one.subject, one.consumer, str(one.deliveries), output.moment(one.resent_at), one.reason)
        for one in letters
    ]
    output.show(output.table(columns, rows, right=("deliveries",)))


@app.command()
def retry(
    letters: Letters = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that were not sent again.")] = False,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Put messages back where they were, for whoever handles them now."""
    if bool(letters) == every:
        raise typer.BadParameter("name the letters, or give --all")

    async def resend(client: Client) -> list[MessageDeadLettered]:
        kept = await client.dead_letters()
        chosen = unsent(kept) if every else choose(kept, letters or [])
        for letter in chosen:
            await client.resend(letter)
        return chosen

    sent = with_client(resend, server, namespace)
    if as_json:
        output.document({"resent": [letter.letter_id for letter in sent]})
        return
    for letter in sent:
        output.say(f"{letter.letter_id}  sent again on {letter.subject}")


def unsent(kept: list[MessageDeadLettered]) -> list[MessageDeadLettered]:
    """Return the letters whose messages nobody has sent again."""
    return [letter for letter in kept if letter.resent_at is None]


def choose(kept: list[MessageDeadLettered], ids: list[str]) -> list[MessageDeadLettered]:
    """Return the letters with these ids.

    Raises:
        DeadLetterNotFoundError: there is none with one of them.
    """
    known = {letter.letter_id: letter for letter in kept}
    for id_ in ids:
        if id_ not in known:
            raise DeadLetterNotFoundError(id_)
    return [known[id_] for id_ in dict.fromkeys(ids)]
