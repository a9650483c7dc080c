"""From a file to settings: what is read, what the defaults are, and every mistake under its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard import AnyClient, ConfigurationError, InsecureHttp, JwksUrl, UserPool
from cognito_guard.gateway.rewriting import DEFAULT_IDENTITY, ClaimHeader
from cognito_guard.gateway.settings import GatewaySettings, LimitSettings, TimeoutSettings, read
from cognito_guard.gateway.settings.printing import _toml
from cognito_guard.gateway.settings.tables import IDENTITY, REPEATED, TABLES, TOP
from cognito_guard.gateway.settings.values import (
    AssertionSettings,
    ForwardAuthSettings,
    LogSettings,
    PoolSettings,
    ResourceSettings,
    RouteSettings,
    ServerSettings,
    UpstreamSettings,
)  # fmt: skip
from cognito_guard.policy import HasScope, InGroup
from cognito_guard.web import (
    EncodedSlash,
    FromCookie,
    FromHeader,
    FromQuery,
    FromSubprotocol,
    Identify,
    Preflights,
    Protect,
    ProtectedResource,
    Public,
    ReportOnly,
)  # fmt: skip

# --- what is read


def test_the_contract_of_the_design():
    """The file of DESIGN section 2 reads as it says."""
    settings = read("""
[[pool]]
id = "eu-west-1_AbC123xyz"
token_use = "access"                       # or "id", or ["access", "id"]
clients = ["3n4b5urk1ft4fl3mg5e62d9ado"]   # jwks = "keys.json" | issuer = ... | resource = ...

[server]
bind = "127.0.0.1:8080"                    # or "unix:/run/cognito-guard.sock"
admin = "127.0.0.1:9090"
trusted_proxies = []

[[upstream]]
url = "http://127.0.0.1:8000"

[identity]
X-Cognito-Subject = "sub"
X-Cognito-Groups = "cognito:groups"

[[route]]
path = "/public/*"
access = "public"

