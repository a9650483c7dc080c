"""The demo's page and the explain page in Chromium, as a person uses them (issue 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

WAIT = 20  # seconds at most, for each step

# what each user is answered on each route, in the page's order
ANSWERS = {
    "reader": "200 200 200 200 403 403",
    "staff": "200 200 200 200 200 403",
    "admin": "200 200 200 200 200 200",
}
# every text on the page with the ratio of its contrast to what lies behind it (WCAG 2.2, 1.4.3)
CONTRASTS = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => parts(color).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if ((parts(color)[3] ?? 1) === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
return [...document.body.querySelectorAll("*")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.checkVisibility()
    && !element.matches("option") && !element.querySelector(":disabled"))
  .map((element) => {
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => a - b);
    return [Math.round((other + 0.05) / (one + 0.05) * 100) / 100, element.textContent.trim().slice(0, 40)];
  });
"""


class Page:
    """The demo's page in a browser that knows nobody yet."""

    def __init__(self, chromium: Any, demo: dict[str, Any]) -> None:
        self.chromium = chromium
        self.demo = demo

    def until(self, condition: Callable[[], Any]) -> Any:
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        fleeting = [NoSuchElementException, StaleElementReferenceException]
        return WebDriverWait(self.chromium, WAIT, poll_frequency=0.05, ignored_exceptions=fleeting).until(lambda _: condition())

    def one(self, css: str) -> Any:
        return self.chromium.find_element("css selector", css)

    def all(self, css: str) -> list[Any]:
        return list(self.chromium.find_elements("css selector", css))

    def open(self, path: str = "") -> Page:
        self.chromium.get(self.demo["page"] + path)
        return self.loaded()

    def loaded(self) -> Page:
        self.until(lambda: self.chromium.execute_script("return document.documentElement.dataset.ready") == "yes")
        return self

    def begin(self, name: str) -> Page:
        """To the login page."""
        self.one(f"[data-user={name}] button").click()
        self.until(lambda: self.one("#password").is_displayed())
        return self

    def finish(self, name: str) -> Page:
        """The password, and back."""
        self.one("#password").send_keys(next(user["password"] for user in self.demo["users"] if user["name"] == name))
        self.one("form button").click()
        self.until(lambda: self.chromium.current_url.startswith(self.demo["page"]))
        return self.loaded()

    def sign_in(self, name: str) -> Page:
        return self.open().begin(name).finish(name)

    def call_all(self) -> str:
        """The statuses of all routes."""
        routes = len(self.all("#routes > li"))
        self.one("#call-all").click()
        self.until(lambda: len(self.all("#routes .result")) == routes)
        return " ".join(pill.text.split()[0] for pill in self.all("#routes .result .pill"))

    def result(self, route: str) -> str:
        return str(self.one(f"[data-route='{route}'] .result").text)

    def unexpected(self) -> list[str]:
        """What the browser complained about, but for refusals, which it counts among the failures."""
        lines = [entry["message"] for entry in self.chromium.get_log("browser")]
        return [line for line in lines if not re.search(r"responded with a status of 40[013] ", line)]

    def low_contrasts(self) -> list[Any]:
        found = self.chromium.execute_script(CONTRASTS)
        assert len(found) > 40
        return [each for each in found if each[0] < 4.5]


@pytest.fixture
def page(chromium: Any, demo: dict[str, Any]) -> Iterator[Page]:
    """No cookies, light, 1400 pixels wide; nothing but refusals may have been complained about."""
    opened = Page(chromium, demo)
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.get_log("browser")
    yield opened
    assert opened.unexpected() == []
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def looks(chromium: Any, width: int, scheme: str) -> None:
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    media = {"name": "prefers-color-scheme", "value": scheme}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [media]})


