"""An object store that speaks S3 and that nobody here wrote: moto's server, in an environment of its own, behind TLS, with signatures and rights checked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PLACE: Final = ROOT / ".venv/s3/bin"
FREE: Final = 4  # requests that moto answers before it asks who somebody is: those of SETUP
BUCKET: Final = "vault"
SETUP: Final = """
import boto3, json, sys
where = dict(endpoint_url=sys.argv[1], verify=sys.argv[2], region_name="us-east-1", aws_access_key_id="first", aws_secret_access_key="first")
people = boto3.client("iam", **where)
people.create_user(UserName="casemate")
key = people.create_access_key(UserName="casemate")["AccessKey"]
may = [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::vault/*"}]
people.put_user_policy(UserName="casemate", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": may}))
boto3.client("s3", **where).create_bucket(Bucket="vault")
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"""
READ: Final = """
import boto3, json, sys
store = boto3.client("s3", endpoint_url=sys.argv[1], verify=sys.argv[2], region_name="us-east-1", aws_access_key_id=sys.argv[3], aws_secret_access_key=sys.argv[4])
found = store.get_object(Bucket="vault", Key=sys.argv[5])
open(sys.argv[6], "wb").write(found["Body"].read())
print(json.dumps(found["Metadata"]))
"""


def missing() -> str:
    """Why there can be none here; empty when there can."""
    return "" if (PLACE / "moto_server").exists() else "no moto (`make .venv/.s3` installs it)"


class Store:
    """`with Store(certificate, key) as store:` has the bucket `vault` and one user who may write to it."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate, self.key = certificate, key
        self.authority = certificate.with_name("authority.pem")
        self.port, self.access, self.secret = 0, "", ""

    def __enter__(self) -> Store:
        words = [
            str(PLACE / "moto_server"),
            "-H",
            "127.0.0.1",
            "-p",
            "0",
            "-c",
            str(self.certificate),
            "-k",
            str(self.key),
        ]
        env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(FREE), "PYTHONUNBUFFERED": "1"}
        self._server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        assert self._server.stdout is not None
        said = ""
        for line in self._server.stdout:
            said += line
            if found := re.search(r"Running on https://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError(f"moto did not start: {said}")
        threading.Thread(target=self._server.stdout.read, daemon=True).start()
        try:
            self.access, self.secret = self._python(SETUP)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait(30)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def _python(self, script: str, *words: str) -> Any:
        command = [str(PLACE / "python"), "-c", script, self.url, str(self.authority), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    def read(self, name: str, into: Path) -> dict[str, str]:
        """Metadata of an object; its content goes into a file. By boto3, with the same user's key."""
        found: dict[str, str] = self._python(READ, self.access, self.secret, name, str(into))
        return found
