import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { countTypingErrors, findNearestName } from "./nearest-name.js";

describe("countTypingErrors", () => {
  it.each([
    ["", "", 0],
    ["window", "window", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["windw", "window", 1],
    ["windoow", "window", 1],
    ["windiw", "window", 1],
    ["widnow", "window", 1],
    ["iwndwo", "window", 2],
    ["ca", "abc", 3],
  ])("between %j and %j are %i", (text, other, errors) => {
    expect(countTypingErrors(text, other)).toBe(errors);
  });

  it("counts the same there and back, and no more than the longer text has characters", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (one, other) => {
        const errors = countTypingErrors(one, other);
        expect(countTypingErrors(other, one)).toBe(errors);
        expect(errors).toBeGreaterThanOrEqual(Math.abs(one.length - other.length));
        expect(errors).toBeLessThanOrEqual(Math.max(one.length, other.length));
        expect(errors === 0).toBe(one === other);
      }),
    );
  });
});

describe("findNearestName", () => {
  const names = ["dense", "window", "sink-window", "head-tail"];

  it.each([
    ["sink-windw", "sink-window"],
    ["sinkwindow", "sink-window"],
    ["Widnow", "window"],
    ["DENSE", "dense"],
    ["dens", "dense"],
    ["wind", "window"],
    ["win", undefined],
    ["streaming", undefined],
    ["", undefined],
  ])("is, for %j, %j", (name, nearest) => {
    expect(findNearestName(name, names)).toBe(nearest);
  });

  it("is the first of equally near ones, and none of none", () => {
    expect(findNearestName("sink", ["sinks", "sinkx"])).toBe("sinks");
    expect(findNearestName("sink", [])).toBeUndefined();
  });

  it("prefers the nearer one wherever it stands", () => {
    expect(findNearestName("anchor", ["anchors-1", "anchors"])).toBe("anchors");
  });
});
