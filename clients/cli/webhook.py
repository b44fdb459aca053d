"""``seamwatch webhook``: keys for webhooks, a receiver for trying them, and what could not be delivered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from clients.cli.errors import show_error
from clients.cli.examples import examples
from clients.cli.live_board import alert_line
from clients.cli.running import run_until_interrupted
from clients.cli.schema_option import RENDERS, schema_option
from clients.webhook_receiver import WebhookReceiver, serve_receiver
from engines.errors import SeamwatchError
from realtime.delivery.dead_letters import DeadLetterFile
from realtime.delivery.keys import public_key, public_text, read_key, write_new_key
from realtime.delivery.outlet import Render
from realtime.delivery.resend import ResendReport
from realtime.delivery.resend import resend as resend_letters
from realtime.delivery.signature import ID_HEADER, REPLAY_WINDOW_S, TIMESTAMP_HEADER, verified
from realtime.delivery.webhook import open_webhook, webhook_url
from realtime.errors import ConfigurationError, MediaError
from realtime.server.wire import AlertMessage

_trusted_keys = click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    required=True,
    metavar="whpk_...",
    help="Whom to trust, as `seamwatch webhook key` printed it; may be given several times.",
)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(
    epilog=examples(
        "seamwatch webhook key --out key.pem",
        "seamwatch webhook listen --public-key whpk_...",
        "seamwatch serve --alerts http://127.0.0.1:8090/ --webhook-key key.pem",
    )
)
def webhook() -> None:
    """Send alerts to other programs, signed, and receive them."""


@webhook.command()
@click.option("--out", type=_FILE, help="Where to write a new private key; the file must not exist.")
@click.option("--show", type=_FILE, help="Print the public key of this private key instead.")
def key(*, out: Path | None, show: Path | None) -> None:
    """Make a key that signs webhooks, and print the public key that receivers need.

    The private key stays with the monitor, in a file that only its owner can read.
    """
    if (out is None) == (show is None):
        raise ConfigurationError("Say which key.", fix="Give either --out FILE or --show FILE.")
    private = write_new_key(out) if out is not None else read_key(show) if show is not None else None
    assert private is not None
    click.echo(public_text(private))


@webhook.command(
    epilog=examples(
        "seamwatch webhook listen --public-key whpk_...",
        "seamwatch webhook listen --public-key whpk_... --json | jq .participant",
    )
)
@_trusted_keys
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="Port to listen on."
)
@click.option("--json", "as_json", is_flag=True, help="Print alerts as they came, one JSON object a line.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also keep each request in this folder, for `seamwatch webhook verify`.",
)
def listen(*, public_keys: Sequence[str], port: int, as_json: bool, save: Path | None) -> None:
    """Receive webhooks on this machine and print each alert once; Ctrl-C ends it with exit code 0.

    Refused is what has no good signature, or was signed more than five minutes from now. What came before is
    acknowledged, and not printed again.
    """
    console = Console(highlight=False, soft_wrap=True)
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)

    def show(alert: AlertMessage, headers: Mapping[str, str], body: bytes) -> None:
        if save is not None:
            _save(save, headers, body)
        if as_json:
            click.echo(alert.model_dump_json())
        else:
            console.print(alert_line(alert))

    receiver = WebhookReceiver(
        [public_key(text) for text in public_keys],
        on_alert=show,
        on_refusal=lambda error: show_error(error.message, fix=error.fix),
    )
    run_until_interrupted(
        serve_receiver(
            receiver,
            port=port,
            ready=lambda url: click.echo(f"Waiting for webhooks on {url} (Ctrl-C ends it)", err=True),
        )
    )


@webhook.command(
    epilog=examples(
        "seamwatch webhook verify request.http --public-key whpk_... --any-age",
    )
)
@click.argument("request", type=_FILE)
@_trusted_keys
@click.option("--any-age", is_flag=True, help="Accept a request that was signed long ago.")
def verify(*, request: Path, public_keys: Sequence[str], any_age: bool) -> None:
    """Check a saved request: header lines, an empty line, and the body as it came.

    Exit code 1 if it is not what the holder of the key sent, or not at this time.
    """
    headers, body = _saved(request)
    signed = verified(
        headers,
        body,
        [public_key(text) for text in public_keys],
        now_s=time.time(),
        window_s=float("inf") if any_age else REPLAY_WINDOW_S,
    )
    age_s = time.time() - signed.timestamp_s
    click.echo(f"good: {signed.message_id}, signed {age_s:.0f} s ago, {len(body)} bytes")


@webhook.command(
    epilog=examples(
        "seamwatch webhook resend alerts.webhook-1a2b3c4d.dead-letters.jsonl --to https://host/path "
        "--webhook-key key.pem",
    )
)
@click.argument("file", type=_FILE)
@click.option("--to", "address", required=True, metavar="https://...", help="Address of the webhook.")
@click.option(
    "--webhook-key",
    multiple=True,
    required=True,
    type=_FILE,
    help="Private key that signs webhooks; several while a key is exchanged.",
)
@schema_option("the bodies")
def resend(*, file: Path, address: str, webhook_key: Sequence[Path], schema: str) -> None:
    """Send a dead-letter file again; what is taken leaves the file.

    Ids stay the same, so a receiver tells what it knows already. A monitor that runs may go on meanwhile.
    """
    keys = [read_key(path) for path in webhook_key]
    report = asyncio.run(_resend(file, address, keys, RENDERS[schema]))
    click.echo(f"delivered {report.delivered}, refused {report.refused}, not tried {report.untried}")
    if report.unreadable:
        click.echo(f"{report.unreadable} lines cannot be read and stay in the file", err=True)
    if report.fault:
        raise SeamwatchError(
            f"The receiver does not take webhooks: {report.fault}.", fix="Try again once it is back."
        )
    if report.refused:
        raise SeamwatchError(
            f"The receiver refused {report.refused} alerts.",
            fix="Ask its operator why; they stay in the file.",
        )


async def _resend(
    file: Path, address: str, keys: Sequence[Ed25519PrivateKey], render: Render
) -> ResendReport:
    with DeadLetterFile(file).taken() as letters:
        async with open_webhook(webhook_url(address), keys, render=render) as outlet:
            return await resend_letters(letters, outlet)


def _save(folder: Path, headers: Mapping[str, str], body: bytes) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = folder / f"{headers[ID_HEADER]}-{headers[TIMESTAMP_HEADER]}.http"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"{lines}\r\n".encode("latin-1") + body)


def _saved(path: Path) -> tuple[dict[str, str], bytes]:
    """Read a request: its header lines by lower-case names, and its body."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.", fix="Name a saved request.") from error
    ends = [(content.index(end), end) for end in (b"\r\n\r\n", b"\n\n") if end in content]
    if not ends:
        raise MediaError(
            f"{path} is no saved request.", fix="It must have header lines, an empty line, and the body."
        )
    at, end = min(ends)
    headers: dict[str, str] = {}
    for line in content[:at].decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if headers.setdefault(name.strip().lower(), value.strip()) != value.strip():
            raise MediaError(f"{path} has the header {name.strip()} twice.", fix="Save the request again.")
    return headers, content[at + len(end) :]
