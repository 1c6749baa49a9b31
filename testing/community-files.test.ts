import { readdirSync, readFileSync } from "node:fs";

import { format } from "prettier";
import { describe, expect, test } from "vitest";

const TEMPLATES = ".github/ISSUE_TEMPLATE";
const forms = readdirSync(TEMPLATES).filter((name) => name !== "config.yml");

function read(path: string): string {
  return readFileSync(path, "utf8");
}

/** Keys that begin a line at an indentation, in their order. */
function keysOf(yaml: string, indentation = ""): string[] {
  return [...yaml.matchAll(new RegExp(`^${indentation}(?:- )?([\\w-]+):`, "gm"))].map(([, key]) => key!);
}

/** Refuses what is no YAML. */
async function parse(path: string): Promise<string> {
  const text = read(path);
  await format(text, { parser: "yaml" });
  return text;
}

describe("CITATION.cff", () => {
  test("has what the Citation File Format 1.2.0 asks for, once each", async () => {
    const keys = keysOf(await parse("CITATION.cff"));
    expect(keys).toEqual(expect.arrayContaining(["cff-version", "message", "title", "authors"]));
    expect(new Set(keys).size).toBe(keys.length);
    expect(read("CITATION.cff")).toMatch(/^cff-version: 1\.2\.0$/m);
  });

  test("is under the licence of the packages, and cites the paper", () => {
    const { license } = JSON.parse(read("package.json")) as { license: string };
    const citation = read("CITATION.cff");
    expect(citation).toMatch(new RegExp(`^license: ${license}$`, "m"));
    const references = citation.slice(citation.indexOf("\nreferences:\n"));
    expect(references).toContain("title: Efficient Streaming Language Models with Attention Sinks");
    expect(references).toContain("https://arxiv.org/abs/2309.17453");
    expect(references.match(/family-names:/g)).toHaveLength(5);
  });
});

describe.each(forms)("the issue form %s", (name) => {
  test("has a name, a description and a body whose fields have labels and their own ids", async () => {
    const form = await parse(`${TEMPLATES}/${name}`);
    expect(keysOf(form)).toEqual(expect.arrayContaining(["name", "description", "body"]));
    const fields = form.split(/^ {2}- type: /m).slice(1);
    expect(fields.length).toBeGreaterThan(0);
    for (const field of fields) {
      expect(field).toMatch(/^(input|textarea|dropdown|checkboxes)\n/);
      expect(field).toMatch(/^ {6}label: \S/m);
    }
    const ids = [...form.matchAll(/^ {4}id: (\S+)$/gm)].map(([, id]) => id);
    expect(ids).toHaveLength(fields.length);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("the commands that CONTRIBUTING.md names are there", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> };
  const named = [...read("CONTRIBUTING.md").matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script!);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
});
