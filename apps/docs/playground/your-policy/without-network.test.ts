import { expect, test } from "vitest";

import { withoutNetwork } from "./without-network.js";

test("what reaches others is gone from a scope and from what it inherits", () => {
  const inherited = { fetch: () => undefined, setTimeout: () => undefined };
  const scope = Object.assign(Object.create(inherited) as object, {
    postMessage: () => undefined,
    WebSocket: 1,
  });
  withoutNetwork(scope);
  expect("fetch" in scope || "postMessage" in scope || "WebSocket" in scope).toBe(false);
  expect("setTimeout" in scope).toBe(true);
});
