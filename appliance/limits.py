"""Every bound of the appliance with its unit and reason; relations between them are asserted at import."""

from __future__ import annotations

from typing import Final

# --- text -------------------------------------------------------------------------------------------------
TEXT_CHARACTERS_MAX: Final = 4_000  # the longest message the appliance sells; whole or refused, never cut
SEGMENTS_MAX: Final = 255  # 3GPP TS 23.040 9.2.3.24.1: one octet counts the parts
REFERENCE_CHARACTERS_MAX: Final = 128  # the bank's own reference on a message
REFERENCE_LOOKED_MAX: Final = (
    5_000  # messages opened for one page of a search by reference, which is sealed: some 0.1 s
)
METADATA_ENTRIES_MAX: Final = 16
METADATA_CHARACTERS_MAX: Final = 256  # one value
SENDER_ALPHANUMERIC_MAX: Final = 11  # 3GPP TS 23.040 9.1.2.5: 11 septets in an address field
SHORT_CODE_DIGITS_MIN: Final = 3
SHORT_CODE_DIGITS_MAX: Final = 8
NUMBER_CHARACTERS_MAX: Final = 64  # 15 digits with separators as people write them; more is not a number

# --- numbers ----------------------------------------------------------------------------------------------
PORTED_ROWS_MAX: Final = 200_000_000  # of one national database: 1.6 GB on disk; a wrong file must end
PORTED_LINE_OCTETS_MAX: Final = 64 * 1024  # of such a file
PORTED_REFUSED_SHOWN: Final = 20  # lines that cannot be read, told by number
PORTED_REFUSED_SHARE_MAX: Final = 0.001  # with more such lines it is the wrong file, or read the wrong way
PORTED_SHRINK_MIN: Final = 0.5  # with fewer rows than this share of those in use it was cut short
PORTED_BOOKS_MAX: Final = 32  # each message of a route that names an operator asks them all
ENUM_ROWS_MAX: Final = 64  # trees of names that numbers are looked up in
ENUM_SERVERS_MAX: Final = 4  # of one tree
ENUM_NUMBERS_MAX: Final = 200_000  # whose operators a process remembers: some 50 MB; then the oldest are forgotten
ENUM_UNDER_WAY_MAX: Final = 5_000  # numbers asked for or about to be; more go by what is known without
ENUM_QUERIES_MAX: Final = 64  # under way at once
ENUM_HOPS_MAX: Final = 5  # RFC 6116 section 3.4.1: records that lead to another name; more are a loop
ENUM_RECORDS_MAX: Final = 64  # of one name that are looked at
ENUM_TTL_S_MIN: Final = 60  # a number is not asked for again sooner, whatever its records say
ENUM_TTL_S_MAX: Final = 86_400  # nor believed longer
ENUM_FAILED_S: Final = 10.0  # a number whose question failed is not asked for again sooner
ENUM_FAILURES_MAX: Final = 5  # numbers in a row; then the tree is left alone
ENUM_PAUSE_S: Final = 10.0  # for so long
CAMARA_ROWS_MAX: Final = 16  # operators that are asked about numbers
CAMARA_AT_ONCE_MAX: Final = 64  # numbers one of them is asked for at once; more are not asked for
CAMARA_OCTETS_MAX: Final = 65_536  # of one of its answers
CAMARA_FAILURES_MAX: Final = 5  # in a row; then it is left alone
CAMARA_PAUSE_S: Final = 10.0  # for so long
CAMARA_ASSERTION_S: Final = 120  # a signed JWT is good for; CAMARA's profile allows 300 s
CAMARA_TOKEN_S_MAX: Final = 3_600  # an access token is not used longer, whatever its answer says
PORTED_VERSIONS_MAX: Final = 3  # of each book on disk: the one in use, and two ways back

# --- admin API --------------------------------------------------------------------------------------------
ADMIN_TOKENS_MAX: Final = 100  # that are valid; each is looked after by a person
ADMIN_TOKEN_DAYS_MAX: Final = 366  # a secret of a program is made anew once a year at least
ADMIN_TOKEN_NETWORKS_MAX: Final = 16
ADMIN_CALLS_PER_S: Final = 20  # of one token, on average; a playbook does not need more, and people share the console
ADMIN_BODY_OCTETS_MAX: Final = 64 * 1024  # of a call that has no larger bound of its own

