import { describe, expect, it } from "vitest";
import { z } from "zod";

import { firstProblem, numberList, strideSchema, wholeNumber } from "./option-schemas.js";

describe("wholeNumber", () => {
  it("reads whole numbers from its minimum on", () => {
    expect(["2", "007", "9007199254740991"].map((text) => wholeNumber(2).parse(text))).toEqual([
      2,
      7,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  it.each(["1", "", " 2", "2.0", "+2", "-2", "1e3", "0x10", "two", "9007199254740992"])(
    "refuses %j",
    (text) => {
      expect(wholeNumber(2).safeParse(text).error?.issues[0]?.message).toBe(
        "must be a whole number of at least 2",
      );
    },
  );
});

describe("strideSchema", () => {
  it("reads a number of cells, or half of the window", () => {
    expect(["half", "1", "64"].map((text) => strideSchema.parse(text))).toEqual(["half", 1, 64]);
  });

  it.each(["0", "", "third", "1.5", "-1", "Half", "9007199254740992"])("refuses %j", (text) => {
    expect(strideSchema.safeParse(text).error?.issues.map(({ message }) => message)).toEqual([
      "must be half or a whole number of at least 1",
    ]);
  });
});

describe("numberList", () => {
  it("reads numbers in the order given", () => {
    expect(["512,256", "1", "0016,2"].map((text) => numberList(1).parse(text))).toEqual([
      [512, 256],
      [1],
      [16, 2],
    ]);
    expect(numberList(0).parse("0,1")).toEqual([0, 1]);
  });

  it.each([
    "",
    ",",
    "1,",
    ",1",
    "1,,2",
    "1, 2",
    "1;2",
    "1 2",
    "1.5",
    "-1",
    "0,1",
    "1,2,1",
    "2,02",
    "9007199254740992",
  ])("refuses %j", (text) => {
    const { error } = numberList(1).safeParse(text);
    expect(error?.issues[0]?.message).toBe(
      "must be whole numbers of at least 1 with commas between them, none twice",
    );
  });
});

describe("firstProblem", () => {
  it("names the option as the user wrote it, with what was written", () => {
    const raw = { passTokens: "many", every: "x" };
    const { error } = z.object({ passTokens: wholeNumber(1), every: wholeNumber(1) }).safeParse(raw);
    expect(firstProblem(raw, error!)).toMatchObject({
      code: "config",
      message: '--pass-tokens must be a whole number of at least 1, not "many".',
      details: { option: "passTokens", value: "many" },
    });
  });
});
