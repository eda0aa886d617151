"""`python -m tests.probe.scanning --scanners FOLDER`: wapiti and sqlmap, which nobody here wrote, go over a real signed-in console. Exits with 1 for a find.

The console runs under gunicorn with a real audit log and a store of messages; the engine and the HSM are played. Sessions are kept alive by the scan itself.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.access import Access
from appliance.clock import now_ms
from appliance.settings import parse
from tests.support.box import Box, fill

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "four unrelated words here"
RUN = """
from pathlib import Path
from appliance.console import main
from appliance.settings import parse
main(parse({{"console": {{"listen": "{listen}", "second_factor": False, "prove_minutes": 480, "idle_minutes": 480}}, "link": {links}}}, Path("{home}"), "scan"))
"""
LINKS = [{"name": "simulated", "host": "127.0.0.1", "port": 2775}]
#: Attacks of wapiti that a page can answer to; those that need a second host of ours, or try passwords, are left out.
MODULES = "csp,http_headers,cookieflags,csrf,redirect,crlf,sql,xss,file,exec,ldap,permanentxss,xxe,upload,methods,htaccess,timesql,backup"
#: Finds of wapiti that are no faults, with the reason.
EXPECTED = {
    "Secure Flag cookie": "the console is in clear text on loopback here; with TLS cookies are Secure and bound to the host (test_guard.py)",
    "HTTP Secure Headers": "Strict-Transport-Security is sent with TLS only",
}
#: Pages with parameters of their own, for sqlmap.
ASKED = (
    *("/messages?status=failed&class=otp&link=simulated&from=2026-11-22&to=2026-11-23&cursor=a", "/audit?what=console.login&who=a&on=b&outcome=ok&since=2026-11-22&before=3"),
    *("/usage?first=2026-11-01&last=2026-11-22&by=link", "/routes?prefix=39", "/settings?words=a", "/templates?after=a", "/webhooks?host=a&before=1", "/inbound?cursor=a", "/in-doubt?cursor=a"),
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.contextmanager
def console(home: Path) -> Iterator[tuple[str, str]]:
    """Address and the cookie of a signed-in administrator."""
    settings = parse({"link": LINKS}, home, "scan")
    access = Access(settings)
    anna = access.create_user("anna", PASSWORD)
    access.create_user("vera", PASSWORD, "viewer")
    fill(settings.store, number="+393471234567")
    cookie = access.start_session(anna, now_ms())
    listen = f"127.0.0.1:{free_port()}"
    with Box(settings):
        process = subprocess.Popen([sys.executable, "-c", RUN.format(listen=listen, links=LINKS, home=home)], cwd=ROOT)
        try:
            until = time.monotonic() + 90
            while time.monotonic() < until and process.poll() is None:
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{listen}/readyz", timeout=10):
                    break
                signal.sigtimedwait([], 0.1)
            yield f"http://{listen}", f"casemate-session={cookie}"
            if access.session(cookie, now_ms()) is None:
                print("the session ended during the scan: what came after was not looked at", file=sys.stderr)
        finally:
            process.terminate()
            process.wait(60)


def wapiti(
    scanners: Path, url: str, cookie: str, folder: Path, seconds: int, attacks: str = MODULES, links: int = 60
) -> list[str]:
    """Finds as lines. At most a quarter of the time for one attack. Crawled once; then a run for each attack, which goes on with the crawl of the one before: one that is cut off takes no other's report with it."""
    lines: set[str] = set()
    until, ended = time.monotonic() + seconds, []
    for module in attacks.split(","):
        out = folder / f"wapiti-{module}.json"
        command = [
            str(scanners / "wapiti"),
            "-u",
            f"{url}/",
            "--scope",
            "domain",
            "-m",
            module,
            "-H",
            f"Cookie: {cookie}",
        ]
        command += ["-x", f"{url}/sign-out", "-x", f"{url}/sign-in", "-d", "2", "--max-links-per-page", str(links)]
        command += [
            "--max-files-per-dir",
            "40",
            "--max-scan-time",
            "45",
            "-t",
            "4",
            "--no-bugreport",
            "-f",
            "json",
            "-o",
            str(out),
        ]
        command += ["--store-session", str(folder / "session"), "--store-config", str(folder / "config"), "-v", "0"]
        command += [] if ended else ["--flush-session"]
        left = until - time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if left > 1:
                subprocess.run(
                    command, cwd=folder, env={**os.environ, "HOME": str(folder)}, timeout=min(left, seconds / 4),
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
        if out.exists():
            found = json.loads(out.read_text())
            ended.append(module)
            lines |= _of_wapiti(found)
    print(f"wapiti: attacks that came to their end: {', '.join(ended) or 'none'}; of {attacks}")
    return sorted(lines) if ended else ["wapiti came to no end: it left no report"]


def _of_wapiti(found: dict[str, Any]) -> set[str]:
    lines = set()
    for kind in ("vulnerabilities", "anomalies"):
        for name, each in found[kind].items():
            for one in each:
                line = f"wapiti {name}: {one['method']} {one['path']} {one.get('parameter') or ''}: {one['info'][:160]}"
                if name in EXPECTED:
                    print(f"  expected: {line} ({EXPECTED[name]})")
                else:
                    lines.add(line)
    return lines


def sqlmap(scanners: Path, url: str, cookie: str, folder: Path, seconds: int) -> list[str]:
    """The parameters that it calls injectable."""
    targets, out = folder / "targets.txt", folder / "sqlmap"
    targets.write_text("".join(f"{url}{path}\n" for path in ASKED))
    command = [
        str(scanners / "sqlmap"),
        "-m",
        str(targets),
        "--cookie",
        cookie,
        "--batch",
        "--dbms",
        "SQLite",
        "--level",
        "2",
        "--risk",
        "2",
    ]
    command += [
        "--technique",
        "BEUS",
        "--threads",
        "4",
        "--output-dir",
        str(out),
        "--results-file",
        str(folder / "found.csv"),
        "--disable-coloring",
    ]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            env={**os.environ, "HOME": str(folder)},
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    logs = sum(1 for _ in out.rglob("log"))
    print(f"sqlmap: {len(ASKED)} addresses, {logs} logs")
    file = folder / "found.csv"
    rows = list(csv.DictReader(file.open())) if file.exists() else []
    return [
        f"sqlmap: {row.get('Target URL')} {row.get('Place')} {row.get('Parameter')}"
        for row in rows
        if row.get("Parameter")
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanners", type=Path, required=True, help="folder with the programs wapiti and sqlmap")
    parser.add_argument("--seconds", type=int, default=600, help="for each of the two, at most")
    parser.add_argument("--attacks", default=MODULES, help="of wapiti")
    parser.add_argument("--links", type=int, default=60, help="of one page that wapiti follows")
    parser.add_argument("--wapiti-alone", action="store_true", help="leave sqlmap out")
    asked = parser.parse_args()
    scanners = asked.scanners.absolute()  # they run in a folder of their own
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="scan") as text:
        folder = Path(text)
        with console(folder / "home") as (url, cookie):
            found += wapiti(scanners, url, cookie, folder, asked.seconds, asked.attacks, asked.links)
            found += [] if asked.wapiti_alone else sqlmap(scanners, url, cookie, folder, asked.seconds)
    print(f"{len(found)} finds")
    for line in found:
        print(f"  {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