# --- REST -------------------------------------------------------------------------------------------------
BATCH_MESSAGES_MAX: Final = 1_000  # the contract's batch
BODY_OCTETS_MAX: Final = 16 * 1024 * 1024  # 1,000 messages of 4,000 four-octet characters
SINGLE_BODY_OCTETS_MAX: Final = 64 * 1024  # one message with everything on it
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255
IDEMPOTENCY_DAYS: Final = 2  # today's and yesterday's partition: at least 24 h
PAGE_ROWS_MAX: Final = 200  # one page of a search
SEARCH_S_MAX: Final = 1.0  # of GET /v1/messages: who has few messages among many goes on with the cursor
PAGE_ROWS_DEFAULT: Final = 50
VALIDITY_S_MIN: Final = 10
VALIDITY_S_MAX: Final = 7 * 86_400  # the longest that operators keep a message
VALIDITY_S_DEFAULT: Final = (600, 86_400, 172_800, 172_800)  # by class: a one-time code is useless after ten minutes
SCHEDULE_AHEAD_S_MAX: Final = 90 * 86_400
SCHEDULE_BEHIND_S_MAX: Final = 3_600  # a `send_at` so long ago means "now": clocks differ and requests are repeated
GATEWAY_PENDING_MESSAGES_MAX: Final = 50_000  # validated but not yet durable, per gateway; then 429
GATEWAY_PENDING_SHARES: Final = (1.0, 0.9, 0.75, 0.5)  # of these, by class: bulk is refused first, one-time codes last
GATEWAY_ROWS_AT_ONCE: Final = 128  # rows made ready before other requests get their turn: some milliseconds
GATEWAY_FLUSH_ROWS: Final = 1_000  # so many waiting rows leave although a batch is still under way
GATEWAY_FLIGHTS_MAX: Final = 4  # batches of one gateway under way to the engine
METADATA_NAME_CHARACTERS_MAX: Final = 64
CALLBACK_CHARACTERS_MAX: Final = 2_048
HTTP_CONNECTIONS_MAX: Final = 2_000  # open at once at one gateway; the next gets 503
HTTP_HEAD_OCTETS_MAX: Final = 64 * 1024  # request line and headers; our own need not one of them
HTTP_HEADERS_MAX: Final = 100
HTTP_HEAD_S_MAX: Final = 10.0  # from the connection, or the request's first octet, to the end of its head
HTTP_BODY_S_MAX: Final = 60.0  # the same to the end of its body: 16 MiB at 2.3 Mbit/s
HTTP_STALL_S_MAX: Final = 30.0  # an answer of which nothing is taken for so long is given up

# --- intercom ---------------------------------------------------------------------------------------------
FRAME_OCTETS_MAX: Final = 64 * 1024 * 1024  # one batch of the largest messages, with room
CALL_S_MAX: Final = 10.0  # a call between processes that takes longer has failed
RECONNECT_S_MIN: Final = 0.05
RECONNECT_S_MAX: Final = 2.0

# --- releases through the console -------------------------------------------------------------------------
OFFER_OCTETS_MAX: Final = 2 << 30  # both slots' room and the kernel: no release is longer
OFFER_PIECE_OCTETS_MAX: Final = 512 * 1024  # of an upload; what is in front of the console takes a MiB at once
OFFER_FREE_OCTETS_MIN: Final = 256 << 20  # left for messages while a bundle lies on the state volume
OFFER_APPROVAL_OCTETS_MAX: Final = 64 * 1024  # one officer's signature with its certificates

# --- verifications ----------------------------------------------------------------------------------------
CODE_DIGITS_MIN: Final = 4
CODE_DIGITS_MAX: Final = 10
CODE_LIFE_S_MIN: Final = 60
CODE_LIFE_S_MAX: Final = 3_600  # longer and a stolen telephone is a likelier reader than its owner
CODE_TRIES_MAX: Final = 5  # Delegated Regulation (EU) 2018/389 article 4(3)(b)
CODE_SENDS_MAX: Final = 5
CODE_OCTETS_AT_ONCE: Final = 1_024  # one call to the HSM: some 170 codes of six digits
BATCH_PAYEES_MAX: Final = 200  # of one code: what fits into a request with all their names
PAYEE_CHARACTERS_MAX: Final = 140  # ISO 20022 Max140Text, a party's name
PURPOSE_CHARACTERS_MAX: Final = 48
VERIFY_ACTS_AT_ONCE: Final = 256  # acts on verifications that share one commit
NUMBER_CHECK_MS_MAX: Final = 10_000  # a code that waits longer for an operator's word on its number helps nobody
VERIFY_CLAIM_MS: Final = (
    11_000  # a message in hand for so long is in nobody's: a call between processes takes 10 s at most
)
VERIFY_KEPT_MS: Final = (
    86_400_000  # a verification is erased so long after its end; for as long a request is known again
)