[[route]]
methods = ["DELETE"]
path = "/orders/*"
require = "scope:orders/write and (group:staff or group:admin)"
""")
    assert settings.profiles == (UserPool("eu-west-1_AbC123xyz").access_tokens(client="3n4b5urk1ft4fl3mg5e62d9ado"),)
    assert settings.server.bind == ("127.0.0.1:8080",)
    assert [upstream.url for upstream in settings.upstreams] == ["http://127.0.0.1:8000"]
    assert settings.identity == (("X-Cognito-Subject", ClaimHeader("sub")), ("X-Cognito-Groups", ClaimHeader("cognito:groups")))
    assert [each.route for each in settings.routes] == [
        Public("/public/*"),
        Protect("/orders/*", HasScope("orders/write") & (InGroup("staff") | InGroup("admin")), methods="DELETE"),
    ]


def test_the_defaults(small):
    """What is not decided by anybody: loopback listeners, bounded limits and times, the usual identity fields, nothing trusted."""
    settings = read(small)
    assert settings.server == ServerSettings(
        bind=("127.0.0.1:8080",),
        admin="127.0.0.1:9090",
        workers=1,
        trusted_proxies=(),
        tls_certificate=None,
        tls_key=None,
        drain=30,
    )
    assert settings.limits == LimitSettings(head=65536, fields=128, body=None, connections=10_000)
    assert settings.timeouts == TimeoutSettings(
        head=10, body=30, write=30, connect=5, answer=60, idle=300, total=None, keep_alive=75
    )
    [upstream] = settings.upstreams
    assert (upstream.path, upstream.host, upstream.connections, upstream.keep_alive, upstream.preserve_host) == (
        "/*",
        "",
        256,
        4,
        True,
    )
    assert dict(settings.identity) == {name: ClaimHeader(claim) for name, claim in DEFAULT_IDENTITY.items()}
    assert settings.log == LogSettings(format="json", access=True, level="info", output="stdout", query=False)
    assert (settings.realm, settings.leeway, settings.mode) == ("api", 0, "enforce")
    assert (settings.resource, settings.forward_auth, settings.assertion) == (None, None, None)
    assert (settings.credentials, settings.routes, settings.files) == ((), (), frozenset())


def test_values_hold_the_rows():
    """Every key of a table is an attribute of its value, and what is more is derived from them."""
    derived = {
        PoolSettings: {"profiles"}, ResourceSettings: {"metadata"}, RouteSettings: {"route"}, ServerSettings: set(), LimitSettings: set(),
        TimeoutSettings: set(), UpstreamSettings: set(), ForwardAuthSettings: set(), AssertionSettings: set(), LogSettings: set(),
    }  # fmt: skip
    kinds = dict(zip(
        ["pool", "resource", "route", "server", "limits", "timeouts", "upstream", "forward_auth", "assertion", "log"], derived, strict=True
    ))  # fmt: skip
    for table, kind in kinds.items():
        assert set(kind.__slots__) - derived[kind] == {row.key for row in TABLES[table]}
    top = {row.key for row in TOP} | {f"{table}s" if table in REPEATED else table for table in TABLES} | {"files"}
    assert set(GatewaySettings.__slots__) == top


def test_values_want_every_field():
    """A value is made whole or not at all."""
    with pytest.raises(TypeError, match="LimitSettings takes head, fields, body, connections"):
        LimitSettings(head=1)


@pytest.mark.parametrize(
    ("more", "profiles"),
    [
        ('token_use = ["access", "id"]', lambda pool: [pool.access_tokens(client="abc"), pool.id_tokens(client="abc")]),
        ('token_use = "id"', lambda pool: [pool.id_tokens(client="abc")]),
        (
            'resource = "https://api.example.com"',
            lambda pool: [pool.access_tokens(client="abc", resource="https://api.example.com")],
        ),
    ],
)
def test_kinds_of_tokens(more, profiles):
    """A pool gives a profile for each kind of token that it names."""
    settings = read(f'[[pool]]\nid = "eu-west-1_A"\nclients = "abc"\n{more}\n[[upstream]]\nurl = "unix:/run/app"\n')
    assert list(settings.profiles) == profiles(UserPool("eu-west-1_A"))


def test_what_weakens_is_named():
    """Every client, and keys over plain http, are taken on by a word that says so, as by the exported values."""
    settings = read("""
[[pool]]
id = "local_1"
clients = "any-client"
issuer = "insecure-http:http://cognito:9229/local_1"
jwks = "insecure-http:http://keys/jwks.json"
[[upstream]]
url = "http://app:8000"
""")
    pool = UserPool(
        "local_1", issuer=InsecureHttp("http://cognito:9229/local_1"), jwks=JwksUrl(InsecureHttp("http://keys/jwks.json"))
    )
    assert settings.profiles == (pool.access_tokens(client=AnyClient),)


def test_routes(small):
    """Each kind of access becomes its route, with hosts in one spelling."""
    settings = read(small + """
[[route]]
path = "/health"
access = "public"
methods = "GET"
host = "API.example.com."
[[route]]
path = "/*"
access = "preflights"
[[route]]
path = "/feed/*"
access = "identify"
methods = ["HEAD", "GET", "GET"]
host = ["*.example.com", "localhost"]
[[route]]
path = "/repos/*"
accepts = "encoded-slash"
authorization = "strip"
mode = "report-only"
close_at_expiry = true
""")  # fmt: skip
    assert [each.route for each in settings.routes] == [
        Public("/health", methods="GET"), Preflights("/*"), Identify("/feed/*", methods=["GET", "HEAD"]),
        Protect("/repos/*", accepts=EncodedSlash, mode=ReportOnly),
    ]  # fmt: skip
    assert [each.host for each in settings.routes] == [("api.example.com",), (), ("*.example.com", "localhost"), ()]
    assert [each.mode for each in settings.routes] == ["enforce", "enforce", "enforce", "report-only"]
    assert (settings.routes[3].authorization, settings.routes[3].close_at_expiry) == ("strip", True)


def test_sources_of_credentials(small):
    """Sources stand in the order in which they are looked at."""
    settings = read(
        small
        + '[[credential]]\ncookie = "t"\n[[credential]]\nheader = "X-Token"\n[[credential]]\nquery = "t"\n[[credential]]\nsubprotocol = true\n'
    )
    assert settings.credentials == (FromCookie("t"), FromHeader("X-Token"), FromQuery("t"), FromSubprotocol)


def test_the_resource(small):
    """The document names the first pool's issuer where the file names none."""
    settings = read(small + '[resource]\nurl = "https://api.example.com/v1"\nscopes = ["orders/read"]\n')
    assert settings.resource is not None
    assert settings.resource.metadata == ProtectedResource(
        "https://api.example.com/v1",
        authorization_servers=["https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123xyz"],
        scopes=["orders/read"],
    )


