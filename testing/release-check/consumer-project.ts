import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Manifest, PackedPackage } from "./packages.js";
import { ReleaseFault, refuse } from "./release-fault.js";
import { runCommand, type CommandPlace } from "./run-command.js";

/** What a consumer has beside the packages: the versions are those that the repository develops with. */
const COMPANIONS = ["node-llama-cpp", "typescript", "@types/node"];
const CONSUMER = "testing/release-check/consumer/consumer.ts";
/** Type errors in declarations of others are none of ours. */
const OWN_DECLARATION = /^node_modules\/(@kvpolicy|kvpolicy)\//;

/**
 * How TypeScript finds packages. Node 16's rules stand for Node's: those of `nodenext` differ only for CommonJS, which has no way in here.
 */
export const RESOLUTIONS = { node16: "node16", bundler: "esnext" } as const;

/** Makes a project that has nothing but the packed packages and what goes with them. */
export async function installConsumer(
  place: CommandPlace,
  packages: readonly PackedPackage[],
): Promise<void> {
  const root = JSON.parse(await readFile("package.json", "utf8")) as Manifest;
  const versions = root.devDependencies ?? {};
  refuse(
    COMPANIONS.filter((name) => versions[name] === undefined).map(
      (name) => `package.json names no version of ${name}`,
    ),
  );
  const companions = COMPANIONS.map((name) => `${name}@${versions[name]!}`);
  await mkdir(place.cwd);
  await writeFile(
    join(place.cwd, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" }),
  );
  const tarballs = packages.map(({ tarball }) => tarball);
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  await runCommand(place, "npm", "install", ...options, ...tarballs, ...companions);
  await refuseOtherVersions(place, packages);
  await copyFile(CONSUMER, join(place.cwd, "consumer.ts"));
  await writeFile(join(place.cwd, "every-entry.ts"), importEveryEntry(packages));
}

/** The tarballs, and no older release from the registry, must be what their own ranges were satisfied with. */
async function refuseOtherVersions(place: CommandPlace, packages: readonly PackedPackage[]): Promise<void> {
  const names = packages.map(({ manifest }) => manifest.name);
  const listed = await runCommand(place, "npm", "ls", "--all", "--parseable", ...names);
  const copies = listed
    .split("\n")
    .filter((path) => /node_modules[\\/](@kvpolicy[\\/][\w-]+|kvpolicy)$/.test(path));
  if (new Set(copies).size === names.length) return;
  throw new ReleaseFault([
    `${names.length} packages were packed, and others installed:\n${copies.join("\n")}`,
  ]);
}

/** A module that imports whatever the packages export. */
export function importEveryEntry(packages: readonly PackedPackage[]): string {
  const specifiers = packages.flatMap(({ manifest }) => entriesOf(manifest));
  const imports = specifiers.map((specifier, index) => `import * as entry${index} from "${specifier}";`);
  const list = specifiers.map((specifier, index) => `  "${specifier}": entry${index},`);
  return `${imports.join("\n")}

for (const [specifier, entry] of Object.entries({
${list.join("\n")}
})) {
  if (Object.keys(entry).length === 0) throw new Error(\`\${specifier} exports nothing\`);
}
`;
}

function entriesOf({ name, exports = {} }: Manifest): string[] {
  return Object.entries(exports)
    .filter(([, target]) => typeof target !== "string")
    .map(([entry]) => name + entry.slice(1));
}

/** Checks the consumer's types, declarations of the packages included, under one way to find them. */
export async function checkTypes(place: CommandPlace, resolution: keyof typeof RESOLUTIONS): Promise<void> {
  const config = `tsconfig.${resolution}.json`;
  const compilerOptions = {
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    module: RESOLUTIONS[resolution],
    moduleResolution: resolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    outDir: `out-${resolution}`,
  };
  await writeFile(
    join(place.cwd, config),
    JSON.stringify({ compilerOptions, files: ["consumer.ts", "every-entry.ts"] }),
  );
  try {
    await runCommand(place, "npx", "--no-install", "tsc", "--pretty", "false", "-p", config);
  } catch (error) {
    if (!(error instanceof ReleaseFault)) throw error;
    refuse(ownTypeErrors(error.message).map((line) => `moduleResolution ${resolution}: ${line}`));
  }
}

/** The errors that are ours, of what `tsc` printed: in the consumer and in the packages, or what is no error of a file at all. */
export function ownTypeErrors(output: string): string[] {
  const errors = output.split("\n").filter((line) => /\berror TS\d+/.test(line));
  if (errors.length === 0) return [output];
  return errors.filter((line) => !line.startsWith("node_modules/") || OWN_DECLARATION.test(line));
}

/** Runs the consumer in Node. */
export async function runConsumer(place: CommandPlace): Promise<void> {
  const output = "out-node16";
  await runCommand(place, "node", join(output, "every-entry.js"));
  const said = await runCommand(place, "node", join(output, "consumer.js"));
  if (!said.includes("read beyond the budget"))
    throw new ReleaseFault([`the consumer ended early:\n${said}`]);
}

/** Runs the command: its version is the package's, and it reads a text. */
export async function runKvpolicy(place: CommandPlace, packages: readonly PackedPackage[]): Promise<string> {
  const kvpolicy = packages.find(({ manifest }) => manifest.name === "kvpolicy");
  if (!kvpolicy) throw new ReleaseFault(["kvpolicy was not packed"]);
  const said = (await runCommand(place, "npx", "--no-install", "kvpolicy", "--version")).trim();
  const { version } = kvpolicy.manifest;
  if (said !== version) throw new ReleaseFault([`kvpolicy --version says ${said}, the package ${version}`]);
  const options =
    "--tokens 256 --budget 64 --gpu false --threads 1 --policy sink-window --policy window --json";
  const output = await runCommand(place, "npx", "--no-install", "kvpolicy", "stream", ...options.split(" "));
  const results = JSON.parse(output) as object;
  if (!JSON.stringify(results).includes("perplexity")) {
    throw new ReleaseFault([`kvpolicy stream --json says no perplexity:\n${output.slice(0, 500)}`]);
  }
  return said;
}
