import { readdirSync, readFileSync } from "node:fs";
import { createStream, type KVCachePolicy, type Mark } from "@kvpolicy/core";
import { FakeBackend } from "@kvpolicy/core/testing";
import { dense } from "@kvpolicy/dense";
import { dispersed } from "@kvpolicy/dispersed";
import { headTail } from "@kvpolicy/head-tail";
import { pinned } from "@kvpolicy/pinned";
import { recompute } from "@kvpolicy/recompute";
import { separator } from "@kvpolicy/separator";
import { sinkWindow } from "@kvpolicy/sink-window";
import { surprise } from "@kvpolicy/surprise";
import { turnAligned } from "@kvpolicy/turn-aligned";
import { window } from "@kvpolicy/window";
import { describe, expect, test } from "vitest";

interface Picture {
  readonly directory: string;
  /** The first line of the picture. */
  readonly title: string;
  readonly policy: KVCachePolicy;
  readonly bos?: number;
  readonly marks?: readonly Mark[];
  /** The tokens that fill the cache. A row `token` shows them, a row `nll` the likelihoods of all but the first in whole nats. */
  readonly tokens?: readonly number[];
}

const BUDGET = 8;

const pictures: readonly Picture[] = [
  { directory: "dense", title: "dense() with a budget of 8", policy: dense() },
  {
    directory: "window",
    title: "window({ window: 8, stride: 2 })",
    policy: window({ window: 8, stride: 2 }),
  },
  {
    directory: "sink-window",
    title: "sinkWindow({ sinks: 2, window: 6, stride: 2 })",
    policy: sinkWindow({ sinks: 2, window: 6, stride: 2 }),
  },
  {
    directory: "recompute",
    title: "recompute({ window: 8, stride: 2 })",
    policy: recompute({ window: 8, stride: 2 }),
    bos: 50,
  },
  {
    directory: "separator",
    title: "separator({ separatorTokens: [9], sinks: 1, separators: 2, window: 5, stride: 2 })",
    policy: separator({ separatorTokens: [9], sinks: 1, separators: 2, window: 5, stride: 2 }),
    tokens: [5, 9, 9, 3, 9, 4, 6, 2],
  },
  {
    directory: "surprise",
    title: "surprise({ sinks: 1, surprises: 2, window: 5, stride: 2 })",
    policy: surprise({ sinks: 1, surprises: 2, window: 5, stride: 2 }),
    tokens: [0, 89, 14, 93, 13, 87, 13, 12],
  },
  {
    directory: "dispersed",
    title: "dispersed({ sinks: 1, anchors: 2, spacing: 2, window: 5, stride: 2 })",
    policy: dispersed({ sinks: 1, anchors: 2, spacing: 2, window: 5, stride: 2 }),
  },
  {
    directory: "head-tail",
    title: "headTail({ head: 0.5, stride: 2 }) with a budget of 8",
    policy: headTail({ head: 0.5, stride: 2 }),
  },
  {
    directory: "pinned",
    title: "pinned(sinkWindow({ sinks: 1, window: 7, stride: 2 })), with 0 to 2 pinned",
    policy: pinned(sinkWindow({ sinks: 1, window: 7, stride: 2 })),
    marks: [{ name: "pinned", start: 0, end: 3 }],
  },
  {
    directory: "turn-aligned",
    title: "turnAligned(sinkWindow({ sinks: 1, window: 7, stride: 2 })), with turns that begin at 1, 5 and 7",
    policy: turnAligned(sinkWindow({ sinks: 1, window: 7, stride: 2 })),
    marks: [1, 5, 7].map((start) => ({ name: "turn", start, end: start + 1 })),
  },
];

/** The numbers after a row's name, up to its remark, which stands at least three spaces off. */
function numbersIn(picture: string, row: string): number[] {
  const numbers = new RegExp(`^${row} +(\\d+(?: {1,2}\\d+)*)`, "m").exec(picture)?.[1];
  if (numbers === undefined) throw new Error(`the picture has no row "${row}"`);
  return numbers.split(/ +/).map(Number);
}

test("every policy has a picture", () => {
  expect(pictures.map(({ directory }) => directory).toSorted()).toEqual(
    readdirSync("packages/policies").toSorted(),
  );
});

describe.each(pictures)("the picture of $directory", ({ directory, title, policy, bos, ...given }) => {
  test("shows what the policy does", async () => {
    const readme = readFileSync(`packages/policies/${directory}/README.md`, "utf8");
    const picture = /^```text\n([\s\S]*?)^```/m.exec(readme)?.[1] ?? "";
    expect(picture.split("\n")[0]).toBe(title);
    const stream = createStream({ backend: new FakeBackend(), policy, budget: BUDGET, bos });
    const { marks = [], tokens = new Uint32Array(BUDGET - stream.position) } = given;
    for (const { name, ...range } of marks) stream.mark(name, range);
    const nlls = await stream.score(tokens);
    expect(numbersIn(picture, "cell")).toEqual([...Array(BUDGET).keys()]);
    expect(numbersIn(picture, "before")).toEqual([...stream.cells().positions]);
    if (/^token /m.test(picture)) expect(numbersIn(picture, "token")).toEqual([...tokens]);
    if (/^nll /m.test(picture)) expect(numbersIn(picture, "nll")).toEqual([...nlls].slice(1).map(Math.round));
    const appended = await stream.append([0]).then(
      () => "appended",
      (error: unknown) => (error as { code: string }).code,
    );
    expect(numbersIn(picture, "after")).toEqual([...stream.cells().positions]);
    if (appended !== "appended") expect(picture).toContain(appended);
  });
});