@pytest.mark.parametrize(("text", "octets"), [("4096", 4096), ('"64 KiB"', 65536), ('"1MiB"', 1048576), ('"2000 B"', 2000)])
def test_sizes(small, text, octets):
    """Sizes are octets, or numbers with a unit."""
    assert read(small + f"[limits]\nhead = {text}\n").limits.head == octets


def test_no_limit_is_a_word(small):
    """No limit is written, never meant by 0."""
    settings = read(small + '[limits]\nbody = "none"\n[timeouts]\nidle = "none"\ntotal = 7200.5\n')
    assert (settings.limits.body, settings.timeouts.idle, settings.timeouts.total) == (None, None, 7200.5)


def test_identity_switched_off(small):
    """An empty table sends nothing; a table of its own replaces the defaults."""
    assert read(small + "[identity]\n").identity == ()
    assert read("identity = {}\n" + small).identity == ()
    settings = read(
        small
        + '[identity]\nX-Groups = {claim = "cognito:groups", encoding = "json"}\nX-Sub.claim = "sub"\nX-Sub.delimiter = "|"\n'
    )
    assert settings.identity == (
        ("X-Groups", ClaimHeader("cognito:groups", encoding="json")),
        ("X-Sub", ClaimHeader("sub", delimiter="|")),
    )


def test_forward_auth_needs_no_upstream():
    """A decision service has nothing to forward to; by default it answers this machine."""
    settings = read('[[pool]]\nid = "eu-west-1_A"\nclients = "abc"\n[forward_auth]\nkinds = "nginx"\n')
    assert settings.forward_auth == ForwardAuthSettings(
        kinds=("nginx",), trusted=("127.0.0.0/8", "::1/128", "unix"), secret_file=None, grpc=None
    )


def test_networks_in_one_spelling(small):
    """An address is a network of one, and each has one spelling."""
    settings = read(small + '[server]\ntrusted_proxies = ["10.1.2.3", "2001:DB8::/32", "unix"]\n')
    assert settings.server.trusted_proxies == ("10.1.2.3/32", "2001:db8::/32", "unix")


def test_paths_start_from_the_file(small):
    """A relative path starts from the file's directory; all files that must be readable are known."""
    more = """
[server]
tls_certificate = "tls/cert.pem"
tls_key = "/run/secrets/key.pem"
[assertion]
key_file = "assertion.pem"
[log]
output = "access.log"
"""
    settings = read(f'snapshots = "keys"\n{small}{more}', base="/etc/gate/")
    assert settings.server.tls_certificate == "/etc/gate/tls/cert.pem"
    assert settings.server.tls_key == "/run/secrets/key.pem"
    assert settings.log.output == "/etc/gate/access.log"
    assert settings.snapshots == "/etc/gate/keys"
    assert settings.files == {"/etc/gate/tls/cert.pem", "/run/secrets/key.pem", "/etc/gate/assertion.pem"}
    assert read(small + more).server.tls_certificate == "tls/cert.pem"


# --- mistakes


