"""What settings can be meant, and that every mistake is told at once, under its key or flag."""

from __future__ import annotations

import pytest

from cognito_guard import ConfigurationError
from cognito_guard.local_pool import Client, Group, ResourceServer, Settings, User, read_settings
from cognito_guard.local_pool.judging import is_callback

FILE = """
pool = "shop_1"
host = "localhost"
port = 9300
keys = "kept"

[[user]]
name = "ada"
password = "ada-password"
groups = ["staff"]
totp = "000111"
mfa = true
attributes = { email = "ada@example.com", email_verified = false, "custom:team" = "7" }

[[user]]
name = "jane"
provider = "Google"

[[group]]
name = "staff"
role = "arn:aws:iam::123456789012:role/staff"

[[client]]
id = "web"
callbacks = ["http://localhost:3000/callback"]
sign_outs = ["http://localhost:3000/"]
rotation_grace = 10

[[client]]
id = "batch"
secret = true
grants = ["client_credentials"]
scopes = ["shop/read"]

[[resource_server]]
id = "shop"
scopes = ["read", "write"]
"""


def problems(call, *arguments, **keywords):
    with pytest.raises(ConfigurationError) as raised:
        call(*arguments, **keywords)
    return raised.value.problems


def test_a_file():
    """Every table becomes its value; what is not written is as it says itself."""
    settings, keys = read_settings(FILE)
    assert (settings.pool_id, settings.host, settings.port, keys) == ("shop_1", "localhost", 9300, "kept")
    ada, jane = settings.users
    assert (ada.username, ada.password, ada.groups, ada.totp, ada.mfa) == ("ada", "ada-password", ("staff",), "000111", True)
    assert dict(ada.attributes) == {"email": "ada@example.com", "email_verified": False, "custom:team": "7"}
    assert (jane.username, jane.password, settings.providers()) == ("Google_jane", None, ("Google",))
    web, batch = settings.clients
    assert (web.grants, web.secret, web.pkce, web.rotation_grace) == (("code", "password"), None, True, 10)
    assert settings.scopes_of(web)[-2:] == ("shop/read", "shop/write")
    assert (batch.secret, settings.scopes_of(batch)) == (True, ("shop/read",))


def test_flags_win():
    """What is given beside the file wins; users stand in the place of its own, URLs are added."""
    settings, keys = read_settings(
        FILE, host="127.0.0.1", port=0, pool="other_1", keys="elsewhere", users=[User("max")], callbacks=["myapp://in"],
        sign_outs=["myapp://out"],
    )  # fmt: skip
    assert (settings.pool_id, settings.host, settings.port, keys) == ("other_1", "127.0.0.1", 0, "elsewhere")
    assert [user.name for user in settings.users] == ["max"]
    assert settings.clients[0].callbacks == ("http://localhost:3000/callback", "myapp://in")
    assert settings.clients[0].sign_outs == ("http://localhost:3000/", "myapp://out")
    assert settings.clients[1].callbacks == ()


def test_nothing_said():
    """Without a file there are three users, one elsewhere, three clients, one API."""
    settings, keys = read_settings()
    assert [user.username for user in settings.users] == ["reader", "staff", "admin", "Google_jane"]
    assert [client.id for client in settings.clients] == ["web", "server", "machine"]
    assert [name for server in settings.resource_servers for name in server.names] == ["orders/read", "orders/write"]
    assert (settings.port, keys) == (9229, None)


def test_every_mistake_at_once():
    """Those of the file under its keys, those of flags under theirs, and those that the caller had already."""
    text = """
port = "x"
nope = 1
[[user]]
nam = "x"
[[user]]
name = "ada"
password = "short"
groups = "staff"
[[client]]
id = "web!"
callbacks = ["javascript://x/%0aalert(1)"]
[[resource_server]]
id = "o"
scopes = ["a/b"]
"""
    told = problems(read_settings, text, name="pool.toml", host="0.0.0.0", callbacks=["nope"], problems=["--x: wrong"])
    starts = (
        "--x: wrong",
        "pool.toml: nope: there is no such key; there are pool, host,",
        "pool.toml: user[0].nam: there is no such key; there are name, password,",
        "pool.toml: user[0].name: it is missing",
        "pool.toml: user[1].password: write",
        "pool.toml: user[1].groups: write",
        "pool.toml: client[0].id: write",
        "pool.toml: client[0].callbacks[0]: write",
        "pool.toml: resource_server[0].scopes[0]: write",
        "--callback[0]: write",
        "--host: this server listens on this machine only; write 127.0.0.1, localhost or ::1",
        "pool.toml: port: write",
    )
    assert len(told) == len(starts)
    for problem, start in zip(told, starts, strict=True):
        assert problem.startswith(start)
    assert not [problem for problem in told if "short" in problem or "javascript" in problem]  # no value is repeated


