import { KVPolicyError } from "@kvpolicy/core";
import { describe, expect, it } from "vitest";

import { builtInQuestions } from "./built-in-questions.js";
import { readQuestions } from "./read-questions.js";

const LINE =
  '{"question_id": 81, "category": "writing", "turns": ["Write.", "Write again."], "reference": ["x"]}';

describe("readQuestions", () => {
  it("reads JSON lines as MT-bench has them, blank lines, Windows line ends and all", () => {
    const text = `\uFEFF${LINE}\r\n\r\n   \r\n{"question_id": "b", "category": "maths", "turns": ["1 + 1?"]}\n`;
    expect(readQuestions(text)).toEqual([
      { id: 81, category: "writing", turns: ["Write.", "Write again."] },
      { id: "b", category: "maths", turns: ["1 + 1?"] },
    ]);
  });

  it.each([
    ["{", /^Line 3 of the questions is no JSON: .+/],
    ["[]", /^Line 3 .+ must be an object with question_id, category and turns\.$/],
    [
      '{"category": "a", "turns": ["b"]}',
      /^Line 3 .+ is no question: question_id must be a whole number or a name\.$/,
    ],
    ['{"question_id": 1.5, "category": "a", "turns": ["b"]}', /question_id must be/],
    ['{"question_id": 1, "turns": ["b"]}', /category must be text\.$/],
    ['{"question_id": 1, "category": " ", "turns": ["b"]}', /category is empty\.$/],
    ['{"question_id": 1, "category": "a", "turns": "b"}', /turns must be a list of messages\.$/],
    ['{"question_id": 1, "category": "a", "turns": []}', /turns has no message\.$/],
    ['{"question_id": 1, "category": "a", "turns": ["b", 2]}', /turns\.1 must be text\.$/],
    ['{"question_id": 1, "category": "a", "turns": ["b", ""]}', /turns\.1 is empty\.$/],
  ])("says which line is none, and why: %s", (line, message) => {
    try {
      readQuestions(`${LINE}\n\n${line}\n`);
      expect.unreachable();
    } catch (error) {
      if (!KVPolicyError.isInstance(error, "config")) throw error;
      expect(error.message).toMatch(message);
      expect(error.details).toEqual({ option: "questions", value: 3 });
    }
  });

  it("refuses a file of blank lines", () => {
    expect(() => readQuestions("\n \n")).toThrow(expect.objectContaining({ code: "empty" }));
  });
});

describe("builtInQuestions", () => {
  it("are 24 questions of two turns in 8 categories, none twice, and can be read back", () => {
    const lines = builtInQuestions.map(({ id, ...rest }) => JSON.stringify({ question_id: id, ...rest }));
    expect(readQuestions(lines.join("\n"))).toEqual(builtInQuestions);
    expect(new Set(builtInQuestions.map(({ id }) => id)).size).toBe(24);
    expect(new Set(builtInQuestions.map(({ category }) => category)).size).toBe(8);
    const turns = builtInQuestions.flatMap((question) => question.turns);
    expect(new Set(turns).size).toBe(48);
  });
});
