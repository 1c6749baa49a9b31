import { KVPolicyError, type KVCachePolicy } from "@kvpolicy/core";
import * as dense from "@kvpolicy/dense";
import * as dispersed from "@kvpolicy/dispersed";
import * as headTail from "@kvpolicy/head-tail";
import * as pinned from "@kvpolicy/pinned";
import * as recompute from "@kvpolicy/recompute";
import * as separator from "@kvpolicy/separator";
import * as sinkWindow from "@kvpolicy/sink-window";
import * as surprise from "@kvpolicy/surprise";
import * as turnAligned from "@kvpolicy/turn-aligned";
import * as window from "@kvpolicy/window";
import { transform } from "esbuild";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { codeOf, createPolicy, findSettingProblem, POLICY_NAMES, WRAPPERS } from "./policies.js";
import type { PolicySetting } from "./policy-setting.js";

const VOCABULARY = ["the", ".", "sea", ";", "!"];
const findTokens = (isWanted: (text: string) => boolean): number[] =>
  VOCABULARY.flatMap((text, id) => (isWanted(text) ? [id] : []));

const SETTINGS: readonly PolicySetting[] = [
  ...POLICY_NAMES.map((policy) => ({ policy, options: {} })),
  { policy: "sink-window", options: { sinks: 2, stride: "half" } },
  { policy: "sink-window", options: { sinks: 1, window: 15 }, wrappers: ["turn-aligned", "pinned"] },
  { policy: "window", options: { stride: 3 }, wrappers: ["pinned"] },
  { policy: "recompute", options: { head: "none", stride: 4 } },
  { policy: "head-tail", options: { head: 0.25 }, wrappers: ["turn-aligned"] },
  { policy: "separator", options: { sinks: 1, separators: 3, separatorTokens: "; !" } },
  { policy: "dispersed", options: { anchors: 3, spacing: 2 } },
  { policy: "surprise", options: { surprises: 3, halfLife: 1.5 } },
];

test("every package of a policy can be chosen", () => {
  const packages = readdirSync(new URL("../../../packages/policies", import.meta.url));
  const known = [...POLICY_NAMES, ...WRAPPERS.map(({ name }) => name)];
  expect(known.sort()).toEqual(packages.sort());
});

describe("createPolicy", () => {
  test("makes the policy that the code makes", () => {
    expect(createPolicy({ policy: "sink-window", options: { sinks: 2, stride: "half" } }).describe()).toEqual(
      sinkWindow.sinkWindow({ sinks: 2, stride: "half" }).describe(),
    );
  });

  test("puts pinned outside, in whatever order the wrappers are named", () => {
    const wanted = pinned.pinned(turnAligned.turnAligned(window.window())).describe();
    const wrappers = ["pinned", "turn-aligned"] as const;
    expect(createPolicy({ policy: "window", options: {}, wrappers }).describe()).toEqual(wanted);
    expect(
      createPolicy({ policy: "window", options: {}, wrappers: [...wrappers].reverse() }).describe(),
    ).toEqual(wanted);
  });

  test.each([
    ["", 3],
    ["; !", 2],
    [". ; ! ?", 3],
  ])("finds the separators %j in the vocabulary", (separatorTokens, count) => {
    const policy = createPolicy({ policy: "separator", options: { separatorTokens } }, findTokens);
    expect(policy.describe().options).toMatchObject({ separatorTokenCount: count });
  });

  test.each<[string, PolicySetting, RegExp]>([
    ["an unknown policy", { policy: "lru", options: {} }, /no policy "lru"; known are sink-window/],
    ["an unknown option", { policy: "window", options: { sinks: 1 } }, /window has no option "sinks"/],
    ["text for a number", { policy: "sink-window", options: { sinks: "some" } }, /sinks must be a whole/],
    ["a bad stride", { policy: "window", options: { stride: 0 } }, /stride must be a whole number of at/],
    ["separators that no token is", { policy: "separator", options: { separatorTokens: "§" } }, /is empty/],
  ])("refuses %s", (_, setting, message) => {
    expect(() => createPolicy(setting, findTokens)).toThrow(message);
    expect(() => createPolicy(setting, findTokens)).toThrow(KVPolicyError);
  });
});

describe("findSettingProblem", () => {
  test("says nothing of what works", () => {
    expect(findSettingProblem({ policy: "sink-window", options: {} }, 16)).toBeUndefined();
  });

  test("says why options cannot work", () => {
    expect(findSettingProblem({ policy: "sink-window", options: { sinks: -1 } })).toMatch(/sinks must be/);
  });

  test("says why a budget cannot work", () => {
    expect(findSettingProblem({ policy: "sink-window", options: { sinks: 4 } }, 4)).toBe(
      "sink-window: with a budget of 4, 4 sinks leave no room for a window.",
    );
  });
});

describe("codeOf", () => {
  test.each(SETTINGS.map((setting) => [JSON.stringify(setting), setting] as const))(
    "answers code that makes the policy of %s",
    async (_, setting) => {
      const { policy, budget } = await evaluate(codeOf(setting, 16));
      expect(policy.describe()).toEqual(createPolicy(setting, findTokens).describe());
      expect(budget).toBe(16);
    },
  );

  test("imports what it names from the packages, in order", () => {
    expect(codeOf({ policy: "window", options: {}, wrappers: ["pinned"] }, 8)).toBe(
      [
        'import { openStream } from "@kvpolicy/llamacpp-adapter";',
        'import { pinned } from "@kvpolicy/pinned";',
        'import { window } from "@kvpolicy/window";',
        "",
        "const policy = pinned(window());",
        "await using stream = await openStream(model, { policy, budget: 8 });",
        "",
      ].join("\n"),
    );
  });
});

interface Opened {
  readonly policy: KVCachePolicy;
  readonly budget: number;
}

/** Runs the code with the real policies, and an `openStream` that answers what it is given. */
async function evaluate(code: string): Promise<Opened> {
  const opened: Opened[] = [];
  const modules: Readonly<Record<string, object>> = {
    "@kvpolicy/dense": dense,
    "@kvpolicy/dispersed": dispersed,
    "@kvpolicy/head-tail": headTail,
    "@kvpolicy/pinned": pinned,
    "@kvpolicy/recompute": recompute,
    "@kvpolicy/separator": separator,
    "@kvpolicy/sink-window": sinkWindow,
    "@kvpolicy/surprise": surprise,
    "@kvpolicy/turn-aligned": turnAligned,
    "@kvpolicy/window": window,
    "@kvpolicy/llamacpp-adapter": {
      findTokens: (_: unknown, isWanted: (text: string) => boolean) => findTokens(isWanted),
      openStream: (_: unknown, options: Opened) => {
        opened.push(options);
        return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
      },
    },
  };
  const body = code.replace(/^import \{ (.*) \} from (".*");$/gm, (line, names: string, from: string) => {
    const specifier = JSON.parse(from) as string;
    const missing = names.split(", ").filter((name) => !(name in (modules[specifier] ?? {})));
    expect(missing, line).toEqual([]);
    return `const { ${names} } = modules[${from}];`;
  });
  // `await using` is younger than the oldest Node.js that this runs on.
  const { code: lowered } = await transform(`async function run(modules, model) {\n${body}\n}`, {
    loader: "ts",
    target: "es2022",
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code under test is code
  const run = new Function("modules", "model", `${lowered}\nreturn run(modules, model);`) as (
    modules: object,
    model: object,
  ) => Promise<void>;
  await run(modules, {});
  const [only] = opened;
  if (!only)
    throw new KVPolicyError({ code: "empty", message: "Nothing was opened.", details: { what: "code" } });
  return only;
}
