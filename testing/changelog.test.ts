import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

/*
 * What `changeset version` makes of the changesets of a small workspace, under the configuration and the changelog of this repository.
 */

const changeset = createRequire(import.meta.url).resolve("@changesets/cli/bin.js");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-changelog-"));
  await writeJson("package.json", {
    name: "some",
    private: true,
    version: "0.0.0",
    workspaces: ["packages/*"],
  });
  await writeJson("package-lock.json", { lockfileVersion: 3 });
  await writePackage("@kvpolicy/core");
  await writePackage("@kvpolicy/window", { dependencies: { "@kvpolicy/core": "^0.1.0" } });
  await writePackage("kvpolicy", { dependencies: { "@kvpolicy/window": "^0.1.0" } });
  await writePackage("example", { private: true, dependencies: { "@kvpolicy/core": "^0.1.0" } });
  await writePackage("@kvpolicy/docs", { private: true, dependencies: { "@kvpolicy/core": "^0.1.0" } });
  await mkdir(join(folder, ".changeset"));
  for (const name of ["config.json", "changelog.mjs"])
    await cp(join(".changeset", name), join(folder, ".changeset", name));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function writeJson(path: string, value: object): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), `${JSON.stringify(value, null, 2)}\n`);
}

function writePackage(name: string, more: object = {}): Promise<void> {
  return writeJson(`packages/${name.replace("@kvpolicy/", "")}/package.json`, {
    name,
    version: "0.1.0",
    ...more,
  });
}

async function version(changesets: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(changesets))
    await writeFile(join(folder, ".changeset", `${name}.md`), text);
  await promisify(execFile)(execPath, [changeset, "version"], { cwd: folder });
}

function read(path: string): Promise<string> {
  return readFile(join(folder, "packages", path), "utf8");
}

describe("the changelog of a package", () => {
  test("says its own changes, whole and without commits, and nothing of dependencies", async () => {
    await version({
      one: `---\n"@kvpolicy/window": minor\n---\n\nA window with a door.\n\n- It opens.\n- It closes.\n`,
      two: `---\n"@kvpolicy/window": patch\n"@kvpolicy/core": patch\n---\n\nRefuse an empty range.\n`,
    });
    expect(await read("window/CHANGELOG.md")).toBe(
      [
        "# @kvpolicy/window",
        "",
        "## 0.2.0",
        "",
        "### Minor Changes",
        "",
        "- A window with a door.",
        "",
        "  - It opens.",
        "  - It closes.",
        "",
        "### Patch Changes",
        "",
        "- Refuse an empty range.",
        "",
      ].join("\n"),
    );
    expect(await read("core/CHANGELOG.md")).toMatch(
      /## 0\.2\.0\n\n### Patch Changes\n\n- Refuse an empty range\.\n$/,
    );
  });

  test("says so when nothing of it has changed, in its place before the last release", async () => {
    await version({ one: `---\n"@kvpolicy/core": minor\n---\n\nA plan may carry a note.\n` });
    await version({ two: `---\n"kvpolicy": patch\n---\n\nName the nearest policy.\n` });
    const unchanged = "### Patch Changes\n\n- No changes of its own: released with the other packages.\n";
    expect(await read("window/CHANGELOG.md")).toBe(
      `# @kvpolicy/window\n\n## 0.2.1\n\n${unchanged}\n## 0.2.0\n\n${unchanged}`,
    );
    expect(await read("core/CHANGELOG.md")).toContain(`## 0.2.1\n\n${unchanged}\n## 0.2.0\n\n### Minor`);
  });

  test("goes with one version of all packages, and ranges that ask for it, in private ones too", async () => {
    await version({ one: `---\n"@kvpolicy/core": minor\n---\n\nA plan may carry a note.\n` });
    expect(JSON.parse(await read("kvpolicy/package.json"))).toMatchObject({
      version: "0.2.0",
      dependencies: { "@kvpolicy/window": "^0.2.0" },
    });
    for (const name of ["example", "docs"]) {
      expect(JSON.parse(await read(`${name}/package.json`)), name).toMatchObject({
        version: "0.1.0",
        dependencies: { "@kvpolicy/core": "^0.2.0" },
      });
      await expect(read(`${name}/CHANGELOG.md`), name).rejects.toThrow(/ENOENT/);
    }
  });
});