def test_all_mistakes_at_once(mistakes):
    """Every mistake of a file is told in one go, in the order of its lines, each under its name."""
    problems = mistakes("""\
relm = "x"
[[pool]]
id = "AbC123xyz"
clients = ["no client!"]
[server]
bind = ["127.0.0.1:8080",
  "localhost"]
workers = "2"
[[upstream]]
url = "http://127.0.0.1:8000/api"
[[route]]
path = "/ok"
[[route]]
path = "/a*"
methods = ["get"]
require = '''
scope:orders/write and
nothing'''
""")
    assert [problem.partition(": ")[0] for problem in problems] == [
        f"gate.toml:{line}" for line in (1, 3, 4, 7, 8, 10, 14, 15, 16)
    ]
    assert [problem.split(": ")[1] for problem in problems] == [
        "relm", "pool[0].id", "pool[0].clients", "server.bind[1]", "server.workers", "upstream[0].url", "route[1].path", "route[1].methods",
        "route[1].require",
    ]  # fmt: skip
    assert "realm is perhaps meant" in problems[0]
    assert "line 2, character 1" in problems[-1]


def test_what_must_be_decided(mistakes):
    """There is no default for the pool, its clients and the upstream."""
    pool, upstream = mistakes("")
    assert pool.startswith("gate.toml: pool: there is none; name the user pool")
    assert upstream.startswith("gate.toml: upstream: there is none; name the application")
    clients, url = mistakes('[[pool]]\nid = "eu-west-1_A"\n[[upstream]]\npath = "/*"\n')
    assert clients.startswith("gate.toml:1: pool[0].clients: it is missing")
    assert "--client and COGNITO_GUARD_CLIENTS give it too" in clients
    assert url.startswith("gate.toml:3: upstream[0].url: it is missing")


