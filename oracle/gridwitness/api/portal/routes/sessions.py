"""Signing in with a wallet (EIP-4361), and what a key or session opens."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request, Response

from gridwitness.api.bodies import check_is_json, read_body
from gridwitness.api.describing import problem_responses
from gridwitness.api.portal.protocols import Grant
from gridwitness.api.portal.routes.context import Context, blocking
from gridwitness.api.problems import ProblemError

_MAX_BODY_BYTES = 16 << 10
_NO_STORE = {"cache-control": "no-store"}


class NonceView(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in message must have, besides the wallet's address and the time."""

    nonce: str
    domain: str
    chain_id: int


class SignInView(msgspec.Struct, frozen=True, kw_only=True):
    """An EIP-4361 message and the wallet's signature of it (EIP-191), 0x-hex."""

    message: str
    signature: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """What the key or session opens. `account` is the household it is bound to, "" for all or none."""

    name: str
    scopes: list[str]
    account: str
    is_open_data: bool


def session_routes(context: Context, public_url: str) -> APIRouter:
    """/v1/session."""
    routes = context.router("session")
    _add_sign_in(routes, context, public_url)
    documents, access = context.documents, context.access

    @routes.get("/session", **documents.answers(SessionView, has_tag=False))
    async def session(request: Request) -> Response:
        """What your API key or session opens; no scopes without one."""
        return _shown(await access.grant_of(request), access.is_open_data)

    ended = {204: {"description": "There is no session any more"}, **problem_responses(401, 429, 503)}

    @routes.delete("/session", status_code=204, responses=ended)
    async def sign_out(request: Request) -> Response:
        """End your session, if you have one."""
        await blocking(access.keys.end_session, access.session_token(request))
        response = Response(status_code=int(HTTPStatus.NO_CONTENT), headers=_NO_STORE)
        access.end_session(response)
        return response

    return routes


def _add_sign_in(routes: APIRouter, context: Context, public_url: str) -> None:
    portal, access, documents = context.portal, context.access, context.documents

    @routes.post("/session/nonce", **documents.answers(NonceView, 403, has_tag=False, is_public=True))
    async def nonce(request: Request) -> Response:
        """A nonce for one sign-in, good for ten minutes, with the domain and chain id to put beside it."""
        access.limits.count_sign_in(request)
        domain, chain_id = _domain(request, public_url), (await blocking(portal.site)).chain_id
        view = NonceView(nonce=await blocking(access.keys.issue_nonce), domain=domain, chain_id=chain_id)
        return Response(msgspec.json.encode(view), media_type="application/json", headers=_NO_STORE)

    body = {"required": True, "content": {"application/json": {"schema": documents.reference(SignInView)}}}
    described = documents.answers(SessionView, 403, 413, 415, has_tag=False, is_public=True)

    @routes.post("/session", responses=described["responses"], openapi_extra={"requestBody": body})
    async def sign_in(request: Request) -> Response:
        """Begin a session with a signed EIP-4361 message; its cookie is not readable by scripts."""
        access.limits.count_sign_in(request)
        check_is_json(request)
        sent = _sign_in_of(await read_body(request, _MAX_BODY_BYTES))
        domain, chain_id = _domain(request, public_url), (await blocking(portal.site)).chain_id
        signature = _bytes_of(sent.signature)
        token, grant = await blocking(access.keys.sign_in, sent.message, signature, domain, chain_id)
        response = _shown(grant, access.is_open_data)
        access.begin_session(response, token)
        return response


def _shown(grant: Grant | None, is_open_data: bool) -> Response:
    grant = grant or Grant("", frozenset())
    view = SessionView(name=grant.name, scopes=sorted(grant.scopes), account=grant.account, is_open_data=is_open_data)
    return Response(msgspec.json.encode(view), media_type="application/json", headers=_NO_STORE)


def _domain(request: Request, public_url: str) -> str:
    """Domain that a wallet signs for: the site's own, never one that a client could name, or a page elsewhere could
    have wallets sign for itself and sign in here with that. Where the site does not know its own, only this machine's.

    Raises ProblemError 403.
    """
    host = request.headers.get("host", "")
    if public_url:
        return urlsplit(public_url).netloc
    try:
        name = urlsplit(f"//{host}").hostname or ""
        is_here = name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, f"wallets cannot sign in at {host[:80]!r}: this site has no public_url"
        )
    return host


def _sign_in_of(body: bytes) -> SignInView:
    try:
        return msgspec.json.decode(body, type=SignInView)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"not a message and a signature: {error}") from error


def _bytes_of(signature: str) -> bytes:
    try:
        return bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the signature is not hexadecimal") from None
