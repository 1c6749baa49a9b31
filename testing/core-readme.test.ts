import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const readme = readFileSync("packages/core/README.md", "utf8");

/** Names of an interface's members. */
function membersOf(path: string, interfaceName: string): string[] {
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022);
  const declaration = file.statements
    .filter(ts.isInterfaceDeclaration)
    .find(({ name }) => name.text === interfaceName);
  return (declaration?.members ?? []).map(({ name }) => {
    if (name && (ts.isIdentifier(name) || ts.isStringLiteral(name))) return name.text;
    throw new Error(`a member of ${interfaceName} has no plain name`);
  });
}

/** The names in code marks in the first column of the table under a heading. */
function namesInTable(heading: string): string[] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/`([\w-]+)/g)].map(([, name]) => name!));
}

describe("the README of @kvpolicy/core", () => {
  test("lists every error code", () => {
    expect(namesInTable("Errors")).toEqual(membersOf("packages/core/src/errors.ts", "ErrorDetails"));
  });

  test("lists every member of a backend", () => {
    expect(namesInTable("Writing a backend")).toEqual(
      membersOf("packages/core/src/backend.ts", "KVCacheBackend"),
    );
  });

  test("shows the example that the source shows", () => {
    const example = /export const fifo = definePolicy\(\{[\s\S]*?\}\);/;
    const documented = readFileSync("packages/core/src/policy.ts", "utf8").replaceAll(/^ \* /gm, "");
    expect(example.exec(readme)?.[0]).toBeDefined();
    expect(example.exec(readme)?.[0]).toBe(example.exec(documented)?.[0]);
  });
});
