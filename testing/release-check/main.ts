import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { weighBundles } from "./browser-bundles.js";
import { checkTypes, installConsumer, runConsumer, runKvpolicy } from "./consumer-project.js";
import { packPackages, publicPackages, type PackedPackage } from "./packages.js";
import { publintFaults, typeResolutionFaults } from "./publication-lint.js";
import { refuse } from "./release-fault.js";
import { runCommand, type CommandPlace } from "./run-command.js";
import { renderTable, Stages } from "./stages.js";
import { tarballFaults } from "./tarball-faults.js";

/*
 * Whether what would be published works for whoever installs it: `npm run release:check`. Everything is looked at in the tarballs, or in an
 * empty project outside the repository that has them installed. The first kind of fault ends it.
 */

const STAGES = [
  "packages built",
  "tarballs packed",
  "content of the tarballs",
  "publint, strict",
  "are the types wrong",
  "knip",
  "structure and catalogue",
  "installed in an empty project",
  "types, node16",
  "types, bundler",
  "runs in Node.js",
  "the command",
  "bundles for a browser",
];

const start = performance.now();
const stages = new Stages(STAGES);
const abort = new AbortController();
// Every command that runs listens, and seventeen tarballs are unpacked at once.
setMaxListeners(0, abort.signal);
const repository: CommandPlace = { cwd: process.cwd(), signal: abort.signal };
const folder = await mkdtemp(join(tmpdir(), "kvpolicy-release-"));
try {
  await check();
} catch (error) {
  abort.abort();
  console.error(`\nNot fit for release:\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
console.log(`\n${renderTable(stages.results)}`);
console.log(`${process.exitCode === 1 ? "failed" : "passed"} after ${secondsSince(start)} s`);

async function check(): Promise<void> {
  const packages = await packAndRead();
  await Promise.all([checkRepository(packages), checkConsumer(packages)]);
}

async function packAndRead(): Promise<PackedPackage[]> {
  await does("packages built", () =>
    runCommand(repository, "npx", "turbo", "run", "build", "--filter=./packages/**"),
  );
  const packages = await stages.run("tarballs packed", async () => {
    const value = await packPackages(repository, await publicPackages(repository), folder);
    return { value, summary: `${value.length} packages` };
  });
  console.log(listTarballs(packages));
  await does("content of the tarballs", () => {
    refuse(tarballFaults(packages));
  });
  return packages;
}

/** What needs no installation, on one of two cores. */
async function checkRepository(packages: readonly PackedPackage[]): Promise<void> {
  await does("publint, strict", async () => {
    refuse((await Promise.all(packages.map(publintFaults))).flat());
  });
  await does("are the types wrong", async () => {
    refuse((await Promise.all(packages.map(typeResolutionFaults))).flat());
  });
  await does("knip", () => runCommand(repository, "npx", "knip", "--treat-config-hints-as-errors"));
  const tests = ["testing/structure.test.ts", "testing/catalogue.test.ts"];
  await does("structure and catalogue", () =>
    runCommand(repository, "npx", "vitest", "run", "--project", "unit", ...tests),
  );
}

/** What a user does, on the other. */
async function checkConsumer(packages: readonly PackedPackage[]): Promise<void> {
  const consumer: CommandPlace = { cwd: join(folder, "consumer"), signal: abort.signal };
  await does("installed in an empty project", () => installConsumer(consumer, packages));
  await Promise.all([
    does("types, node16", () => checkTypes(consumer, "node16")),
    does("types, bundler", () => checkTypes(consumer, "bundler")),
    stages.run("bundles for a browser", async () => {
      return { value: undefined, summary: await weighBundles(consumer.cwd) };
    }),
  ]);
  await does("runs in Node.js", () => runConsumer(consumer));
  await does("the command", () => runKvpolicy(consumer, packages));
}

function does(name: string, work: () => unknown): Promise<void> {
  return stages.run(name, async () => {
    await work();
    return { value: undefined, summary: "" };
  });
}

function listTarballs(packages: readonly PackedPackage[]): string {
  return packages
    .map(({ manifest, size, unpackedSize, files }) =>
      [
        `${manifest.name}@${manifest.version}`.padEnd(36),
        `${kibibytes(size).padStart(12)} packed`,
        `${kibibytes(unpackedSize).padStart(12)} unpacked`,
        `${files.length.toString().padStart(4)} files`,
      ].join(" "),
    )
    .join("\n");
}

function kibibytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

function secondsSince(earlier: number): string {
  return ((performance.now() - earlier) / 1000).toFixed(0);
}
