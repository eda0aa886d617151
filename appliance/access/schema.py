"""The tables of `access.db`.

Trust: this store decides who comes in, so it is trusted, and it is mode 0600 of the appliance's own user. Somebody who can
read it learns names, roles, secrets of telephones' codes (TOTP; in clear, so that people come in when the HSM is what is broken; each is worth nothing without the
password) and hashes: API keys, admin tokens and session tokens are 32 random octets, which no hash search finds;
passwords are argon2id. An SMPP door account's password of eight random characters
is 46 bits behind argon2id: a search for one is years of many graphics cards, not impossible; with `--long` it is.
Somebody who can write it can give themselves an API key or a role; that leaves no entry in the audit
log, which is why the file belongs to the appliance's user alone.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

MIGRATIONS: Final = Migrations("access")


@MIGRATIONS(name="0001_keys_people_sessions")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


@MIGRATIONS(name="0002_door_accounts")
def _second(db: Database) -> None:
    db.execute(_SECOND)


@MIGRATIONS(name="0003_factors")
def _third(db: Database) -> None:
    for statement in _THIRD:
        db.execute(statement)


@MIGRATIONS(name="0004_changes")
def _fourth(db: Database) -> None:
    for statement in _FOURTH:
        db.execute(statement)


@MIGRATIONS(name="0005_directory")
def _fifth(db: Database) -> None:
    # Who keeps the password and gives the role: '' the console itself, 'directory' the bank's.
    db.execute("ALTER TABLE person ADD COLUMN source TEXT NOT NULL DEFAULT ''")


@MIGRATIONS(name="0006_language")
def _sixth(db: Database) -> None:
    # Tag of the language that the person chose to read the console in; '': nothing chosen.
    db.execute("ALTER TABLE person ADD COLUMN language TEXT NOT NULL DEFAULT ''")


@MIGRATIONS(name="0007_admin_tokens")
def _seventh(db: Database) -> None:
    for statement in _SEVENTH:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE api_key (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: messages name their caller by it
        name TEXT NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of the whole token
        rate_per_s INTEGER CHECK (rate_per_s >= 0), -- NULL: the setting limits.requests_per_s; 0: no limit
        created_ms INTEGER NOT NULL,
        revoked_ms INTEGER
    ) STRICT""",
    "CREATE UNIQUE INDEX api_key_name ON api_key (name COLLATE NOCASE) WHERE revoked_ms IS NULL",
    """CREATE TABLE person (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL COLLATE NOCASE UNIQUE,
        role TEXT NOT NULL,
        password TEXT NOT NULL, -- argon2id in PHC form
        created_ms INTEGER NOT NULL,
        password_ms INTEGER NOT NULL, -- when the password was last set
        disabled_ms INTEGER
    ) STRICT""",
    """CREATE TABLE session (
        person INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE, -- one session each
        hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the cookie's 32 octets
        started_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE attempt (
        subject TEXT PRIMARY KEY, -- pair, person or address, see throttle.py
        failures INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL -- nothing is tried before
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE familiar (
        pair TEXT PRIMARY KEY, -- a person signed in from this address before
        seen_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_SECOND: Final = """CREATE TABLE door_account (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: messages and letters due name it
    system_id TEXT NOT NULL UNIQUE, -- as it binds, case and all; a revoked one is not given again
    caller INTEGER NOT NULL REFERENCES api_key (id), -- whose messages these are
    password TEXT NOT NULL, -- argon2id in PHC form
    networks TEXT NOT NULL, -- JSON list of CIDRs; [] is loopback
    binds_max INTEGER NOT NULL CHECK (binds_max > 0),
    window INTEGER NOT NULL CHECK (window > 0),
    rate_per_s INTEGER CHECK (rate_per_s >= 0), -- NULL: the setting limits.requests_per_s; 0: no limit
    class TEXT NOT NULL,
    alphabet TEXT NOT NULL, -- of data_coding 0
    sender TEXT NOT NULL,
    inbound TEXT NOT NULL, -- JSON list of recipients whose messages go here; "*" is all others
    receipt_text INTEGER NOT NULL,
    receipt_body INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    password_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT"""

_THIRD: Final = (
    "ALTER TABLE person ADD COLUMN glass TEXT NOT NULL DEFAULT ''",  # break-glass: sealed, opened; '' is anybody else
    "ALTER TABLE person ADD COLUMN glass_ms INTEGER",  # since when
    "ALTER TABLE session ADD COLUMN factor TEXT NOT NULL DEFAULT 'password'",  # what the person showed last
    "ALTER TABLE session ADD COLUMN proven_ms INTEGER NOT NULL DEFAULT 0",  # when
    "ALTER TABLE session ADD COLUMN remote TEXT NOT NULL DEFAULT ''",  # from where it was started
    """CREATE TABLE totp (
        person INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
        secret BLOB NOT NULL,
        used_step INTEGER NOT NULL DEFAULT 0, -- the last code's; it and older ones are not taken again
        confirmed_ms INTEGER -- NULL: shown, and no right code typed yet
    ) STRICT""",
    """CREATE TABLE security_key (
        id BLOB PRIMARY KEY, -- credential id of WebAuthn
        person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
        public BLOB NOT NULL, -- COSE
        signed INTEGER NOT NULL, -- the key's own count of its signatures
        name TEXT NOT NULL,
        made_ms INTEGER NOT NULL,
        used_ms INTEGER
    ) STRICT""",
    """CREATE TABLE recovery_code (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of 80 random bits
        person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE dialogue (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of what the browser is bound to by cookie, and what for
        person INTEGER REFERENCES person (id) ON DELETE CASCADE, -- NULL: nobody has said who it is
        challenge BLOB NOT NULL, -- of WebAuthn; empty: none
        begun_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_FOURTH: Final = (
    """CREATE TABLE change (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        act TEXT NOT NULL,
        target TEXT NOT NULL,
        old TEXT NOT NULL, -- JSON
        new TEXT NOT NULL, -- JSON
        held TEXT NOT NULL DEFAULT '', -- what is applied and not compared: a password's hash, a document; gone once it is used
        reason TEXT NOT NULL DEFAULT '',
        asked_by TEXT NOT NULL,
        asked_ms INTEGER NOT NULL,
        decided_by TEXT NOT NULL DEFAULT '',
        decided_ms INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        emergency INTEGER NOT NULL DEFAULT 0, -- done without the second person
        reviewed_by TEXT NOT NULL DEFAULT '',
        reviewed_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    """CREATE TABLE settings_version (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document TEXT NOT NULL, -- TOML; names files of secrets, never holds one
        digest TEXT NOT NULL, -- SHA-256 of it
        asked_by TEXT NOT NULL,
        approved_by TEXT NOT NULL, -- '' in an emergency
        made_ms INTEGER NOT NULL,
        in_use_ms INTEGER -- when it was last written where the processes read it
    ) STRICT""",
)

_SEVENTH: Final = (
    """CREATE TABLE admin_token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of the whole token
        maker INTEGER NOT NULL, -- person; a number is never given twice, so one who is gone opens nothing
        maker_name TEXT NOT NULL,
        role TEXT NOT NULL,
        permissions TEXT NOT NULL, -- JSON list; [] is all of the role that ask nobody again who it is
        networks TEXT NOT NULL, -- JSON list of CIDRs; [] is loopback
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        revoked_ms INTEGER,
        used_ms INTEGER,
        used_from TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    "CREATE UNIQUE INDEX admin_token_name ON admin_token (name COLLATE NOCASE) WHERE revoked_ms IS NULL",
    "ALTER TABLE change ADD COLUMN via TEXT NOT NULL DEFAULT ''",  # name of the token that asked for its maker
)
