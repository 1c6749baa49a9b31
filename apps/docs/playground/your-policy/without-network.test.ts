import { expect, test } from "vitest";

import { withoutNetwork } from "./without-network.js";

test("what reaches others is gone from a scope and from what it inherits", () => {
  const inherited = {
    fetch: () => undefined,
    setTimeout: () => undefined,
    get caches() {
      return undefined;
    },
  };
  const scope = Object.assign(Object.create(inherited) as object, {
    postMessage: () => undefined,
    WebSocket: 1,
  });
  withoutNetwork(scope);
  const doors = ["fetch", "postMessage", "WebSocket", "caches"];
  expect(doors.filter((door) => door in scope)).toEqual([]);
  expect("setTimeout" in scope).toBe(true);
});
