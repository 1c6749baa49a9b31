import { execFile } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";

import type { KVCachePolicy } from "@kvpolicy/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const EXAMPLE = resolve("examples/custom-policy");
const PACKED = ["@kvpolicy/core", "@kvpolicy/conformance"] as const;

/** What npm and vitest tell their children would tie the copy to this repository; settings, a registry say, stay. */
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(npm_(package|lifecycle)_.*|npm_config_local_prefix|NODE_ENV|NODE_OPTIONS|VITEST.*)$/.test(name),
    ),
  ),
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((directory) => !directory.includes("node_modules"))
    .join(delimiter),
};

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let copy: string;

async function npm(cwd: string, ...words: string[]): Promise<string> {
  const failure = (error: unknown): never => {
    throw new Error(`npm ${words.join(" ")} failed:\n${outputOf(error as Output)}`, { cause: error });
  };
  return outputOf(await promisify(execFile)("npm", words, { cwd, env: environment }).catch(failure));
}

function outputOf({ stdout, stderr }: Output): string {
  return stripVTControlCharacters(stdout + stderr);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-example-"));
  copy = join(folder, "rare-tokens");
  cpSync(EXAMPLE, copy, {
    recursive: true,
    filter: (path) => !["node_modules", "dist"].includes(basename(path)),
  });
  await npm(".", "pack", ...PACKED.flatMap((name) => ["--workspace", name]), "--pack-destination", folder);
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  expect(tarballs).toHaveLength(PACKED.length);
  const options = ["--no-save", "--no-audit", "--no-fund", "--prefer-offline"];
  await npm(copy, "install", ...options, ...tarballs.map((name) => join("..", name)));
}, 90_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a copy of examples/custom-policy outside this repository", () => {
  test("takes the packed packages under the ranges that it names", async () => {
    const manifest = JSON.parse(await readFile(join(copy, "package.json"), "utf8")) as unknown;
    expect(manifest).toEqual(JSON.parse(await readFile(join(EXAMPLE, "package.json"), "utf8")));
    await npm(copy, "ls", "--all", ...PACKED);
    for (const name of PACKED) {
      const installed = join(copy, "node_modules", name);
      expect(existsSync(join(installed, "dist/index.js")), name).toBe(true);
    }
  });

  test("is typed", async () => {
    await npm(copy, "run", "typecheck");
  });

  test("passes its tests, the suite of laws among them", async () => {
    const output = await npm(copy, "run", "test", "--", "--reporter=verbose");
    expect(output).toMatch(/✓ .* rareTokens\(\): the laws of a policy .* goes on for ever within its budget/);
    const [, passed, all] = /^ *Tests +(\d+) passed \((\d+)\)$/m.exec(output) ?? [];
    expect(passed).toBe(all);
    expect(Number(passed)).toBeGreaterThan(40);
  });

  test("builds a module whose default export makes the policy", async () => {
    await npm(copy, "run", "build");
    const url = pathToFileURL(join(copy, "dist/index.js")).href;
    const { default: create } = (await import(url)) as { default: () => KVCachePolicy };
    expect(create().name).toBe("rare-tokens");
    expect(await readdir(join(copy, "dist"))).not.toContain("rare-tokens.test.js");
    expect(existsSync(join(copy, "dist/index.d.ts"))).toBe(true);
  });
});
