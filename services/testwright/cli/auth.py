"""Verbs about credentials: make, replace and retire them."""

from pathlib import Path
from typing import Annotated

import typer

from testwright.auth import store
from testwright.auth.certificates import hosts
from testwright.auth.deployment import Deployment, FormName, users
from testwright.cli import output
from testwright.cli.options import Json, Verbose
from testwright.engines import registry
from testwright.submission import check_namespace

app = typer.Typer(
    help="Make credentials, one for each role.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the credentials.")]
Title = Annotated[str, typer.Argument(metavar="USER", help="Whose: a role, or client-NAMESPACE; see DIR/auth.json.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="NAME", help="Hold a client and an observer of their own to this namespace."),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account", metavar="NAME", help="Give this tenant streams and actors of its own, apart from others."
    ),
]
Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", "-e", metavar="NAME", help="Let generators take this engine's work; else all installed."),
]
Hosts = Annotated[
    list[str] | None, typer.Option("--host", metavar="NAME", help="Name or address of the server, for its certificate.")
]

Storage = Annotated[
    float | None,
    typer.Option(
        "--storage",
        metavar="GIB",
        min=0.0,
        help="Disk for each account, copies on other servers included; else what there is.",
    ),
]
_GIB = 1 << 30


@app.command()
def init(
    folder: Folder,
    *,
    form: Annotated[FormName, typer.Option("--form", help="How to sign in.")] = "nkeys",
    namespace: Names = None,
    account: Accounts = None,
    engine: Engines = None,
    host: Hosts = None,
    storage: Storage = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make credentials for every role, and what the server needs to know of them.

    Doing it again makes what is missing and brings what each may do up to date; nobody's credentials change by that.
    Start a server with `nats-server -c DIR/nats.conf`; one that runs reads the change when it gets SIGHUP.
    """
    for name in (*(namespace or ()), *(account or ())):
        check_namespace(name)
    wish = Deployment(
        form=form,
        engines=tuple(engine or registry.names()),
        hosts=hosts(host or ()),
        users=users(account or (), namespace or ()),
        storage=None if storage is None else round(storage * _GIB),
    )
    _show(folder, store.init(folder, wish), as_json=as_json)


@app.command()
def rotate(folder: Folder, title: Title, *, as_json: Json = False, verbose: Verbose = False) -> None:
    """Give a user a new secret; the one before is accepted too, until it is retired.

    Have the server read its configuration, restart those who use the file, then retire the old secret.
    """
    _, path = store.rotate(folder, title)
    output.document({"credentials": str(path)}) if as_json else output.say(str(path))


@app.command()
def retire(folder: Folder, title: Title, *, as_json: Json = False, verbose: Verbose = False) -> None:
    """Accept nothing but a user's newest secret, as soon as the server has read its configuration."""
    user = store.retire(folder, title).user(title)
    kept = user.keys if user else ()
    output.document({"accepted": kept}) if as_json else output.say(f"accepted: {', '.join(kept)}")


def _show(folder: Path, made: Deployment, *, as_json: bool) -> None:
    places = {user.title: str(store.place(folder, made, user)) for user in made.users}
    if as_json:
        output.document({"server": str(folder / "nats.conf"), "credentials": places})
        return
    output.show(output.table(("user", "credentials"), places.items()))
