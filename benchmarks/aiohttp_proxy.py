"""A plain proxy of aiohttp and PyJWT, complete enough to be compared with: `aiohttp_proxy.py PORT UPSTREAM JWKS ISSUER CLIENT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jwt
from aiohttp import ClientSession, web

port, upstream, jwks, issuer, client = sys.argv[1:]
keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(Path(jwks).read_text())["keys"]}
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization"}
SESSION = web.AppKey("session", ClientSession)


def allowed(request: web.Request) -> bool:
    if request.path.startswith("/open/"):
        return True
    try:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, options={"verify_aud": False, "require": ["exp"]})
    except (jwt.PyJWTError, KeyError):
        return False
    return claims.get("client_id") == client and claims.get("token_use") == "access" and "orders/read" in claims["scope"].split()


async def proxy(request: web.Request) -> web.StreamResponse:
    if not allowed(request):
        return web.Response(status=401)
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    url = f"http://127.0.0.1:{upstream}{request.raw_path}"
    body = request.content if request.can_read_body else None
    async with request.app[SESSION].request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status, headers=kept)
        await response.prepare(request)
        async for octets in answer.content.iter_any():
            await response.write(octets)
        await response.write_eof()
        return response


async def session(app: web.Application):
    async with ClientSession(auto_decompress=False) as made:
        app[SESSION] = made
        yield


app = web.Application()
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{path:.*}", proxy)

if __name__ == "__main__":
    import logging

    import uvloop

    logging.disable()  # of clients that leave at the end of a round
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None)
