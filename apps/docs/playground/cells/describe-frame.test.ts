import { expect, test } from "vitest";

import type { PolicySetting } from "../policy-setting.js";
import { frameAt } from "./cell-roles.js";
import { describeFrame } from "./describe-frame.js";
import { simulate } from "./simulate.js";
import { tokenize } from "./tokenize.js";

const TEXT = tokenize("a b c d\ne f g h i j k l m n o p q r s t");

async function say(setting: Partial<PolicySetting>, budget: number, position: number): Promise<string> {
  const whole = { policy: "window", options: {}, ...setting };
  const turns = setting.wrappers?.includes("turn-aligned") ? [0] : [];
  const simulation = await simulate({ setting: whole, budget, text: TEXT, marks: { pinned: [], turns } });
  return describeFrame(frameAt(simulation, position), TEXT.tokens, budget);
}

test.each<[Partial<PolicySetting>, number, number, string]>([
  [{}, 8, 0, "Nothing is read yet: 8 cells are free."],
  [{}, 8, 5, "“↵” took cell 4. 3 cells are free."],
  [{}, 8, 7, "“f” took cell 6. 1 cell is free."],
  [{}, 8, 8, "“g” took the last free cell. The next token needs one to be freed."],
  [{}, 8, 9, "“h” needed a cell: “a” left. The 7 survivors keep their keys and values."],
  [
    { options: { stride: 3 } },
    8,
    9,
    "“h” needed a cell: 3 tokens left: “a”, “b” and “c”. The 5 survivors keep their keys and values.",
  ],
  [
    { policy: "recompute", options: { stride: 7 } },
    8,
    9,
    "“h” needed a cell: 7 tokens left: “a”, “b”, “c”, “d”, “↵”, “e” and “f”. The one survivor was evaluated again.",
  ],
  [
    { options: { stride: 8 } },
    8,
    9,
    "“h” needed a cell: 8 tokens left: “a”, “b”, “c”, “d”, “↵”, “e” and 2 more. No token survived.",
  ],
  [
    { wrappers: ["turn-aligned"] },
    8,
    9,
    "“h” needed a cell: “a” left. The 7 survivors keep their keys and values. Note: turn-aligned: the turn that is going on is larger than its room, and was cut.",
  ],
])("of %j with %i cells and %i tokens it says so", async (setting, budget, position, words) => {
  expect(await say(setting, budget, position)).toBe(words);
});
