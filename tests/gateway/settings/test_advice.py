"""The route table, and what is warned of."""

from __future__ import annotations

import pytest

from cognito_guard.gateway.settings import read, route_table, warnings


def route(path, **more):
    fields = {"path": path, **more}
    return "[[route]]\n" + "".join(f"{key} = {value!r}\n" for key, value in fields.items())


@pytest.fixture
def warned(small):
    """`warned(more)`: the warnings about the smallest file and more."""
    return lambda more="": warnings(read(small + more))


def test_nothing_to_warn_of(warned):
    """Usual settings give no warning: a public path before what is protected, reading for everybody, replicas, hosts."""
    assert warned() == []
    assert warned(
        route("/health", access="public")
        + route("/public/*", access="public", methods=["GET", "HEAD"])
        + route("/feed/*", access="identify", methods=["GET"])
        + route("/orders/*", methods=["DELETE"], require="group:staff")
        + route("/orders/*", methods=["GET"], require="group:all")
        + route("/orders/*")
        + route("/*", access="preflights")
        + route("/*", require="person")
        + '[[upstream]]\nurl = "http://127.0.0.1:8001"\n[[upstream]]\nurl = "https://app:1"\nhost = "a.b"\npath = "/api/*"\n'
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        (route("/*", access="public"), "route[0]: public /* opens everything that no earlier route names"),
        (route("/*", access="public", methods=["GET"], host=["a.b"]), "route[0]: public /* opens everything that no earlier route names (for GET on a.b)"),
        (route("/admin/health", access="public") + route("/admin/*"), "route[0]: public /admin/health opens a part of what route[1] protects (/admin/*)"),
        (route("/*/x", access="public") + route("/admin/*"), "route[0]: public /*/x opens a part of what route[1] protects (/admin/*)"),
        (route("/x/*", access="identify"), "route[0]: identify lets requests without a token through, and here also methods"),
        (route("/x/*", mode="report-only"), "route[0].mode: report-only: /x/* is open while it stands"),
        (route("/a") + route("/a", access="public"), "route[1]: it is never reached: route[0] has the same pattern and comes first"),
        (route("/a/*") + route("/a", access="public"), "route[1]: it is never reached: route[0] takes every request of it first"),
        (route("/a/*", host="*.x.y") + route("/a/b", host=["c.x.y", "*.d.x.y"]), "route[1]: it is never reached: route[0] takes"),
        (route("/a", methods=["GET"]) + route("/a", methods=["POST"]) + route("/a", methods=["HEAD", "POST"]), "route[2]: it is never reached: route[0] and route[1] take"),
        (route("/*", access="preflights") + route("/a", access="preflights"), "route[1]: it is never reached: route[0]"),
        (route("/a/*") + route("/a/*", access="preflights"), "route[1]: it is never reached: route[0] has the same"),
        (route("/_cognito_guard/x"), "route[0]: it never decides: the gateway answers"),
        ('[[upstream]]\nurl = "http://127.0.0.1:1"\npath = "/_cognito_guard/*"\n', "upstream[1]: it is never reached"),
        ('[[upstream]]\nurl = "http://127.0.0.1:8000"\n', "upstream[1]: it is upstream[0] once more"),
        ('[[upstream]]\nurl = "http://app:8000"\npath = "/x/*"\n', "upstream[1].url: tokens and identity travel in the clear"),
        ('[[upstream]]\nurl = "http://[2001:db8::1]:8000"\npath = "/x/*"\n', "upstream[1].url: tokens and identity travel in the clear"),
        ('[server]\nbind = "0.0.0.0:8080"\n', "server.bind: 0.0.0.0:8080 is reached from other machines"),
        ('[server]\nbind = ":8080"\n', "server.bind: :8080 is reached from other machines"),
        ('[server]\nadmin = "[::]:9090"\n', "server.admin: [::]:9090 shows metrics"),
        ('[server]\ntrusted_proxies = "0.0.0.0/0"\n', "server.trusted_proxies: 0.0.0.0/0 is everybody"),
        ('[server]\ntrusted_proxies = "128.0.0.0/1"\n', "server.trusted_proxies: 128.0.0.0/1 is everybody"),
        ('[forward_auth]\nkinds = "nginx"\ntrusted = ["::/0"]\n', "forward_auth.trusted: ::/0 is everybody"),
        ('[forward_auth]\ngrpc = "10.0.0.1:9191"\n', "forward_auth.grpc: 10.0.0.1:9191 answers other machines"),
        ("[log]\nquery = true\n", "log.query: query strings are written"),
    ],
)  # fmt: skip
def test_a_warning(warned, more, warning):
    """Each is one sentence that begins with the setting."""
    [found] = warned(more)
    assert found.startswith(warning)