# --- workflows --------------------------------------------------------------------------------------------
FLOW_OCTETS_MAX: Final = 512 * 1024  # one definition with its texts in many languages and its tests
FLOW_STATES_MAX: Final = 100  # a picture of more says nothing any more
FLOW_TESTS_MAX: Final = 200
FLOW_VISITS_MAX: Final = 20  # of one bounded state: a customer is not asked more often
FLOW_WAIT_S_MAX: Final = 14 * 86_400
CHANNELS_MAX: Final = 32  # ways by which a bank reaches its customers, by name
WAYS_MAX: Final = 4  # of them that one message or code may take one after the other: a code is sent five times at most
FLOW_LIFE_S_MAX: Final = 30 * 86_400  # no run is older; the key of its day lives longer
FLOW_STEPS_MAX: Final = FLOW_STATES_MAX * (FLOW_VISITS_MAX + 2)  # of one run: what the validator promises, and no more
FLOW_VARIABLES_OCTETS_MAX: Final = 16 * 1024  # what a run is started with
FLOW_RUNS_AT_ONCE: Final = 500  # that share one commit
FLOW_EFFECTS_AT_ONCE: Final = 64  # messages, codes and webhooks being handed on
FLOW_EFFECT_S_MAX: Final = (
    20 * 3_600
)  # so long it may be handed on again: the other side knows its key for a day at least
FLOW_KEPT_MS: Final = 30 * 86_400_000  # after the end, without the number and what it was about
FLOW_LOOK_S: Final = 0.1  # between two looks at what has come

# --- engine -----------------------------------------------------------------------------------------------
COMMIT_ROWS_MAX: Final = 4_000  # rows written in one transaction; more wait for the next
STORE_FREE_OCTETS_MIN: Final = 4 * 1024 * 1024  # after a write that failed, less room than this is a full disk still
QUEUE_MESSAGES_MAX: Final = 100_000  # held in memory per class; the rest stays on disk and is paged in, in order
QUEUE_PAGE_MESSAGES: Final = 10_000
GC_YOUNG_MAX: Final = 20_000  # new objects of a process before its collector looks through them: some hundred messages
PENDING_BATCHES_MAX: Final = 256  # batches waiting for a commit before the engine says `overloaded`
RECEIPT_DAYS: Final = (
    VALIDITY_S_MAX // 86_400 + 1
)  # partitions kept open: a message may leave, and its receipt come, so late
PARKED_RECEIPTS_MAX: Final = 1_000_000  # receipts kept for a response that has not come; then the oldest go
PARKED_RECEIPT_S: Final = 259_200  # 72 h
CLOCK_BACK_S_MAX: Final = 10_800  # a clock that is set back further may make a receipt look older than its message
QUERY_AFTER_S: Final = 900  # a receipt that is not there so long after the end of the validity is asked for
RESENDS_MAX: Final = 3  # times a segment that is never answered is sent again; the customer may get every one
DOUBTS_MAX: Final = 100_000  # numbers with an indeterminate message that are looked at again; more wait for a person
THROTTLED_RETRY_S_MIN: Final = 1.0  # no message is offered again sooner to an operator that said "too fast"
PACED_SENDERS_MAX: Final = 10_000  # senders whose pace is kept at a time; the oldest is forgotten