@pytest.mark.parametrize(
    ("more", "place", "said"),
    [
        ("[sever]\n", "sever", "server is perhaps meant"),
        ("[server]\nrealm = 'x'\n", "server.realm", "it stands above the first table"),
        ("[server]\nkinds = 'nginx'\n", "server.kinds", "it stands in [forward_auth]"),
        ("[server]\nclients = ['x']\n", "server.clients", "it stands in [[pool]]"),
        ("[log]\nzzz = 1\n", "log.zzz", "here stand format, access, level"),
        ("[log]\nlevel = 'loud'\n", "log.level", 'write "debug", "info", "warning" or "error"'),
        ("[log]\nformat = 'text'\n", "log.format", 'write "json"'),
        ("[log]\nquery = 'false'\n", "log.query", "write true or false"),
        ("[[server]]\n", "server", "write a table, [server], once"),
        ("[route]\npath = '/x'\n", "route", "[[route]] with two brackets"),
        ("[server]\nworkers = true\n", "server.workers", "a whole number from 1 to 256"),
        ("[server]\nbind = 8080\n", "server.bind", "write a list"),
        ("[server]\nbind = []\n", "server.bind", "the list is empty"),
        ("[server]\nbind = 'unix:run/x'\n", "server.bind", "unix:/path"),
        ("[server]\nbind = '[::zz]:80'\n", "server.bind", "host:port"),
        ("[server]\nbind = '[1:2:3]:80'\n", "server.bind", "host:port"),
        ("[server]\nbind = 'h:65536'\n", "server.bind", "host:port"),
        ("[server]\nbind = '127.0.0.1:9090'\n", "server.admin", "stands twice"),
        ("[server]\ntls_key = 'k'\n", "server.tls_key", "it needs tls_certificate"),
        ("[server]\ntrusted_proxies = '10.0.0.1/8'\n", "server.trusted_proxies", "no bits set below its mask"),
        ("[server]\ndrain = -1\n", "server.drain", "from 0 to 3600"),
        ("[server]\ndrain = nan\n", "server.drain", "from 0 to 3600"),
        ("[limits]\nhead = '2 MiB'\n", "limits.head", "from 1 KiB to 1 MiB"),
        ("[limits]\nhead = '64 KB'\n", "limits.head", "KiB"),
        ("[limits]\nhead = 'none'\n", "limits.head", "octets"),
        ("[limits]\nbody = -1\n", "limits.body", 'or "none" for no limit'),
        ("[timeouts]\nidle = 0\n", "timeouts.idle", 'or "none" for no limit'),
        ("[timeouts]\nconnect = 'none'\n", "timeouts.connect", "write seconds"),
        ("[[route]]\npath = 'x'\n", "route[0].path", "beginning with '/'"),
        ("[[route]]\naccess = 'public'\n", "route[0].path", "it is missing"),
        ("[[route]]\npath = '/x'\naccess = 'public'\nrequire = 'person'\n", "route[0].require", "it counts for other routes"),
        ("[[route]]\npath = '/x'\naccess = 'identify'\naccepts = 'encoded-slash'\n", "route[0].accepts", "it counts for other routes"),
        ("[[route]]\npath = '/x'\naccess = 'preflights'\nmethods = 'GET'\n", "route[0].methods", "it counts for other routes"),
        ("[[route]]\npath = '/x'\naccess = 'public'\nmode = 'report-only'\n", "route[0].mode", "it counts for other routes"),
        ("[[route]]\npath = '/x'\nauthorization = 'replace'\n", "route[0].authorization_file", "it is missing"),
        ("[[route]]\npath = '/x'\nauthorization_file = 'x'\n", "route[0].authorization_file", 'authorization = "replace" only'),
        ("[[route]]\npath = '/x'\nhost = 'https://x'\n", "route[0].host", "give a host name"),
        ("[[route]]\npath = '/x'\nrequire = 1\n", "route[0].require", "write a rule as a string"),
        ("[[route]]\npath = '/x'\nmode = 'off'\n", "route[0].mode", 'write "enforce" or "report-only"'),
        ("[[credential]]\n", "credential[0]", "exactly one of cookie, header, query, subprotocol"),
        ("[[credential]]\ncookie = 'a'\nquery = 'b'\n", "credential[0]", "exactly one of"),
        ("[[credential]]\nsubprotocol = false\n", "credential[0].subprotocol", "write true"),
        ("[[credential]]\nheader = 'Authorization'\n", "credential[0].header", "looked at anyway"),
        ("[[credential]]\nheader = 'a b'\n", "credential[0].header", "header field's name"),
        ("[resource]\nscopes = ['x']\n", "resource.url", "it is missing"),
        ("[resource]\nurl = 'http://api.example.com'\n", "resource.url", "https://"),
        ("[resource]\nurl = 'https://a'\nterms = 'x'\n", "resource.terms", "https://"),
        ("[identity]\nAuthorization = 'sub'\n", "identity.Authorization", "a meaning of its own"),
        ("[identity]\nX_A = 'sub'\n", "identity.X_A", "letters, digits and '-'"),
        ("[identity]\nX-A = 'sub'\nx-a = 'email'\n", "identity.x-a", "the same name to many upstreams"),
        ("[identity]\nX-A = 1\n", "identity.X-A", "write the claim's name"),
        ("[identity]\nX-A = {encoding = 'json'}\n", "identity.X-A.claim", "it is missing"),
        ("[identity]\nX-A = {claim = 'a', delimiter = '%'}\n", "identity.X-A.delimiter", "not '%'"),
        ("[identity]\nX-A = {claim = 'a', encodng = 'json'}\n", "identity.X-A.encodng", "encoding is perhaps meant"),
        ("[assertion]\nlifetime = 60\n", "assertion.key_file", "it is missing"),
        ("[assertion]\nkey_file = 'k'\nlifetime = 3600\n", "assertion.lifetime", "from 10 to 300"),
        ("[assertion]\nkey_file = 'k'\nheader = 'X-Cognito-Email'\n", "assertion.header", "the same name"),
        ("[forward_auth]\n", "forward_auth.kinds", "name the proxies that ask"),
        ("[forward_auth]\nkinds = ['apache']\n", "forward_auth.kinds[0]", '"nginx", "traefik", "caddy" or "envoy"'),
        ("[forward_auth]\nkinds = 'nginx'\ntrusted = []\n", "forward_auth.trusted", "the list is empty"),
        ("[forward_auth]\ngrpc = '127.0.0.1:8080'\n", "forward_auth.grpc", "stands twice"),
        ("[[upstream]]\nurl = 'http://u:p@h'\n", "upstream[1].url", "without a path, user name or query"),
        ("[[upstream]]\nurl = 'http://[zz]'\n", "upstream[1].url", "http://host:port"),
        ("[[upstream]]\nurl = 'http://h:0'\n", "upstream[1].url", "http://host:port"),
        ("[[upstream]]\nurl = 'http://h'\npath = '/a*'\n", "upstream[1].path", "whole segments"),
        ("[[upstream]]\nurl = 'http://h'\npath = '/*/b/*'\n", "upstream[1].path", "whole segments"),
        ("[[upstream]]\nurl = 'http://h'\npath = '/../*'\n", "upstream[1].path", "whole segments"),
        ("[[upstream]]\nurl = 'http://h'\nca = 'x'\n", "upstream[1].ca", "https:// upstreams only"),
        ("[[upstream]]\nurl = 'https://h'\nclient_key = 'x'\n", "upstream[1].client_key", "it needs client_cert"),
        ("[[upstream]]\nurl = 'https://h'\nsni = 'ä'\n", "upstream[1].sni", "host name in ASCII"),
        ("[[upstream]]\nurl = 'http://h'\nhealth = 'x'\n", "upstream[1].health", "begins with '/'"),
        ("[[upstream]]\nurl = 'http://h'\nhost = 'a/b'\n", "upstream[1].host", "give a host name"),
        ("[[upstream]]\nurl = 'http://h'\nkeep_alive = 0\n", "upstream[1].keep_alive", "write seconds"),
    ],
)  # fmt: skip
def test_one_mistake(wrong, more, place, said):
    """Each mistake is told once, under its place, with what to write instead."""
    problem = wrong(more)
    file, found, text = problem.split(": ", 2)
    assert found == place
    assert said in text
    assert 7 <= int(file.removeprefix("gate.toml:")) <= 6 + more.count("\n") or place.startswith("server.admin")


