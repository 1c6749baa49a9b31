import { describe, expect, test } from "vitest";

import { lineOf, PolicyCodeError, problemOf } from "./policy-problem.js";

/** An error as an engine makes it. */
function errorWith(members: object, cause?: unknown): Error {
  return Object.assign(new Error("No.", { cause }), { stack: "" }, members);
}

describe("the line of the code", () => {
  test.each<[where: string, error: unknown, line: number | undefined]>([
    [
      "in Chromium's trace",
      errorWith({ stack: "Error: No.\n    at plan (my-policy.js:7:13)\n    at a.js:1:2" }),
      7,
    ],
    ["in Firefox' trace", errorWith({ stack: "plan@my-policy.js:7:13\n@a.js:1:2" }), 7],
    ["in WebKit's error, which has no address", errorWith({ stack: "plan@\n@blob:1:2", line: 7 }), 7],
    [
      "not in WebKit's error of something else",
      errorWith({ stack: "@blob:1:2", line: 7, sourceURL: "blob:" }),
      undefined,
    ],
    ["in the cause", errorWith({}, errorWith({ stack: "at my-policy.js:7:13" })), 7],
    ["in code that makes no policy", new PolicyCodeError("No.", 7), 7],
    ["nowhere", errorWith({}), undefined],
    ["not in what is no error", "my-policy.js:7:13", undefined],
  ])("%s", (_, error, line) => {
    expect(lineOf(error)).toBe(line);
  });
});

test("what was thrown need be no error", () => {
  expect(problemOf("No.")).toEqual({ message: "No.", line: undefined });
});