# --- SMPP -------------------------------------------------------------------------------------------------
PDU_OCTETS_MIN: Final = 16  # SMPP 3.4 section 3.2: the header
PDU_OCTETS_MAX: Final = 70_000  # a message_payload of 64 KiB and its surroundings
SEQUENCE_MAX: Final = 0x7FFFFFFF  # SMPP 3.4 section 5.1.4
WINDOW_MAX: Final = 10_000
TRACE_PDUS_MAX: Final = 1_000  # kept of one link's trace, masked; then the oldest go
TRACE_CHARACTERS_MAX: Final = 4 * 1024 * 1024  # of these; some 1,500 a PDU
TRACE_PDUS_PER_S: Final = 200  # taken into a trace; more are counted: looking costs some hundredths of a core
TRACE_MINUTES_MAX: Final = 60
SSH_KEYS_MAX: Final = 50  # administrators' keys of a box
SSH_MINUTES_MAX: Final = 240  # SSH is open for so long at most; casemate-ssh.service ends it again a little later
TRACE_KEPT_S: Final = 600  # what a trace holds stays readable for so long after it has ended
TRACE_READ_MAX: Final = 200  # PDUs in one answer
LINK_TEST_S_MAX: Final = 40.0  # a whole test of a link
LINK_TEST_ANSWER_S_MAX: Final = 10.0  # each answer in it, and connecting; less where the link's response_s is less
LINK_TEST_RECEIPT_S_MAX: Final = 20.0
LINK_TEST_PARTS_MAX: Final = 5  # submits of one test message
LINK_TEST_PDUS_MAX: Final = 200  # told of one test

# --- SMPP door ----------------------------------------------------------------------------------------------
DOOR_PASSWORD_CHARACTERS: Final = 8  # SMPP 3.4 section 5.2.2: nine octets with the NUL, and many clients take no more
DOOR_PASSWORD_CHARACTERS_LONG: Final = 32
DOOR_NETWORKS_MAX: Final = 64  # of one account
DOOR_RECIPIENTS_MAX: Final = 1_000  # numbers and short codes of one account
DOOR_BINDS_MAX: Final = 64  # of one account
DOOR_CONNECTIONS_MAX: Final = 1_000  # open at once; the next is closed at once
DOOR_CONNECTIONS_PER_ADDRESS: Final = 200  # a bank's own gateway in front of many systems is one address
DOOR_STRANGERS_PER_ADDRESS: Final = 16  # of these, without a bind
DOOR_STRANGERS_MAX: Final = 200  # connections without a bind, of all addresses
DOOR_BIND_S_MAX: Final = 10.0  # from the connection to its bind, and for the check of its credential
DOOR_ENQUIRE_S: Final = 60.0  # without a PDU heard for so long the door asks with enquire_link
DOOR_RESPONSE_S_MAX: Final = 30.0  # for an answer to what the door asks or delivers
DOOR_STALL_S_MAX: Final = 30.0  # answers of which nothing is taken for so long: the connection is given up
DOOR_LINGER_S_MAX: Final = 5.0  # after its end, for the last answers to be taken
DOOR_UNSENT_OCTETS_MAX: Final = 256 * 1024  # answers not taken yet; then no more is read
DOOR_PARTS_S_MAX: Final = 600.0  # from a long message's first part to its last
DOOR_PARTS_WAITING_MAX: Final = 100_000  # parts on disk whose message is not whole; then `overloaded`
DOOR_PARTS_PER_ACCOUNT: Final = 20_000  # of these, of one account: its fragments do not keep others from sending
DOOR_PART_OCTETS_MAX: Final = TEXT_CHARACTERS_MAX * 2  # of a part's text: no part is longer than the longest message
DOOR_EVENTS_MAX: Final = 10_000  # in one call from an engine
DOOR_LETTERS_HELD: Final = 256  # of one account in memory; the rest stays in the book
DOOR_LETTERS_LATER: Final = 256  # of one account that wait for a turn of their own; more and the whole account waits
DOOR_RETRY_S_MIN: Final = 1.0
DOOR_RETRY_S_MAX: Final = 300.0
DOOR_ATTEMPTS_IN_ORDER: Final = 3  # of one letter before those behind it no longer wait for it
DOOR_SETTLE_S: Final = 0.05  # letters that were taken are deleted so often, in one commit

# --- processes --------------------------------------------------------------------------------------------
STOP_S_MAX: Final = 10.0  # SIGTERM to exit 0
SETTLE_S_MAX: Final = 5.0  # of these, for answers of operators still under way
RESTART_S_MIN: Final = 0.2
RESTART_S_MAX: Final = 30.0
HEALTH_S: Final = 1.0  # between two looks at a process
START_S_MAX: Final = 60.0
PROBE_S_MAX: Final = 2.0  # an answer to "are you well?" that takes longer counts as none
PROBES_MISSED_MAX: Final = 5  # so many in a row and the process is taken for hung: it is killed and started again
STARTS_FAILED_MAX: Final = 3  # deaths before the first `ready`: then `casemate up` gives up and shows why
STEADY_S: Final = 60.0  # ready for so long: earlier deaths no longer lengthen the pause before a restart
LOG_OCTETS_MAX: Final = 4 * 1024 * 1024  # one log file of one process; LOG_FILES of them are kept
LOG_FILES: Final = 3

