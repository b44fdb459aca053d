"""The WebSocket to a Janus server, with bounds, and with what its failures mean."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, NegotiationError
from websockets.typing import Subprotocol

from clients.joining.adapter import CallLostError, JoinError
from clients.joining.janus_address import JanusAddress
from clients.joining.janus_api import JanusSocket

SUBPROTOCOL = Subprotocol("janus-protocol")
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
PING_S = 20.0
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_WAITING_MESSAGES = 64
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


@asynccontextmanager
async def open_socket(address: JanusAddress) -> AsyncIterator[JanusSocket]:
    """Connect for the length of a ``with`` block. Certificates are verified.

    Raises:
        JoinError: This is no Janus server, or its certificate does not hold.
        CallLostError: It cannot be reached now.
    """
    connection = connect(
        address.websocket_url,
        subprotocols=[SUBPROTOCOL],
        compression=None,
        user_agent_header=None,
        proxy=None,
        open_timeout=OPEN_TIMEOUT_S,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        max_size=MAX_MESSAGE_BYTES,
        max_queue=MAX_WAITING_MESSAGES,
    )
    try:
        socket = await connection
    except ssl.SSLCertVerificationError as error:
        raise JoinError(
            "The certificate of the Janus server does not hold.",
            fix="Use the name that the certificate names, and a certificate that this machine trusts.",
        ) from error
    except (InvalidURI, NegotiationError, UnicodeError) as error:
        raise _no_janus() from error
    except InvalidStatus as error:
        if error.response.status_code < 500 and error.response.status_code not in PASSING:
            raise _no_janus() from error
        raise _unreachable() from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise _unreachable() from error
    async with socket:
        if socket.subprotocol != SUBPROTOCOL:
            raise _no_janus()
        yield socket


def _no_janus() -> JoinError:
    return JoinError(
        "The server does not speak the Janus API over WebSocket here.",
        fix="Check host, port and path; the port of Janus' WebSocket transport is 8188 as a rule.",
    )


def _unreachable() -> CallLostError:
    return CallLostError("No Janus server answers at this address.", fix="Check the address and the network.")
