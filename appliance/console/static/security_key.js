// Asks the browser for a security key where a form wants one (WebAuthn Level 3 JSON), puts its answer into the form and sends it.
"use strict";

for (const form of document.querySelectorAll("form[data-security-key]")) {
  const said = form.querySelector("[data-said]");
  const say = (words) => { said.textContent = words; said.hidden = !words; };
  if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) {
    for (const each of form.querySelectorAll("button, input:not([type=hidden])")) each.disabled = true;
    say(form.dataset.none);
    continue;
  }
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    say("");
    try {
      const body = new URLSearchParams({ csrf: form.elements.csrf.value });
      const asked = await fetch(form.dataset.options, { method: "POST", body });
      if (!asked.ok) throw new Error(asked.status);
      const publicKey = await asked.json();
      const credentials = navigator.credentials;
      const made = form.dataset.securityKey === "enrol"
        ? await credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
        : await credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
      form.elements.answer.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch {
      say(form.dataset.failed);
    }
  });
}