# --- webhooks (Standard Webhooks; retry schedule of 5 s doubling, a day at most) ---------------------------
WEBHOOK_RETRY_S_MIN: Final = 5
WEBHOOK_RETRY_S_MAX: Final = 86_400
WEBHOOK_TIMEOUT_S: Final = 15.0
WEBHOOK_CONCURRENT_MAX: Final = 64
WEBHOOK_PER_HOST_MAX: Final = 8  # of these, to one host: a dead one holds no more
WEBHOOK_JITTER: Final = 0.2  # a pause grows by up to this share of itself
WEBHOOK_EVENTS_MAX: Final = 10_000  # in one call from an engine
WEBHOOK_ANSWER_OCTETS_MAX: Final = 65_536  # of the other side's answer are read, then the connection is dropped

# --- keys and audit ---------------------------------------------------------------------------------------
HSM_CALL_S_MAX: Final = 5.0  # a PKCS#11 call that takes longer is killed with its worker
SEALS_PER_KEY_MAX: Final = 2**32  # NIST SP 800-38D 8.3: random 96-bit nonces
KEY_AHEAD_MS: Final = 600_000  # before midnight UTC, tomorrow's key is made
KEY_AHEAD_LOOK_S: Final = 10.0
KEY_DAYS_SKEW_MAX: Final = 2  # keys are made for days so near today; a wrong clock must not fill the key store
SETTINGS_HAND_S_MAX: Final = (
    15.0  # until the box's own unit has put settings into use that somebody asked for in the console
)
APPROVAL_MS_MAX: Final = 24 * 3_600_000  # a request that nobody approved and used by then has to be made again
CUSTODIANS_MIN: Final = 2  # dual control: PCI DSS 4 requirement 3.7.6
CUSTODIANS_MAX: Final = 16
CUSTODY_MS_MAX: Final = 15 * 60_000  # shares that were entered are forgotten so long after the last of them
UNSEAL_TRIES_MAX: Final = 3  # wrong PINs typed in a row, restarts counted; tokens lock at 10 (Luna) or fewer
PIN_CHARACTERS_MAX: Final = 255
KEY_HOLD_DAYS_MAX: Final = 4_000  # days of one legal hold: longer than the longest retention
KEY_SUBJECT_CHARACTERS_MAX: Final = 256
KEY_ASKERS_MAX: Final = 10_000  # pairs of process and key that the keys process remembers having put on the record
SIGNED_OCTETS_MAX: Final = 4_096  # a C2SP checkpoint is some 150 octets
AUDIT_ENTRY_OCTETS_MAX: Final = 65_535  # C2SP tlog-tiles: uint16 length
CHECKPOINT_S_MAX: Final = 1.0
AUDIT_CHECKPOINT_S_MAX: Final = 30.0  # for one before an act: two calls to the HSM, and the tiles of a busy second
AUDIT_NAME_CHARACTERS_MAX: Final = 256  # who, what, on
AUDIT_DETAIL_KEYS_MAX: Final = 32
AUDIT_FORWARD_ENTRIES: Final = 500  # sent to the auditor in one call
AUDIT_FORWARD_OCTETS_MAX: Final = 8 * 1024 * 1024
AUDIT_CALL_ENTRIES_MAX: Final = 4_000  # in one call, and about so many in one transaction
AUDIT_PENDING_ENTRIES_MAX: Final = 40_000  # taken but not yet durable; then `overloaded`
AUDIT_PAGE_ENTRIES_MAX: Final = 500
SEARCHES_MAX: Final = 100  # saved filters of the audit log: a list that a person still reads
SEARCH_NAME_CHARACTERS_MAX: Final = 60
PAPER_ROWS_MAX: Final = 20_000  # of a PDF: some 350 pages; nobody reads more on paper
INCIDENT_HOURS_MAX: Final = 31 * 24  # of one report: an incident that lasts longer is told month by month
INCIDENT_CUSTOMERS_MAX: Final = (
    1_000_000  # blind indexes in memory while it is made, some 100 MB; above it says "at least"
)
REPORT_DAYS_MAX: Final = 366  # of one report of service levels
AUDIT_PROOFS_MAX: Final = 10_000  # entries in an archive of chosen ones: some 15 MB; more is the whole log
AUDIT_KEEP_DAYS_MIN: Final = 366  # PCI DSS 4.0.1 requirement 10.5.1: at least twelve months
AUDIT_PRUNED_ENTRIES: Final = 4_096  # in one transaction, so that nobody waits long behind it
AUDIT_REVIEW_LOOK_S: Final = 60.0  # between two looks whether a day has ended
SIEM_CONNECT_S_MAX: Final = 10.0  # TCP and TLS handshake
TRIED_AGAIN_S: Final = 3_600  # a dropped connection is on the audit log once in so long, by who tried it and whereto
TRIED_TOLD_MAX: Final = 20  # of them in one look, a minute: more wait for the next
SIEM_SETTLE_S: Final = 1.0  # after it, in which a TLS 1.3 server says that it refuses our certificate
SIEM_STALL_S_MAX: Final = 30.0  # the SIEM's TCP acknowledges nothing for so long: the connection is given up
SIEM_PROVEN_S: Final = 10.0  # a connection lives on for so long after an entry: then it counts as taken
SIEM_RETRY_S_MIN: Final = 0.5
SIEM_RETRY_S_MAX: Final = 60.0
SIEM_ENTRIES: Final = 500  # in one write
WITNESS_CALL_S_MAX: Final = 20.0  # for a witness on the network to check and cosign
WITNESS_RETRY_S_MIN: Final = 2.0  # after it did not
WITNESS_RETRY_S_MAX: Final = 300.0
COSIGNED_OCTETS_MAX: Final = 65_536  # a checkpoint with cosignatures; one of ML-DSA-44 is some 3,300 octets
SQLITE_MIN: Final = (3, 51, 3)  # first without the WAL-reset bug, sqlite.org/wal.html