@pytest.mark.parametrize(
    ("top", "place", "said"),
    [
        ('mode = "off"', "mode", 'write "enforce" or "report-only"'),
        ('realm = "a\\"b"', "realm", "printable ASCII"),
        ("leeway = 4000", "leeway", "from 0 to 3600"),
        ('proxy = "http://user:hunter2@proxy:3128"', "proxy", "set HTTPS_PROXY"),
        ('snapshots = ""', "snapshots", "write a string"),
        ("pool = 3", "pool", "[[pool]] with two brackets"),
        ("identity = 3", "identity", "write a table"),
        ("'a b' = 3", '"a b"', "there is no such key"),
        (f"{'x' * 99} = 3", "x" * 64 + "...", "there is no such key"),
    ],
)
def test_mistakes_at_the_top(mistakes, small, top, place, said):
    """What stands above the tables is judged likewise."""
    text = small if not top.startswith("pool") else small.partition("\n\n")[2]
    found = mistakes(f"{top}\n{text}")
    assert len(found) == 1
    assert found[0].startswith((f"gate.toml:1: {place}: ", f'gate.toml:1: "{place}": '))
    assert said in found[0]


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ('clients = ["abc", "any-client"]', "clients", "stands alone"),
        ("clients = []", "clients", "the list is empty"),
        ('clients = "abc"\njwks = "http://keys/jwks.json"', "jwks", "plain http is for loopback only"),
        ('clients = "abc"\nissuer = "http://h/p"', "issuer", "plain http is for loopback only"),
        ('clients = "abc"\nextra_issuers = ["https://a", "https://b/"]', "extra_issuers[1]", "without the final '/'"),
        ('clients = "abc"\ntoken_use = "refresh"', "token_use", 'write "access" or "id"'),
        ('clients = "abc"\ntoken_use = "id"\nresource = "https://a"', "resource", "it is about access tokens"),
        ('clients = "abc"\ntoken_use = []', "token_use", "the list is empty"),
    ],
)
def test_mistakes_of_a_pool(mistakes, line, place, said):
    """What the pool's own constructor says stands under the key that is meant."""
    [problem] = mistakes(f'[[pool]]\nid = "eu-west-1_A"\n{line}\n[[upstream]]\nurl = "http://127.0.0.1:1"\n')
    assert problem.split(": ")[1] == f"pool[0].{place}"
    assert said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = \n", "gate.toml:2: this is not TOML (line 2, column 5): "),
        ("a = 1\n[", "gate.toml:2: this is not TOML ("),
        ("a = 1\na = 2\n", "gate.toml:2: this is not TOML (line 2, column 6): Cannot overwrite a value"),
        ("x = " + "[" * 5000, "gate.toml: this is not TOML (somewhere): arrays or tables are nested too deeply"),
        ("x = " + "9" * 5000, "gate.toml: this is not TOML (somewhere): Exceeds the limit"),
        ("x = 2020-13-45", "gate.toml:1: this is not TOML (line 1, column "),
    ],
)  # fmt: skip
def test_no_toml(mistakes, text, said):
    """A syntax error is one sentence with its place, and hides what would follow from it."""
    [problem] = mistakes(text)
    assert problem.startswith(said)
    assert "\n" not in problem


