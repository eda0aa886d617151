// A bundle in pieces: each follows the one before, so that an upload that was cut off goes on where it was.
"use strict";
const form = document.getElementById("upload-form");
const share = document.getElementById("upload-share");
const said = document.getElementById("upload-said");
async function sent(where, body, tries = 6) {
  for (let n = 1; ; n += 1) {
    try {
      const answer = await fetch(where, { method: "POST", body, headers: { "X-CSRF-Token": form.dataset.csrf }, redirect: "error" });
      if (answer.ok) return await answer.json();
      if (answer.status < 500 || n === tries) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        throw new RangeError(page.querySelector("main p, main")?.textContent.trim() || form.dataset.failed);
      }
    } catch (e) {
      if (e instanceof RangeError || n === tries) throw e;
    }
    await new Promise((done) => setTimeout(done, 500 * 2 ** n));
  }
}
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = document.getElementById("bundle").files[0];
  if (!file) return;
  const button = form.querySelector("button");
  button.disabled = true;
  share.hidden = false;
  try {
    let { here } = await sent(form.dataset.begin, new URLSearchParams({ name: file.name, octets: file.size }));
    while (here < file.size) {
      const piece = new Blob([file.slice(here, here + Number(form.dataset.octets))], { type: "application/octet-stream" });
      ({ here } = await sent(`${form.dataset.piece}?at=${here}`, piece));
      share.value = (100 * here) / file.size;
      said.textContent = `${Math.floor((100 * here) / file.size)} %`;
    }
    await sent(form.dataset.end, new URLSearchParams());
    said.textContent = form.dataset.none;
    location.reload();
  } catch (e) {
    said.textContent = e instanceof RangeError ? e.message : form.dataset.failed;
    button.disabled = false;
  }
});
