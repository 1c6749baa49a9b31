import type { ChatHistoryItem } from "node-llama-cpp";
import { expect, test } from "vitest";

import { countCutExchanges } from "./count-cut-exchanges.js";

const system: ChatHistoryItem = { type: "system", text: "be kind" };
const user = (text: string): ChatHistoryItem => ({ type: "user", text });
const model = (...response: string[]): ChatHistoryItem => ({ type: "model", response });

const SAID = [
  system,
  user("one"),
  model("first"),
  user("two"),
  model("second"),
  user("three"),
  model("third"),
];
const [, ...exchanges] = SAID;

test.each<[string, ChatHistoryItem[], number]>([
  ["everything", SAID, 0],
  ["nothing", [], 0],
  ["whole exchanges", [system, ...exchanges.slice(2)], 0],
  ["an answer in other pieces", [system, ...exchanges.slice(2, 5), model("thi", "rd")], 0],
  ["half an answer", [system, user("one"), model("rst"), ...exchanges.slice(2)], 1],
  ["half a message", [system, user("e"), model("first"), ...exchanges.slice(2)], 1],
  ["an answer without its message", [system, ...exchanges.slice(1)], 1],
  ["a message without its answer", [system, ...exchanges.slice(0, 1), ...exchanges.slice(2)], 1],
  [
    "half of the first and of the last",
    [user("ne"), model("first"), ...exchanges.slice(2, 5), model("ird")],
    2,
  ],
])("of three exchanges, with %s left", (_, seen, cut) => {
  expect(countCutExchanges(seen, SAID)).toBe(cut);
});