@pytest.mark.parametrize("name", ANSWERS)
def test_sign_in_call_sign_out(page: Page, name: str) -> None:
    """With code and PKCE through the pool's login page; the principal as the gateway told it; every route's answer; and out again."""
    page.open()
    assert "protect nothing" in page.one("[role=note]").text
    assert page.call_all() == "200 200 401 401 401 401"
    page.begin(name)
    asked = {key: values[0] for key, values in parse_qs(urlsplit(page.chromium.current_url).query).items()}
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert min(len(asked["state"]), len(asked["nonce"])) == 43
    assert page.one("#username").get_attribute("value") == name
    page.finish(name)
    assert page.chromium.current_url == page.demo["page"]  # the code stands in no address and no history
    principal = page.one("#principal").text
    groups = next(user["groups"] for user in page.demo["users"] if user["name"] == name)
    assert page.one("#who-title").text == f"Signed in as {name}"
    for said in (name, "web", "orders/read", "orders/write", *(groups or ["none"])):
        assert said in principal
    assert page.call_all() == ANSWERS[name]
    assert f'"hello":"{name}"' in page.result("GET /hello")
    page.one("#sign-out").click()
    page.until(lambda: page.one("#people").is_displayed())
    page.loaded()
    assert page.call_all() == "200 200 401 401 401 401"


def test_why_a_request_was_refused(page: Page) -> None:
    """Status, code, what the code means, why and what to do, and the challenge; and without a token it is another code."""
    page.sign_in("reader").call_all()
    told = page.result("DELETE /orders/7")
    for said in (
        "403 Forbidden",
        "insufficient_scope",
        "lacks a scope, a group",
        'Bearer realm="demo", error="insufficient_scope"',
    ):
        assert said in told
    page.one("[data-route='DELETE /orders/7'] summary").click()
    assert len(page.result("DELETE /orders/7")) > len(told) + 80
    page.one("input[name=send][value=none]").click()
    page.one("[data-route='GET /orders'] button").click()
    page.until(lambda: "credentials_missing" in page.result("GET /orders"))
    assert 'Bearer realm="demo"' in page.result("GET /orders")


def test_scopes_that_were_not_asked_for(page: Page) -> None:
    """Staff without orders/write may not delete either, and the challenge names the scope."""
    page.open().one("input[value='orders/write']").click()
    page.begin("staff").finish("staff")
    assert "orders/write" not in page.one("#principal").text
    assert page.call_all() == "200 200 200 200 403 403"
    assert 'scope="orders/write"' in page.result("DELETE /orders/7")


