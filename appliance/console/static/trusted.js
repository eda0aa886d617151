// Everything that becomes HTML in a page goes through here (Trusted Types): answers of this console, which never bring anything that runs.
"use strict";
if (window.trustedTypes) {
  const runs = /<\/?(script|iframe|object|embed|base|meta|link|style)\b|<[^>]*\s(on[a-z]+|style|srcdoc)\s*=|<[^>]*=\s*["']?\s*(javascript|data):/i;
  trustedTypes.createPolicy("default", { createHTML: (text) => (runs.test(text) ? null : text) });
}
