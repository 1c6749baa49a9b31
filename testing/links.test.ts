import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { anchorsOf, findBrokenLinks, readLinks } from "./links.js";

const pages = [
  ...readdirSync("."),
  ...["packages", "examples"]
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: "utf8" }).map(
        (path) => `${folder}/${path.replaceAll("\\", "/")}`,
      ),
    )
    .filter((path) => path.endsWith("/README.md") && !/\/(?:node_modules|dist)\//.test(path)),
  ...readdirSync("benchmarks").map((path) => `benchmarks/${path}`),
]
  .filter((path) => path.endsWith(".md"))
  .toSorted();

test("pages of every kind are looked through", () => {
  expect(pages).toEqual(
    expect.arrayContaining([
      "README.md",
      "CONTRIBUTING.md",
      "benchmarks/README.md",
      "packages/core/README.md",
    ]),
  );
});

describe.each(pages)("%s", (path) => {
  test("has no broken link", () => {
    expect(findBrokenLinks(path)).toEqual([]);
  });
});

describe("the links of a page", () => {
  test.each<[string, string[]]>([
    ['[a](b.md) and ![c](<d.svg>), [e](f#g "title")', ["b.md", "d.svg", "f#g"]],
    ["[`code`](packages/core) and [**b** `c`](d)", ["packages/core", "d"]],
    ["`[no](link)`, [yes](link)", ["link"]],
    ['<a href="one"><img src="two.svg" alt=""></a>', ["one", "two.svg"]],
    ["[name]: there.md", ["there.md"]],
    ["```\n[a](b.md)\n```", []],
    ["no link", []],
  ])("%j", (markdown, targets) => {
    expect(readLinks(markdown).map(({ target }) => target)).toEqual(targets);
  });

  test.each([
    ["missing.md", "there is no missing.md"],
    ["testing/missing/", "there is no testing/missing/"],
    ["#nowhere", "page.md has no heading #nowhere"],
    ["README.md#nowhere", "README.md has no heading #nowhere"],
    ["package.json#name", "package.json has no headings for #name"],
    ["/README.md", "/README.md begins at a root that GitHub and npm do not have"],
    ["https://github.com/kvpolicy/kvpolicy/blob/main/missing.md", "there is no missing.md"],
  ])("finds that %s is not there", (target, message) => {
    expect(findBrokenLinks("page.md", `# Page\n\n[a](${target})\n`)).toEqual([`page.md:3: ${message}`]);
  });

  test.each([
    "#a-page",
    "README.md",
    "README.md#policies",
    "packages/core",
    "https://github.com/kvpolicy/kvpolicy/tree/main/packages/core",
    "https://example.com/missing",
    "mailto:nobody@example.com",
  ])("passes %s", (target) => {
    expect(findBrokenLinks("page.md", `# A page\n\n[a](${target})\n`)).toEqual([]);
  });

  test("begin at the page", () => {
    expect(findBrokenLinks("packages/core/README.md", "[a](src/index.ts) [b](../cli) [c](index.ts)")).toEqual(
      ["packages/core/README.md:1: there is no packages/core/index.ts"],
    );
  });
});

test("headings get the anchors that GitHub gives them", () => {
  const markdown =
    "# A `code`, and: [more](x)!\n## Two words\n## Two words\n```\n# no\n```\n### Größe_2 – ja";
  expect(anchorsOf(markdown)).toEqual(["a-code-and-more", "two-words", "two-words-1", "größe_2--ja"]);
});
