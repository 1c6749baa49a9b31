import { test } from "vitest";

import { chromium } from "./chromium.js";

test("there is a Chromium for the tests in a browser", ({ skip }) => {
  if (!chromium) {
    skip(
      "the tests named *.browser.test.ts were left out: install Chromium or name one in KVPOLICY_CHROMIUM",
    );
  }
});