def test_files_are_asked_for(mistakes, small):
    """T19: what is wrong with a file stands under the line that names it; the file itself is the caller's business."""
    asked = []

    def problem_of(path):
        asked.append(path)
        return "the file is empty" if path.endswith("key.pem") else None

    text = small + '[server]\ntls_certificate = "cert.pem"\ntls_key = "key.pem"\n'
    assert mistakes(text, base="/etc", file_problem=problem_of) == ["gate.toml:9: server.tls_key: the file is empty"]
    assert asked == ["/etc/cert.pem", "/etc/key.pem"]


def test_no_secret_in_a_mistake(mistakes, small):
    """T29: a secret in the wrong place is not repeated: neither under a key that there is not, nor as a value that does not fit."""
    secret = "hunter2hunter2"
    text = (
        f'proxy = "http://u:{secret}@p"\nrealm = ["{secret}"]\n{small}[server]\nadmin = "{secret}"\nworkers = "{secret}"\n[limits]\nbody = "{secret}"\n'
        f'[forward_auth]\nsecret = "{secret}"\nkinds = ["{secret}"]\n[assertion]\nkey_file = 3\nkey = "{secret}"\n[log]\nlevel = "{secret}"\n'
        f'[[upstream]]\nurl = "http://u:{secret}@h"\n[[route]]\npath = "/x"\nhost = "{secret}/"\nmode = "{secret}"\nauthorization = "{secret}"\n'
    )
    problems = mistakes(text)
    assert len(problems) == 14
    assert all(secret not in problem for problem in problems)
    [syntax] = mistakes(f'secret = "{secret}" "{secret}"\n')
    assert secret not in syntax


# --- any text in: settings or a family error out

_SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12).filter(lambda text: text.isprintable()),
    st.sampled_from(["/x", "none", "", "unix", "unix:/x", "10.0.0.0/8", "https://h", "a:1", "public", "id", "abc", "eu-west-1_A", "X-A"]),
)  # fmt: skip
_ANYTHING = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3))


def _tables():
    def table(name, rows):
        return st.dictionaries(st.sampled_from([row.key for row in rows]), _ANYTHING, max_size=len(rows)).map(
            lambda found: (f"[[{name}]]" if name in REPEATED else f"[{name}]", found)
        )

    tables = [table(name, IDENTITY if name == "identity" else rows) for name, rows in TABLES.items()]
    return st.lists(st.one_of(tables), max_size=6, unique_by=lambda pair: pair[0])


@given(st.dictionaries(st.sampled_from([row.key for row in TOP]), _ANYTHING, max_size=6), _tables())
def test_any_values(top, found):
    """Whatever stands under the keys, the answer is settings or mistakes, each with its line."""
    lines = [f"{key} = {_toml(value)}" for key, value in top.items()]
    for header, fields in found:
        lines += [header, *(f"{key} = {_toml(value)}" for key, value in fields.items())]
    problems: tuple[str, ...] = ()
    try:
        read("\n".join(lines), name="gate.toml")
    except ConfigurationError as refused:
        problems = refused.problems
    assert all(problem.startswith("gate.toml") for problem in problems)


@given(st.text(max_size=50))
def test_any_text(text):
    """Any text at all is settings or mistakes."""
    with pytest.raises(ConfigurationError):
        read(text)
