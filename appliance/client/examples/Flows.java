// The five flows of a bank in plain Java 17: login, payment, password-reset, account-access, fraud-question.
//   export CASEMATE_API=... CASEMATE_API_KEY=...; java Flows.java login +393331234567
// The code that the customer typed is read from standard input.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Flows {
    static final String API = System.getenv("CASEMATE_API");
    static final String KEY = System.getenv("CASEMATE_API_KEY");
    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    static final String PAID = "\"payee\":\"Rossi S.r.l.\",\"amount\":\"940.00\",\"currency\":\"EUR\"";

    /** One call; sent again, the same, after 429 and 503, and when no answer came: the Idempotency-Key makes that safe. */
    static String ask(String method, String path, String json) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(API + path)).timeout(Duration.ofSeconds(15))
            .header("Authorization", "Bearer " + KEY).header("Content-Type", "application/json")
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .method(method, json == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(json))
            .build();
        for (int tries = 1; ; tries++) {
            HttpResponse<String> answer = null;
            try {
                answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            } catch (java.io.IOException e) {
                if (tries == 4) throw e;
            }
            if (answer != null && answer.statusCode() < 300) return answer.body();
            if (answer != null && answer.statusCode() != 429 && answer.statusCode() != 503 || tries == 4)
                throw new IllegalStateException(answer.body()); // RFC 9457: `code` says what it is, `hint` what can be done
            Thread.sleep(200L << tries);
        }
    }

    /** The value of one text field of a flat answer; use a JSON library where you have one. */
    static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    static boolean verified(String number, String purpose, String more) throws Exception {
        String id = field(ask("POST", "/v1/verifications",
            "{\"to\":\"" + number + "\",\"purpose\":\"" + purpose + "\"" + more + "}"), "id");
        String code = new BufferedReader(new InputStreamReader(System.in)).readLine();
        return field(ask("POST", "/v1/verifications/" + id + "/check", "{\"code\":\"" + code + "\"" + more + "}"), "status")
            .equals("approved");
    }

    static void report(String kind, String more) throws Exception {
        ask("POST", "/v1/exemptions/reports", "{\"reference\":\"" + UUID.randomUUID() + "\",\"payer\":\"customer-79\",\"kind\":\""
            + kind + "\",\"authenticated\":true" + more + "}");
    }

    static void alert(String number, String text) throws Exception {
        ask("POST", "/v1/messages", "{\"to\":\"" + number + "\",\"class\":\"alert\",\"text\":\"" + text + "\"}");
    }

    static boolean done(String flow, String number) throws Exception {
        switch (flow) {
            case "login":
                return verified(number, "login", "");
            case "payment":
                ask("POST", "/v1/exemptions", "{\"payer\":\"customer-79\",\"kind\":\"transfer\"," + PAID + "}");
                if (!verified(number, "payment", "," + PAID)) return false;
                report("transfer", "," + PAID);
                return true;
            case "password-reset":
                if (!verified(number, "password-reset", "")) return false;
                alert(number, "Your password was changed. Not you? Call us.");
                return true;
            case "account-access":
                if (!verified(number, "account-access", "")) return false;
                report("account_access", "");
                return true;
            case "fraud-question":
                alert(number, "Did you pay EUR 940.00 to Rossi S.r.l.? Reply YES or NO.");
                Pattern yes = Pattern.compile("\"from\":\"" + Pattern.quote(number) + "\",[^}]*\"text\":\"YES\"");
                for (int n = 0; n < 60; n++, Thread.sleep(1000))
                    if (yes.matcher(ask("GET", "/v1/inbound", null)).find()) return true;
                return false;
            default:
                throw new IllegalArgumentException("there is no flow " + flow);
        }
    }

    public static void main(String[] words) throws Exception {
        if (words.length != 2) {
            System.err.println("usage: java Flows.java FLOW NUMBER");
            System.exit(2);
        }
        boolean approved = done(words[0], words[1]);
        System.out.println(approved ? "approved" : "denied");
        System.exit(approved ? 0 : 1);
    }
}