def test_the_token_is_copied_and_forgotten(page: Page) -> None:
    """Copy puts it on the clipboard; a reload forgets it, since it lies in memory alone."""
    page.chromium.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"origin": page.demo["gateway"], "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page.sign_in("admin").one("#copy-token").click()
    page.until(lambda: page.one("#copy-token").text == "Copied")
    copied = page.chromium.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert re.fullmatch(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", copied)
    assert (
        page.chromium.execute_script("return JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
        == '[{},{},""]'
    )
    page.open()
    assert page.one("#people").is_displayed()


def test_bad_tokens(page: Page) -> None:
    """Every token of the catalogue that a browser can send is refused with its own code; one by one with the reason."""
    page.open()
    rows = len(page.all("[data-bad]"))
    assert rows > 150
    page.one("[data-bad=expired] button").click()
    page.until(lambda: "401 Unauthorized" in page.one("tr.told").text)
    assert 'error="invalid_token"' in page.one("tr.told").text
    page.one("#try-all").click()
    page.until(lambda: page.one("#bad-said").text == f"All {rows} were refused, each with the code that it must get.")
    page.one("#code option[value=algorithm_refused]").click()
    shown = [row for row in page.all("[data-bad]") if row.is_displayed()]
    assert 10 < len(shown) < rows
    assert {row.find_element("css selector", "td").text for row in shown} == {"algorithm_refused"}


def test_an_answer_that_nobody_asked_for(page: Page) -> None:
    """A code with a foreign state is not redeemed, and the address is cleaned (login CSRF)."""
    page.open("?code=0123456789&state=guessed")
    assert "(state)" in page.one("#failure").text
    assert page.one("#people").is_displayed()
    assert page.chromium.current_url == page.demo["page"]


def test_an_id_token_for_another_sign_in(page: Page) -> None:
    """The nonce is compared."""
    page.open().begin("reader")
    login = page.chromium.current_url
    page.chromium.get(page.demo["page"] + "demo/icon.svg")
    page.chromium.execute_script(
        "const kept = JSON.parse(sessionStorage.getItem('cognito-guard-demo'));"
        "sessionStorage.setItem('cognito-guard-demo', JSON.stringify({...kept, nonce: 'another'}))"
    )
    page.chromium.get(login)
    page.finish("reader")
    assert "(nonce, iss or aud)" in page.one("#failure").text
    assert page.one("#people").is_displayed()


def test_by_another_name(page: Page) -> None:
    """localhost serves as well as the address: the pool knows both."""
    page.chromium.get(page.demo["page"].replace("127.0.0.1", "localhost"))
    page.loaded()
    assert not page.one("#failure").is_displayed()
    page.begin("reader")
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A" in page.chromium.current_url


def test_by_keyboard(page: Page) -> None:
    """Tab reaches the first button, Enter presses it."""
    from selenium.webdriver.common.keys import Keys

    page.open()
    body = page.one("body")
    for _ in range(5):
        page.chromium.switch_to.active_element.send_keys(Keys.TAB)
        if page.chromium.switch_to.active_element != body:
            break
    focused = page.chromium.switch_to.active_element
    assert focused.get_attribute("aria-label") == "Sign in as reader"
    assert page.chromium.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused) == "solid"
    focused.send_keys(Keys.ENTER)
    page.until(lambda: page.one("#password").is_displayed())


def test_how_it_looks(page: Page) -> None:
    """Readable contrast everywhere, and nothing wider than the window, light and dark, at 360 and 1400 pixels; so the explain page."""
    page.sign_in("reader").call_all()
    page.one("[data-bad=expired] button").click()
    page.until(lambda: page.one("tr.told"))
    for details in page.all("summary"):
        details.click()
    for opened in ("demo", "explain"):
        if opened == "explain":
            explain(page, page.demo["users"][0]["id_token"])
        for scheme, ground in (("dark", "rgb(16, 19, 26)"), ("light", "rgb(244, 245, 248)")):
            for width in (360, 1400):
                looks(page.chromium, width, scheme)
                assert page.chromium.execute_script("return getComputedStyle(document.body).backgroundColor") == ground
                assert page.low_contrasts() == []
                assert page.chromium.execute_script("return document.documentElement.scrollWidth") <= width


def explain(page: Page, token: str) -> None:
    """Open the explain page by its address, paste, send."""
    page.chromium.get(page.demo["explain"])
    paste(page, token)
    page.until(lambda: page.one(".verdict").is_displayed())


def paste(page: Page, token: str) -> None:
    page.chromium.execute_script("document.getElementById('token').value = arguments[0]", token)  # typing takes seconds
    page.one("form button").click()


def test_explain(page: Page) -> None:
    """A token is pasted into the admin listener's page, and another one after it; the address stays as it was."""
    user = page.demo["users"][0]
    explain(page, user["access_token"])
    assert "The token is good." in page.one(".verdict").text
    paste(page, user["id_token"])
    page.until(lambda: "token_use_refused" in page.one(".verdict").text)
    assert page.chromium.current_url == page.demo["explain"]
    failed = page.one("li.failed").text
    assert "token use" in failed
    assert "expected access; found token_use = 'id'" in failed
    assert page.one("#token").get_attribute("value") == ""
    assert user["id_token"] not in page.chromium.page_source


def test_explain_answers_no_other_page(page: Page) -> None:
    """T52: neither a link from the demo's page nor its script gets to the admin listener."""
    page.open()
    address = page.demo["explain"]
    page.chromium.execute_script("location.assign(arguments[0])", address)
    page.until(lambda: "admin_caller_refused" in page.chromium.page_source)
    form = (
        "const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0];"
        "const field = document.createElement('input'); field.name = 'token'; field.value = 'x'; form.append(field);"
        "document.body.append(form); form.submit()"
    )
    page.chromium.get(page.demo["pool"]["url"])  # a page of the same site whose policy lets forms go anywhere
    page.chromium.execute_script(form, address)
    page.until(lambda: "admin_caller_refused" in page.chromium.page_source)
