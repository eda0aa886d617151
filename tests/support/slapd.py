"""OpenLDAP's own server on a free port of loopback, over TLS, with three people and two groups."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.appliance import wait_for

SLAPD = shutil.which("slapd") or ("/usr/sbin/slapd" if Path("/usr/sbin/slapd").exists() else "")
BASE = "dc=bank,dc=example"
LOOKS_UP = f"cn=casemate,{BASE}"
PEOPLE = f"ou=people,{BASE}"
OFFICERS = f"cn=officers,ou=groups,{BASE}"
OPERATORS = f"cn=operators,ou=groups,{BASE}"
PASSWORD = "what the directory knows"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{base}"
directory {folder}/store
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{looks_up}" read by * none
"""


def _person(name: str, more: str = "") -> str:
    return f"dn: uid={name},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nuserPassword: {PASSWORD}\n{more}\n"


ENTRIES = (
    f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Bank\n\n"
    f"dn: {PEOPLE}\nobjectClass: organizationalUnit\n\n"
    f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\n\n"
    f"dn: {LOOKS_UP}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\nuserPassword: looks up\n\n"
    + _person("olaf")
    + _person("sonja")
    + _person("nobodys")
    + _person("twin")
    + f"dn: cn=twin,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: twin\ncn: twin\nsn: twin\n\n"
    + f"dn: {OFFICERS}\nobjectClass: groupOfNames\nmember: uid=sonja,{PEOPLE}\n\n"
    + f"dn: {OPERATORS}\nobjectClass: groupOfNames\nmember: uid=olaf,{PEOPLE}\nmember: uid=sonja,{PEOPLE}\n\n"
)


class Slapd:
    """`with Slapd(folder, certificate, key, ca) as directory:` answers at `directory.url`."""

    def __init__(self, folder: Path, certificate: Path, key: Path, ca: Path) -> None:
        self.folder = folder
        (folder / "store").mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = int(s.getsockname()[1])
        self.url = f"ldaps://localhost:{self.port}"
        filled = {
            "folder": folder,
            "certificate": certificate,
            "key": key,
            "ca": ca,
            "base": BASE,
            "looks_up": LOOKS_UP,
        }
        (folder / "slapd.conf").write_text(CONFIG.format(**filled))
        (folder / "entries.ldif").write_text(ENTRIES)
        words = [SLAPD, "-T", "add", "-f", str(folder / "slapd.conf"), "-l", str(folder / "entries.ldif")]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    def __enter__(self) -> Slapd:
        self.process = subprocess.Popen(
            [SLAPD, "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", f"ldaps://127.0.0.1:{self.port}"],
            stderr=sys.stderr,
        )
        wait_for("slapd answers", self._answers, 60)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            assert self.process.poll() is None, "slapd ended"
            return False
        return True

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait(30)
