#!/bin/sh
# The five flows of a bank with curl: login, payment, password-reset, account-access, fraud-question.
#   . var/demo.env && sh flows.sh login +393331234567
# The code that the customer typed is read from standard input.
set -eu

flow=${1:?"usage: flows.sh FLOW NUMBER"} number=${2:?"usage: flows.sh FLOW NUMBER"}
: "${CASEMATE_API:?}" "${CASEMATE_API_KEY:?}"

# The key comes from a file descriptor, not from the command line that others on the machine can read.
ask() { # METHOD PATH [JSON]
    printf 'header = "Authorization: Bearer %s"\n' "$CASEMATE_API_KEY" |
        curl --config - --silent --show-error --fail-with-body --retry 3 --max-time 15 \
            --request "$1" "$CASEMATE_API$2" --header 'Content-Type: application/json' \
            --header "Idempotency-Key: flows-$$-$(date +%s%N)" ${3:+--data "$3"}
}

# The value of one field of a flat JSON answer; use jq where you have it.
field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }

verified() { # PURPOSE [more JSON fields]
    id=$(ask POST /v1/verifications "{\"to\":\"$number\",\"purpose\":\"$1\"${2:+,$2}}" | field id)
    read -r code
    status=$(ask POST "/v1/verifications/$id/check" "{\"code\":\"$code\"${2:+,$2}}" | field status)
    [ "$status" = approved ]
}

case $flow in
login)
    verified login ;;
payment)
    paid='"payee":"Rossi S.r.l.","amount":"940.00","currency":"EUR"'
    ask POST /v1/exemptions "{\"payer\":\"customer-78\",\"kind\":\"transfer\",$paid}" > /dev/null
    verified payment "$paid"
    ask POST /v1/exemptions/reports \
        "{\"reference\":\"payment-$$\",\"payer\":\"customer-78\",\"kind\":\"transfer\",\"authenticated\":true,$paid}" > /dev/null ;;
password-reset)
    verified password-reset
    ask POST /v1/messages "{\"to\":\"$number\",\"class\":\"alert\",\"text\":\"Your password was changed. Not you? Call us.\"}" > /dev/null ;;
account-access)
    verified account-access
    ask POST /v1/exemptions/reports \
        "{\"reference\":\"access-$$\",\"payer\":\"customer-78\",\"kind\":\"account_access\",\"authenticated\":true}" > /dev/null ;;
fraud-question)
    ask POST /v1/messages "{\"to\":\"$number\",\"class\":\"alert\",\"text\":\"Did you pay EUR 940.00 to Rossi S.r.l.? Reply YES or NO.\"}" > /dev/null
    for _ in $(seq 60); do
        ask GET /v1/inbound | grep -q "\"from\":\"$number\",[^}]*\"text\":\"YES\"" && { echo approved; exit 0; }
        sleep 1
    done
    exit 1 ;;
*)
    echo "flows.sh: there is no flow $flow" >&2; exit 2 ;;
esac
echo approved
