// Goes on by itself from where the bank's sign-on sent the browser back to; the button does the same without scripts.
"use strict";
document.getElementById("go-on").requestSubmit();