assert TEXT_CHARACTERS_MAX * 4 < SINGLE_BODY_OCTETS_MAX < BODY_OCTETS_MAX < FRAME_OCTETS_MAX
assert PORTED_VERSIONS_MAX >= 2  # a way back
assert BATCH_MESSAGES_MAX <= COMMIT_ROWS_MAX <= GATEWAY_PENDING_MESSAGES_MAX
assert SETTLE_S_MAX < STOP_S_MAX
assert VERIFY_CLAIM_MS > CALL_S_MAX * 1000
assert VERIFY_CLAIM_MS > NUMBER_CHECK_MS_MAX + 500
assert VALIDITY_S_MIN <= CODE_LIFE_S_MIN
assert LINK_TEST_RECEIPT_S_MAX + LINK_TEST_ANSWER_S_MAX < LINK_TEST_S_MAX
assert HTTP_HEAD_S_MAX < HTTP_BODY_S_MAX
assert all(VALIDITY_S_MIN <= s <= VALIDITY_S_MAX for s in VALIDITY_S_DEFAULT)
assert QUEUE_PAGE_MESSAGES < QUEUE_MESSAGES_MAX
assert HSM_CALL_S_MAX < CALL_S_MAX
assert KEY_AHEAD_LOOK_S * 1_000 * 10 < KEY_AHEAD_MS
assert AUDIT_FORWARD_ENTRIES <= AUDIT_CALL_ENTRIES_MAX < AUDIT_PENDING_ENTRIES_MAX
assert AUDIT_FORWARD_OCTETS_MAX + AUDIT_ENTRY_OCTETS_MAX < FRAME_OCTETS_MAX
assert WEBHOOK_PER_HOST_MAX * 2 <= WEBHOOK_CONCURRENT_MAX
assert DOOR_PARTS_PER_ACCOUNT * 2 <= DOOR_PARTS_WAITING_MAX
assert DOOR_RETRY_S_MIN < DOOR_RETRY_S_MAX
assert DOOR_STRANGERS_PER_ADDRESS <= DOOR_STRANGERS_MAX <= DOOR_CONNECTIONS_MAX
assert RECEIPT_DAYS * 86_400 > PARKED_RECEIPT_S