@pytest.mark.parametrize("text", ["a = ", "[[user]", "x = 1\nx = 2", "a = " + "[" * 3000, "a = " + "9" * 5000])
def test_what_is_no_toml(text):
    """One sentence, without the text itself."""
    [told] = problems(read_settings, text, name="pool.toml")
    assert told.startswith("pool.toml: this is not TOML: ")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("user = 1", "user: write [[user]]"),
        ("[client]", "client: write [[client]]"),
        ("keys = 1", "keys: write"),
        ('keys = ""', "keys: write"),
        ('pool = "x"', "pool: write"),
        ('pool = "../x_1"', "pool: write"),
        ("pool = 1", "pool: write"),
        ("host = 1", "host: this server"),
        ('host = ""', "host: this server"),
        ('host = "192.168.0.1"', "host: this server"),
        ("port = true", "port: write"),
        ("port = 65536", "port: write"),
        ('[[user]]\nname = "a"\n[[user]]\nname = "a"', "user[1]: its name stands twice"),
        ('[[client]]\nid = "a"\ngrants = ["password"]\nscopes = ["x/y"]', "client[0].scopes[0]: this pool has no such scope"),
        (
            '[[client]]\nid = "a"\nsecret = true\ngrants = ["client_credentials"]\nscopes = ["openid"]',
            "client[0].scopes[0]: this pool",
        ),
    ],
)
def test_single_mistakes(text, start):
    """Each under its own key."""
    [told] = problems(read_settings, text)
    assert told.startswith(start)


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (lambda: User(""), "name"),
        (lambda: User(" a"), "name"),
        (lambda: User("a\nb"), "name"),
        (lambda: User("a", "12345"), "password"),
        (lambda: User("a", 123456), "password"),
        (lambda: User("a", groups="staff"), "groups"),
        (lambda: User("a", groups=[""]), "groups[0]"),
        (lambda: User("a", provider="COGNITO"), "provider"),
        (lambda: User("a", "password", provider="Google"), "provider"),
        (lambda: User("a", provider="Google", mfa=True), "provider"),
        (lambda: User("a", totp="12345"), "totp"),
        (lambda: User("a", totp="\u0661" * 6), "totp"),
        (lambda: User("a", mfa=1), "mfa"),
        (lambda: User("a", attributes=[]), "attributes"),
        (lambda: User("a", attributes={"sub": "x"}), "attributes"),
        (lambda: User("a", attributes={"cognito:groups": "admin"}), "attributes"),
        (lambda: User("a", attributes={"custom:x": 7}), "attributes.custom:x"),
        (lambda: User("a", attributes={"email_verified": "true"}), "attributes.email_verified"),
        (lambda: Group("staff", role="staff"), "role"),
        (lambda: Group("staff", role="arn:x", precedence=-1), "precedence"),
        (lambda: ResourceServer("a b", scopes=["x"]), "id"),
        (lambda: ResourceServer("a", scopes="x"), "scopes"),
        (lambda: ResourceServer("a", scopes=["x y"]), "scopes[0]"),
        (lambda: Client("a-b", callbacks=["myapp://in"]), "id"),
        (lambda: Client("a"), "callbacks"),
        (lambda: Client("a", grants=[]), "grants"),
        (lambda: Client("a", grants=["implicit"]), "grants[0]"),
        (lambda: Client("a", grants=["client_credentials"]), "secret"),
        (lambda: Client("a", secret=True, grants=["client_credentials", "password"]), "grants"),
        (lambda: Client("a", secret="short", grants=["password"]), "secret"),
        (lambda: Client("a", secret=False, grants=["password"]), "secret"),
        (lambda: Client("a", grants=["password"], access_seconds=299), "access_seconds"),
        (lambda: Client("a", grants=["password"], id_seconds=86401), "id_seconds"),
        (lambda: Client("a", grants=["password"], refresh_seconds=True), "refresh_seconds"),
        (lambda: Client("a", grants=["password"], rotation_grace=61), "rotation_grace"),
        (lambda: Settings(users=[], clients=[]), "clients"),
        (lambda: Settings(users=["ada"], clients=[Client("a", grants=["password"])]), "users"),
    ],
)
def test_values_that_cannot_be_meant(make, start):
    """Each constructor refuses, naming its argument."""
    assert any(problem.startswith(f"{start}: ") for problem in problems(make))


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://app.example.com/callback?x=1", True),
        ("http://localhost:3000/", True),
        ("http://127.0.0.1:3000/", True),
        ("http://[::1]:3000/", True),
        ("myapp://in", True),
        ("com.example.app://in/out", True),
        ("http://app.example.com/", False),
        ("http://localhost.evil.example/", False),
        ("https://user@app.example.com/", False),
        ("https://app.example.com/#x", False),
        ("https:///callback", False),
        ("https://[x/", False),
        ("https://a:x/", False),
        ("//app.example.com/", False),
        ("javascript://localhost/%0aalert(1)", False),
        ("data://text/html,x", False),
        ("https://app.example.com/a b", False),
        ("https://app.example.com/\\", False),
        ("https://app.example.com/\n", False),
        ("https://app.example.com/é", False),
        ("https://app.example.com/<", False),
        ("HTTPS://app.example.com/", False),
        ("myapp:in", False),
        ("", False),
    ],
)
def test_callbacks(url, fits):
    """https, http on this machine, an application's own scheme; nothing that runs, hides or breaks a header."""
    assert is_callback(url) is fits


def test_nothing_secret_is_printed():
    """repr of a user, a client, and the whole pool names no password and no secret."""
    settings = read_settings(FILE).settings.filled(b"seed")
    for secret in ("ada-password", settings.clients[1].secret):
        assert secret not in repr(settings)


def test_made_up_passwords():
    """They follow the seed, differ from one another, and what was written stays."""
    settings = read_settings(FILE, users=[User("ada"), User("max"), User("eve", "eve-password")]).settings
    one, again, other = settings.filled(b"one"), settings.filled(b"one"), settings.filled(b"other")
    assert one == again
    passwords = [user.password for filled in (one, other) for user in filled.users[:2]]
    assert len(set(passwords)) == 4
    assert all(len(password) == 10 for password in passwords)
    assert one.users[2].password == "eve-password"
    assert len(one.clients[1].secret) == 32
