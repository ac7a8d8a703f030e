"""A real Chromium, and what it complains about."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

PATIENCE_MS = 60_000

IMAGES = os.environ.get("TESTWRIGHT_SCREENSHOTS")
"""Folder for the pictures of the docs (``docs/images``); without it none are written."""

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")


@dataclass
class Watched:
    """A page, and everything about it that nobody wants to see.

    Attributes:
        page: in the browser.
        complaints: errors, violations of the content security policy, and dialogs.
        requests: addresses that were asked for.
    """

    page: Page
    complaints: list[str] = field(default_factory=list[str])
    requests: list[str] = field(default_factory=list[str])

    def watch(self) -> None:
        """Take note of what happens on the page from now on."""

        def said(message: ConsoleMessage) -> None:
            # That the gateway was away for a moment is no fault of the page.
            if message.type == "error" and "ERR_" not in message.text:
                self.complaints.append(message.text)

        def asked(request: Request) -> None:
            self.requests.append(request.url)

        async def opened(dialog: Any) -> None:
            self.complaints.append(f"dialog: {dialog.message}")
            await dialog.dismiss()

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", opened)
        self.page.on("request", asked)

    async def violations(self, *rules: str) -> list[str]:
        """Return what axe finds wrong on the page as it is, by these rules or by all."""
        only = {"runOnly": list(rules)} if rules else {}
        found: Any = await Axe().run(self.page, options={"resultTypes": ["violations"], **only})
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found.response["violations"]
            for node in one["nodes"]
        ]

    async def picture(self, name: str) -> None:
        """Take a picture for the docs, if they are wanted."""
        if IMAGES:
            await self.page.screenshot(path=Path(IMAGES) / f"{name}.png")


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Run a browser for as long as the body runs."""
    async with async_playwright() as playwright:
        # The browser's own sandbox does not work for root, and here it loads nothing but our page.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, address: str, scheme: Literal["light", "dark"] = "light") -> AsyncGenerator[Watched]:
    """Open a page; at the end nothing must have gone wrong on it."""
    context = await browser.new_context(viewport={"width": 1180, "height": 700}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_MS)
    watched = Watched(await context.new_page())
    watched.watch()
    await watched.page.goto(address)
    try:
        yield watched
        assert watched.complaints == []
    finally:
        await context.close()
