"""*Authorize* in FastAPI's `/docs`, in a real Chromium, with the real Swagger UI (issue 3)."""

# no `from __future__ import annotations`: FastAPI could not read annotations that name a local variable

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

from cognito_guard import HasScope, Principal
from cognito_guard.adapters.fastapi import CognitoAuth

WAIT = 20  # seconds at most, for each step


def missing(part: str) -> Any:
    """In CI a part that is missing is an error, not a skip."""
    reason = f"this test needs {part}"
    return pytest.fail(reason) if os.environ.get("COGNITO_GUARD_CI") == "1" else pytest.skip(reason)


@pytest.fixture(scope="module")
def swagger_ui() -> Path:
    folder = Path(os.environ.get("COGNITO_GUARD_NODE_MODULES") or "node_modules") / "swagger-ui-dist"
    if not (folder / "swagger-ui-bundle.js").is_file():
        missing("npm's swagger-ui-dist; install it and name its node_modules in COGNITO_GUARD_NODE_MODULES")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that reaches loopback only."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing("Debian's chromium and chromium-driver")
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1200,1600",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(switch)
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    running.set_page_load_timeout(WAIT)
    yield running
    running.quit()


def test_authorize_signs_in_with_pkce_and_try_it_out_answers_200(
    browser: Any, swagger_ui: Path, managed_login: Any, serve_asgi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A click on Authorize leads to managed login and back; the code is exchanged with PKCE, and the token opens the route."""
    from selenium.common.exceptions import (
        ElementClickInterceptedException,
        ElementNotInteractableException,
        NoSuchWindowException,
        StaleElementReferenceException,
    )
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    auth = CognitoAuth(managed_login.pool.guard(), domain=managed_login.base, client="webclient")
    app = FastAPI(**auth.docs())
    app.mount("/swagger-ui", StaticFiles(directory=swagger_ui))
    # FastAPI's own page, but for where Swagger UI comes from
    places = {"js": "swagger-ui-bundle.js", "css": "swagger-ui.css", "favicon": "favicon-32x32.png"}
    for kind, file in places.items():
        monkeypatch.setitem(get_swagger_ui_html.__kwdefaults__, f"swagger_{kind}_url", f"/swagger-ui/{file}")

    @app.get("/orders", operation_id="orders")
    def orders(who: Annotated[Principal, auth.requires(HasScope("orders/read"))]) -> str | None:
        return f"orders of {who.username}"

    # the page redraws itself at any time: what went stale or was covered is looked up again
    fleeting = [StaleElementReferenceException, ElementNotInteractableException, ElementClickInterceptedException]

    def until(condition: Any) -> Any:
        return WebDriverWait(browser, WAIT, poll_frequency=0.05, ignored_exceptions=fleeting).until(lambda _: condition())

    def shown(css: str) -> Any:
        return next((found for found in browser.find_elements(By.CSS_SELECTOR, css) if found.is_displayed()), None)

    def click(css: str) -> None:
        def clicked() -> bool:
            found = shown(css)
            if found is None:
                return False
            with suppress(NoSuchWindowException):  # the click that signs in also closes its window
                found.click()
            return True

        until(clicked)

    def text_of(css: str) -> str:
        return str(until(lambda: (found := shown(css)) is not None and found.text))

    browser.get(f"{serve_asgi(app)}/docs")
    click("#operations-default-orders .opblock-summary-control")
    click("button.try-out__btn")
    click("button.execute")
    assert text_of(".live-responses-table .response .response-col_status").startswith("401")

    page = browser.current_window_handle
    click("button.authorize")
    click(".modal-ux button.authorize")
    until(lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(next(handle for handle in browser.window_handles if handle != page))
    click("#sign-in")
    until(lambda: browser.window_handles == [page])
    browser.switch_to.window(page)
    until(lambda: shown("button.authorize.locked"))
    click(".modal-ux button.btn-done")

    click("button.btn-clear")
    until(lambda: shown(".live-responses-table") is None)
    click("button.execute")
    assert text_of(".live-responses-table .response .response-col_status").startswith("200")
    assert "orders of jane" in text_of(".live-responses-table .response .response-col_description pre")
    (asked,), (exchanged,) = managed_login.requests, managed_login.exchanges
    assert (asked["client_id"], asked["scope"], asked["code_challenge_method"]) == ("webclient", "orders/read", "S256")
    assert asked["redirect_uri"].endswith("/docs/oauth2-redirect")
    assert len(exchanged["code_verifier"]) >= 43