@pytest.mark.parametrize(
    "more",
    [
        route("/a", access="public") + route("/a/*"),  # /a alone is open, and meant
        route("/a/*", access="public", methods=["GET"]) + route("/a/*", methods=["POST"]),
        route("/a/*", access="public", host="x.y") + route("/a/*", host="z.y"),
        route("/a/*", access="preflights") + route("/a/*"),
        route("/a", methods=["GET"], access="public") + route("/a", methods=["HEAD"]),
        route("/a/*", access="public") + route("/a", require="person"),
        '[server]\nbind = ["127.0.0.1:1", "[::1]:1", "localhost:2", "unix:/x"]\ntrusted_proxies = ["10.0.0.0/8"]\n',
        '[server]\nbind = "0.0.0.0:1"\ntls_certificate = "c"\ntrusted_proxies = ["10.0.0.1"]\n',
        '[forward_auth]\nkinds = "nginx"\ntrusted = "0.0.0.0/0"\nsecret_file = "s"\n',
    ],
)
def test_no_warning(warned, more):
    """What only looks like it is left alone."""
    assert [warning for warning in warned(more) if "opens a part" not in warning or "/a opens" not in warning] == []


def test_forwarded_fields_of_a_whole_network(warned):
    """T6: listening on every interface while a network is believed lets its other machines say where they come from."""
    bind, trust = warned('[server]\nbind = "0.0.0.0:80"\ntrusted_proxies = ["10.0.0.0/8", "127.0.0.0/8", "unix"]\n')
    assert bind.startswith("server.bind: 0.0.0.0:80")
    assert trust.startswith("server.trusted_proxies: every machine in 10.0.0.0/8 can reach 0.0.0.0:80 past the proxy")


def test_what_weakens_a_pool():
    """What was taken on by name is said again."""
    found = warnings(read("""
mode = "report-only"
[[pool]]
id = "local_1"
clients = "any-client"
issuer = "insecure-http:http://h/p"
extra_issuers = "insecure-http:http://h/q"
jwks = "insecure-http:http://h/k"
[[upstream]]
url = "http://127.0.0.1:1"
"""))  # fmt: skip
    assert [warning.partition(": ")[0] for warning in found] == [
        "mode", "pool[0].clients", "pool[0].jwks", "pool[0].issuer", "pool[0].extra_issuers",
    ]  # fmt: skip


def test_a_route_that_no_upstream_serves():
    """A route for paths or hosts that lead nowhere is a mistake in one of the two."""
    text = (
        '[[pool]]\nid = "eu-west-1_A"\nclients = "a"\n[[upstream]]\nurl = "http://127.0.0.1:1"\npath = "/api/*"\nhost = "a.b"\n'
    )
    found = warnings(read(text + route("/orders/*") + route("/api") + route("/api/x", host="c.b") + route("/*", host="*.b")))
    assert found == [f"route[{at}]: no upstream serves its path and host" for at in (0, 2)]


def test_the_table(small):
    """Every route with what it demands, in the order in which they are tried, then what no route names, then the upstreams."""
    table = route_table(
        read(
            small
            + route("/public/*", access="public")
            + route("/feed", access="identify", methods=["GET"], host=["a.b", "*.c"])
            + route("/*", access="preflights")
            + route("/orders/*", methods=["DELETE"], require="scope:orders/write and\n  group:staff", accepts="encoded-slash", authorization="strip")
            .replace("\\n", "\\n").replace("'scope", '"scope').replace("staff'", 'staff"')
            + route("/ws", mode="report-only") + "close_at_expiry = true\n"
            + '[forward_auth]\nkinds = ["nginx"]\ngrpc = "127.0.0.1:9191"\n'
        )
    )  # fmt: skip
    assert table == """\
route  host      methods  path       demands
0      any       any      /public/*  nothing: public
1      a.b, *.c  GET      /feed      a good token, or none: identify
2      any       OPTIONS  /*         nothing of CORS preflights
3      any       DELETE   /orders/*  a token, and scope:orders/write and group:staff [encoded-slash] [Authorization: strip]
4      any       any      /ws        a token [report-only] [closes at expiry]
-      any       any      /*         a token (what no route names)

upstream  host  path  url
0         any   /*    http://127.0.0.1:8000

Decisions for nginx; gRPC ext_authz on 127.0.0.1:9191.
"""  # fmt: skip


def test_the_table_in_report_only_mode(small):
    """Who reads the table sees that nothing is enforced."""
    table = route_table(read('mode = "report-only"\n' + small))
    assert "a token (what no route names) [report-only]" in table
