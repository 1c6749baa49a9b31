import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { checkSnippets, countSnippets, snippetPages, type Page } from "./snippets.js";

interface Example {
  readonly name: string;
  /** Lines of a page. */
  readonly page: readonly string[];
  /** What is found, as `line: the message's beginning`. */
  readonly problems: readonly string[];
}

const WRONG_TYPE = "Type 'string' is not assignable to type 'number'.";

/** A file with lines to repeat, which has to be there, and its first lines. */
const FILE = "testing/markdown.ts";
const fileLines = readFileSync(FILE, "utf8").split("\n");

const examples: readonly Example[] = [
  {
    name: "passes what compiles by itself",
    page: ["# Page", "", "```ts", 'import { dense } from "@kvpolicy/dense";', "await dense();", "```"],
    problems: [],
  },
  {
    name: "passes what is not TypeScript",
    page: ["```js", "let = 1", "```", "~~~", "```ts", "~~~"],
    problems: [],
  },
  {
    name: "finds a wrong type, in its line",
    page: ["", "```ts", "", 'export const count: number = "1";', "```"],
    problems: [`4: ${WRONG_TYPE}`],
  },
  {
    name: "finds it in a block of a list, too",
    page: ["- item", "  ```ts", '  export const count: number = "1";', "  ```"],
    problems: [`3: ${WRONG_TYPE}`],
  },
  {
    name: "finds what is no syntax",
    page: ["```ts", "export const one = ;", "```"],
    problems: ["2: Expression expected."],
  },
  {
    name: "finds a name that a package does not export",
    page: ["```ts", 'import { sinks } from "@kvpolicy/sink-window";', "```"],
    problems: ["2: Module '\"@kvpolicy/sink-window\"' has no exported member 'sinks'."],
  },
  {
    name: "finds what was not given",
    page: ["```ts", "console.log(book);", "```"],
    problems: ["2: Cannot find name 'book'."],
  },
  {
    name: "takes what is given",
    page: ["<!-- given: declare const book: string; -->", "", "```ts", "console.log(book.length);", "```"],
    problems: [],
  },
  {
    name: "takes it from several comments, and only for the block behind them",
    page: [
      '<!-- given: import type { LlamaModel } from "node-llama-cpp"; -->',
      "<!-- given: declare const model: LlamaModel; -->",
      "```ts",
      "model.tokenize('');",
      "```",
      "```ts",
      "model.tokenize('');",
      "```",
    ],
    problems: ["7: Cannot find name 'model'."],
  },
  {
    name: "checks what is given",
    page: ["<!-- given: declare const book: Book; -->", "```ts", "console.log(book);", "```"],
    problems: ["1: Cannot find name 'Book'."],
  },
  {
    name: "goes on in the module of the block before",
    page: ["```ts", "const one = 1;", "```", "Then:", "<!-- continues -->", "```ts", "one.trim();", "```"],
    problems: ["7: Property 'trim' does not exist on type '1'."],
  },
  {
    name: "refuses to go on from nothing",
    page: ["<!-- continues -->", "```ts", "one.trim();", "```"],
    problems: ["2: there is no module before this block that it could continue"],
  },
  {
    name: "refuses to go on from a block that is compiled elsewhere",
    page: [
      `<!-- from: ${FILE} -->`,
      "```ts",
      fileLines[0]!,
      "```",
      "<!-- continues -->",
      "```ts",
      "1;",
      "```",
    ],
    problems: ["6: there is no module before this block that it could continue"],
  },
  {
    name: "passes lines of a file as they are",
    page: [`<!-- from: ${FILE} -->`, "```ts", ...fileLines.slice(3, 12), "```"],
    problems: [],
  },
  {
    name: "finds a line that is not in the file",
    page: [`<!-- from: ${FILE} -->`, "```ts", fileLines[0]!, "const old = 1;", "```"],
    problems: [`2: not in ${FILE}: const old = 1;`],
  },
  {
    name: "finds a half of a line",
    page: [`<!-- from: ${FILE} -->`, "```ts", fileLines[1]!.slice(0, 30), "```"],
    problems: [`2: not in ${FILE}: `],
  },
  {
    name: "finds a gap",
    page: [`<!-- from: ${FILE} -->`, "```ts", fileLines[0]!, fileLines[2]!, "```"],
    problems: [`2: its lines are in ${FILE}, but not one after the other`],
  },
  {
    name: "finds that the file is not there",
    page: ["<!-- from: nowhere.ts -->", "```ts", "export {};", "```"],
    problems: ["2: there is no file nowhere.ts"],
  },
  {
    name: "refuses another comment on lines of a file",
    page: [`<!-- from: ${FILE} -->`, "<!-- given: const a = 1; -->", "```ts", fileLines[0]!, "```"],
    problems: ["3: a block from a file has no other comment"],
  },
  ...["typescript", "ts {1}", "ts twoslash", "TS", "tsx", "mts [main.mts]"].map((info) => ({
    name: `refuses ${info}`,
    page: [`\`\`\`${info}`, "export {};", "```"],
    problems: [`1: "${info}" is not checked: call the block "ts"`],
  })),
  ...["Text.", "```js\n```", ""].map((next) => ({
    name: `refuses a comment before ${JSON.stringify(next)}`,
    page: ["<!-- continues -->", next],
    problems: ["1: the comment is not followed by a block of ts"],
  })),
  ...["<!-- given declare const a: 1; -->", "<!-- given: a", "<!-- from -->", "<!-- from:  -->"].map(
    (comment) => ({
      name: `refuses ${comment}`,
      page: [comment, "```ts", "export {};", "```"],
      problems: ["1: the comment cannot be read"],
    }),
  ),
  {
    name: "finds that a block does not end",
    page: ["```ts", "export {};"],
    problems: ["1: the block has no end"],
  },
  { name: "finds that a block is empty", page: ["```ts", "```"], problems: ["1: the block is empty"] },
];

const pages = snippetPages();
const examplePages = examples.map(({ page }, index): Page => ({
  path: `example-${index}.md`,
  markdown: page.join("\n"),
}));
// Setting up the compiler takes longer than all pages: they share one program.
const problems = checkSnippets([...pages, ...examplePages]);

function problemsOf({ path }: Page): string[] {
  return problems.filter((problem) => problem.startsWith(`${path}:`));
}

describe("the check of snippets", () => {
  test.each(examples.map((example, index) => ({ ...example, path: examplePages[index]! })))(
    "$name",
    ({ path, problems: expected }) => {
      const found = problemsOf(path).map((problem) => problem.slice(path.path.length + 1));
      expect(found).toEqual(expected.map((problem) => expect.stringContaining(problem) as string));
    },
  );

  test("finds nothing outside the pages", () => {
    const known = [...pages, ...examplePages];
    expect(problems.filter((problem) => !known.some(({ path }) => problem.startsWith(`${path}:`)))).toEqual(
      [],
    );
  });
});

test("pages of every kind have snippets", () => {
  const withSnippets = pages.filter((page) => countSnippets(page) > 0).map(({ path }) => path);
  expect(withSnippets).toEqual(
    expect.arrayContaining(["README.md", "packages/core/README.md", "packages/policies/window/README.md"]),
  );
});

describe.each(pages)("the snippets of $path", (page) => {
  test("compile", () => {
    expect(problemsOf(page)).toEqual([]);
  });
});
