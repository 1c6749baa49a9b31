import { describe, expect, test } from "vitest";

import { compilePolicy } from "./compile-policy.js";
import { PolicyCodeError } from "./policy-problem.js";
import { STARTING_POINTS } from "./starting-points.js";

const IMPORT = 'import { definePolicy } from "@kvpolicy/core";\n';
const FIFO = '({ name: "fifo", plan: ({ required }) => ({ evict: [{ start: 0, end: required }] }) })';

/** What is wrong with some code: the message, and the line behind it. */
function problemOf(source: string): string {
  try {
    compilePolicy(source);
  } catch (error) {
    if (error instanceof PolicyCodeError) return `${error.message} @${error.line ?? "?"}`;
    throw error;
  }
  return "none";
}

describe("a module that is a policy", () => {
  test.each(STARTING_POINTS)("$name: to begin with", ({ source }) => {
    const policy = compilePolicy(source)();
    expect(policy.name).toMatch(/^[a-z-]+$/);
    expect(typeof policy.plan).toBe("function");
  });

  test.each<[what: string, source: string]>([
    ["an expression", `${IMPORT}export default definePolicy${FIFO};`],
    [
      "an import of another name",
      `import { definePolicy as define } from "@kvpolicy/core"\nexport default define${FIFO}`,
    ],
    [
      "an import of everything",
      `import * as core from '@kvpolicy/core';\nexport default core.definePolicy${FIFO};`,
    ],
    ["an import behind its use", `export default definePolicy${FIFO};\n${IMPORT}`],
    [
      "an import over several lines",
      `import {\n  definePolicy,\n} from "@kvpolicy/core";\nexport default definePolicy${FIFO};`,
    ],
    ["a name of its own", `${IMPORT}export const fifo = definePolicy${FIFO};\nexport { fifo as default };`],
    [
      "a function that makes one",
      `${IMPORT}export default function make({ stride = 1 }) { return definePolicy${FIFO}; }`,
    ],
    [
      "an export between two statements",
      `${IMPORT}const fifo = definePolicy${FIFO}\nexport { fifo as default }\n(fifo)`,
    ],
    [
      "an import between two statements",
      `const fifo = () => core.definePolicy${FIFO}\nimport * as core from "@kvpolicy/core"\n(fifo)\nexport default fifo;`,
    ],
    [
      "a function without a name before a list",
      `export default function () { return core.definePolicy${FIFO} }\n[1].map(String)\nimport * as core from "@kvpolicy/core"`,
    ],
    [
      "a function with a name between two statements",
      `${IMPORT}const a = String\nexport default function make() { return definePolicy${FIFO} }\n[1].map(a)`,
    ],
    [
      "names that the compiler could have used",
      `${IMPORT}const modules = 1, exported = 2;\nexport default definePolicy${FIFO};`,
    ],
    ["an arrow that makes one", `${IMPORT}export default () => definePolicy${FIFO};`],
    [
      "another policy, wrapped",
      'import { pinned } from "@kvpolicy/pinned";\nimport { sinkWindow } from "@kvpolicy/sink-window";\nexport default pinned(sinkWindow());',
    ],
  ])("%s", (_, source) => {
    expect(problemOf(source)).toBe("none");
    expect(compilePolicy(source)().name).toMatch(/fifo|pinned/);
  });

  test("is run anew for every instance", () => {
    const create = compilePolicy(
      `${IMPORT}let asked = 0;\nexport default definePolicy({ name: "counts", plan: () => ({ evict: [{ start: 0, end: (asked += 1) }] }) });`,
    );
    const ends = [create(), create()].map((policy) => policy.plan({} as never)?.evict[0]?.end);
    expect(ends).toEqual([1, 1]);
  });

  test("is strict, and sees nothing of the page that compiles it", () => {
    expect(problemOf(`undeclared = 1;\n${IMPORT}export default definePolicy${FIFO};`)).toMatch(
      /The module threw: undeclared is not defined\. @1/,
    );
    expect(
      problemOf(`${IMPORT}export default definePolicy({ ...${FIFO}, name: typeof compilePolicy });`),
    ).toBe("none");
    expect(
      compilePolicy(`${IMPORT}export default definePolicy({ ...${FIFO}, name: typeof compilePolicy });`)()
        .name,
    ).toBe("undefined");
  });
});

describe("code that is none", () => {
  test.each<[what: string, source: string, problem: RegExp]>([
    ["nothing", "", /The module exports nothing: write "export default" before the policy\. @\?/],
    [
      "no default",
      `${IMPORT}export const fifo = definePolicy${FIFO}, a = 1;`,
      /exports fifo, a and no default/,
    ],
    [
      "a syntax error",
      `${IMPORT}\nexport default definePolicy({\n  plan: (view) => (1 + ;\n});`,
      /This is no JavaScript: .*';'\. @4/,
    ],
    [
      "an open bracket",
      `${IMPORT}export default definePolicy({\n  plan: () => {\n`,
      /This is no JavaScript: .* @4/,
    ],
    [
      "a name twice",
      "const a = 1;\nconst a = 2;\nexport default a;",
      /This is no JavaScript: .*'a' has already been declared/,
    ],
    [
      "another package",
      'import x from "lodash";',
      /"lodash" cannot be imported here; what can be is @kvpolicy\/core, .* @1/,
    ],
    ["a member of every object", 'import { a } from "constructor";', /"constructor" cannot be imported here/],
    [
      "a name that is not there",
      `\nimport { fifo } from "@kvpolicy/core";`,
      /@kvpolicy\/core exports no "fifo"\. @2/,
    ],
    [
      "a default import",
      'import core from "@kvpolicy/core";',
      /@kvpolicy\/core has no default export: write its names between braces\. @1/,
    ],
    [
      "import()",
      '\n\nexport default await import("x");',
      /import\(\) loads a file, and there are none here.* @3/,
    ],
    [
      "an export from elsewhere",
      'export { definePolicy as default } from "@kvpolicy/core";',
      /cannot be exported again here.* @1/,
    ],
    [
      "what throws behind an import of several lines",
      'import {\n  definePolicy,\n} from "@kvpolicy/core";\nnull.a;\nexport default 1;',
      /The module threw: .*null.* @4/,
    ],
    ["what throws", `${IMPORT}\nconst { a } = null;\nexport default 1;`, /The module threw: .*null.* @3/],
    [
      "what a core function refuses",
      `${IMPORT}\nexport default definePolicy({ name: "" });`,
      /The module threw: A policy needs a name\. @3/,
    ],
    [
      "no policy",
      "export default { name: 'fifo' };",
      /The module exports no policy: .*it has no function plan/,
    ],
    ["a plan alone", "export default (view) => null;", /The module exports no policy: /],
    ["a promise", "export default async () => null;", /The module exports no policy: .*it is a promise/],
  ])("%s", (_, source, problem) => {
    expect(problemOf(source)).toMatch(problem);
  });
});
