"""A bank's sign-on that nobody here wrote: Django OAuth Toolkit, an OpenID provider, with three people in groups. Run as a program.

    python tests/support/oidc_provider.py FOLDER PORT BACK

serves https://localhost:PORT/o with the certificate FOLDER/server.pem and key FOLDER/server.key; BACK is the address that it sends people back to.
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, SECRET, PASSWORD = "casemate", "a secret of the box", "their own words at the bank"
PEOPLE = {"olga": ["console operators", "staff"], "nora": ["staff"], "anna": ["console operators"]}
LOGIN = "<form method=post>{% csrf_token %}{{ form.username }}{{ form.password }}<button>Log in</button></form>"


def signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form).decode()


def configured(folder: Path, port: int) -> None:
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "provider.db")}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        LOGIN_URL="/login/",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"https://localhost:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": signing_key(),
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "who you are", "profile": "your name"},
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of a test",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN}),
                        "django.template.loaders.app_directories.Loader",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """What people do at a sign-on is no output of a test."""


def main(folder: Path, port: int, back: str) -> None:
    configured(folder, port)
    import django
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.contrib.auth.views import LoginView
    from django.urls import include, path
    from oauth2_provider import urls
    from oauth2_provider.models import Application
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):
        """Its claims, as the toolkit's manual has them made."""

        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            return {"preferred_username": request.user.username, "groups": PEOPLE[request.user.username]}

    here = sys.modules[__name__]
    here.Validator = Validator  # type: ignore[attr-defined]
    here.urlpatterns = [path("o/", include(urls, namespace="oauth2_provider")), path("login/", LoginView.as_view())]  # type: ignore[attr-defined]
    for name in PEOPLE:
        User.objects.create_user(name, password=PASSWORD)
    Application.objects.create(
        name="the box", client_id=CLIENT_ID, client_secret=SECRET, redirect_uris=back, client_type="confidential",
        authorization_grant_type="authorization-code", algorithm="RS256", skip_authorization=True,
    )  # fmt: skip
    django_app = get_wsgi_application()

    def secure(environ: dict[str, Any], start: Any) -> Any:
        return django_app(environ | {"wsgi.url_scheme": "https"}, start)

    server = make_server("127.0.0.1", port, secure, handler_class=Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
