import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { weighBundles } from "./browser-bundles.js";
import { writeFixture, type FixtureChanges } from "./fixture-package.js";
import { packPackages, publicPackages, type PackedPackage } from "./packages.js";
import { publintFaults, typeResolutionFaults } from "./publication-lint.js";
import { runCommand } from "./run-command.js";
import { tarballFaults } from "./tarball-faults.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvpolicy-release-check-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function packFixture(changes?: FixtureChanges): Promise<PackedPackage> {
  const fixture = await writeFixture(join(folder, "package"), changes);
  await runCommand({ cwd: folder }, "tar", "-czf", fixture.tarball, "package");
  return fixture;
}

describe("the linters of a tarball", () => {
  test("let a sound one pass", async () => {
    const fixture = await packFixture();
    expect([...(await publintFaults(fixture)), ...(await typeResolutionFaults(fixture))]).toEqual([]);
  });

  test("name a path of types that leads nowhere", async () => {
    const exports = { ".": { types: "./dist/types.d.ts", default: "./dist/index.js" } };
    const fixture = await packFixture({ manifest: { exports } });
    expect((await publintFaults(fixture)).join("\n")).toMatch(
      /^@kvpolicy\/sound: .*types\.d\.ts.* does not exist/,
    );
    expect((await typeResolutionFaults(fixture)).join("\n")).toMatch(
      /^@kvpolicy\/sound: .*FallbackCondition/,
    );
  });

  test("name types that lead on to what is not there", async () => {
    const fixture = await packFixture({ files: { "dist/index.d.ts": `export { one } from "./one";` } });
    expect((await typeResolutionFaults(fixture)).join("\n")).toMatch(
      /^@kvpolicy\/sound: .*InternalResolutionError/,
    );
  });

  test("name a package without types", async () => {
    const exports = { ".": { default: "./dist/index.js" } };
    const fixture = await packFixture({ manifest: { exports }, files: { "dist/index.d.ts": undefined } });
    expect((await typeResolutionFaults(fixture)).join("\n")).toMatch(
      /^@kvpolicy\/sound: (.*UntypedResolution|has no types)/,
    );
  });
});

describe("the packages of this repository", () => {
  test("are packed without fault, core and a policy", async () => {
    const place = { cwd: process.cwd() };
    const names = await publicPackages(place);
    expect(names).toEqual(expect.arrayContaining(["@kvpolicy/core", "@kvpolicy/sink-window", "kvpolicy"]));
    expect(names).not.toContain("rare-tokens");
    const packages = await packPackages(place, ["@kvpolicy/core", "@kvpolicy/sink-window"], folder);
    expect(tarballFaults(packages)).toEqual([]);
    expect(packages.map(({ size }) => size > 1000)).toEqual([true, true]);
  });
});

describe("a bundle for a browser", () => {
  test("is refused when a package reaches for Node", async () => {
    const modules = join(folder, "node_modules", "@kvpolicy");
    for (const name of ["core", "sink-window", "reference-backend"]) {
      const exports = { ".": { default: "./dist/index.js" } };
      await writeFixture(join(modules, name), {
        manifest: { name: `@kvpolicy/${name}`, exports },
        files: { "dist/index.js": `export const ${name.replace("-", "")} = 1;` },
      });
    }
    expect(await weighBundles(folder)).toMatch(/core \+ sink-window: 0\.\d KiB minified/);
    await writeFixture(join(modules, "core"), { files: { "dist/index.js": `export * from "node:fs";` } });
    await expect(weighBundles(folder)).rejects.toThrow(
      /in a browser: .*node:fs.*core[\\/]dist[\\/]index\.js/,
    );
  });
});
