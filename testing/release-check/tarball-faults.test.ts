import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { writeFixture, type FixtureChanges } from "./fixture-package.js";
import { tarballFaults } from "./tarball-faults.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-tarball-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function faultsOf(changes?: FixtureChanges, coreVersion = "1.2.3"): Promise<string[]> {
  const core = { name: "@kvpolicy/core", version: coreVersion, dependencies: {} };
  return tarballFaults([
    await writeFixture(join(folder, "core"), { manifest: core }),
    await writeFixture(join(folder, "sound"), changes),
  ]);
}

describe("the content of a tarball", () => {
  test("is not found fault with where there is none", async () => {
    expect(await faultsOf()).toEqual([]);
  });

  test.each<[string, FixtureChanges]>([
    ["README.md is missing", { files: { "README.md": undefined } }],
    ["LICENSE is missing", { files: { LICENSE: undefined } }],
    [
      "dist is missing",
      {
        files: { "dist/index.js": undefined, "dist/index.js.map": undefined, "dist/index.d.ts": undefined },
      },
    ],
    ["notes/plan.md does not belong there", { files: { "notes/plan.md": "" } }],
    ["src/index.test.ts is a test", { files: { "src/index.test.ts": "" } }],
    ["dist/index.llama.test.js is a test", { files: { "dist/index.llama.test.js": "" } }],
    [
      `dist/index.js names ${process.cwd()}/, a folder of this machine`,
      { files: { "dist/index.js": `// ${process.cwd()}/src/index.ts` } },
    ],
    [
      `README.md names ${homedir()}/, a folder of this machine`,
      { files: { "README.md": `See ${homedir()}/notes.` } },
    ],
    [
      "dist/index.js.map leads to src/index.ts, which is not packed",
      { files: { "src/index.ts": undefined, "src/other.ts": "" } },
    ],
    ["takes left from workspace:^", { manifest: { optionalDependencies: { left: "workspace:^" } } }],
    ["takes left from file:../left", { manifest: { devDependencies: { left: "file:../left" } } }],
    [
      "takes @kvpolicy/core ^1.2.2, but ^1.2.3 is what is released",
      { manifest: { dependencies: { "@kvpolicy/core": "^1.2.2" } } },
    ],
    [
      "takes @kvpolicy/core *, but ^1.2.3 is what is released",
      { manifest: { peerDependencies: { "@kvpolicy/core": "*" } } },
    ],
    [
      "dist/index.js imports left/pad, which is no dependency",
      { files: { "dist/index.js": `export * from "left/pad";` } },
    ],
    [
      "dist/index.js imports left, which is no dependency",
      { files: { "dist/index.js": `export const left = () => import("left");` } },
    ],
    [
      "dist/index.d.ts imports left, which is no dependency",
      {
        files: { "dist/index.d.ts": `export type { Left } from "left";` },
        manifest: { devDependencies: { left: "1" } },
      },
    ],
  ])("is refused: %s", async (fault, changes) => {
    expect(await faultsOf(changes)).toEqual([`@kvpolicy/sound: ${fault}`]);
  });

  test("is of one version in all packages", async () => {
    expect(await faultsOf({ manifest: { dependencies: { "@kvpolicy/core": "^2.0.0" } } }, "2.0.0")).toEqual([
      "the packages are released together, but have the versions 2.0.0, 1.2.3",
    ]);
  });
});
