import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { homedir } from "node:os";
import { join, posix } from "node:path";
import ts from "typescript";

import type { Manifest, PackedPackage } from "./packages.js";

const REQUIRED_FILES = ["package.json", "README.md", "LICENSE"];
const REQUIRED_FOLDERS = ["dist", "src"];
/** What a package may have beside them. */
const OTHER_TOP_LEVEL = new Set(["CHANGELOG.md"]);
const FOLDERS_OF_ONE: Readonly<Record<string, readonly string[]>> = { "@kvpolicy/tiny-models": ["models"] };

const TEST_FILE = /(^|\/)__tests__\/|\.(test|spec)(-d)?\.[cm]?[jt]sx?(\.map)?$/;
const TEXT_FILE = /\.([cm]?[jt]s|json|map|md)$/;
const CODE_FILE = /^dist\/.*\.([cm]?js|d\.[cm]?ts)$/;
/** Ranges that mean something on the author's machine only. */
const LOCAL_RANGE = /^(workspace:|file:|link:|portal:|[./~]+\/)/;

/** A reason why a tarball must not be published, if there is one. */
type Rule = (packed: PackedPackage, released: ReadonlyMap<string, string>) => string[];

const rules: readonly Rule[] = [
  missingFiles,
  strayFiles,
  testFiles,
  pathsOfThisMachine,
  danglingMaps,
  localRanges,
  rangesOfOwnPackages,
  undeclaredImports,
];

/** Everything that is wrong with what is in tarballs that are released together. Each sentence begins with the package's name. */
export function tarballFaults(packages: readonly PackedPackage[]): string[] {
  const released = new Map(packages.map(({ manifest }) => [manifest.name, manifest.version]));
  const versions = new Set(released.values());
  const faults = packages.flatMap((packed) =>
    rules.flatMap((rule) => rule(packed, released)).map((fault) => `${packed.manifest.name}: ${fault}`),
  );
  if (versions.size <= 1) return faults;
  return [...faults, `the packages are released together, but have the versions ${[...versions].join(", ")}`];
}

function missingFiles({ files }: PackedPackage): string[] {
  const isThere = (folder: string): boolean => files.some((path) => path.startsWith(`${folder}/`));
  return [
    ...REQUIRED_FILES.filter((path) => !files.includes(path)),
    ...REQUIRED_FOLDERS.filter((folder) => !isThere(folder)),
  ].map((path) => `${path} is missing`);
}

function strayFiles({ manifest, files }: PackedPackage): string[] {
  const allowed = new Set([
    ...REQUIRED_FILES,
    ...REQUIRED_FOLDERS,
    ...OTHER_TOP_LEVEL,
    ...(FOLDERS_OF_ONE[manifest.name] ?? []),
  ]);
  return files
    .filter((path) => !allowed.has(path.split("/")[0]!))
    .map((path) => `${path} does not belong there`);
}

function testFiles({ files }: PackedPackage): string[] {
  return files.filter((path) => TEST_FILE.test(path)).map((path) => `${path} is a test`);
}

function pathsOfThisMachine({ folder, files }: PackedPackage): string[] {
  const places = [process.cwd(), homedir()].flatMap((place) => [
    `${place}/`,
    `${place}\\`,
    `${place.replaceAll("\\", "\\\\")}\\\\`,
  ]);
  return files
    .filter((path) => TEXT_FILE.test(path))
    .flatMap((path) => {
      const text = readFileSync(join(folder, path), "utf8");
      const place = places.find((candidate) => text.includes(candidate));
      return place === undefined ? [] : [`${path} names ${place}, a folder of this machine`];
    });
}

/** Source maps lead to the sources that travel along. */
function danglingMaps({ folder, files }: PackedPackage): string[] {
  return files
    .filter((path) => path.endsWith(".js.map"))
    .flatMap((path) => {
      const { sources } = JSON.parse(readFileSync(join(folder, path), "utf8")) as { sources: string[] };
      return sources
        .map((source) => posix.join(posix.dirname(path), source))
        .filter((source) => !files.includes(source))
        .map((source) => `${path} leads to ${source}, which is not packed`);
    });
}

function localRanges({ manifest }: PackedPackage): string[] {
  return rangesOf(manifest)
    .filter(([, range]) => LOCAL_RANGE.test(range))
    .map(([name, range]) => `takes ${name} from ${range}`);
}

/** Packages are released together, so each asks for the others of its own release. */
function rangesOfOwnPackages({ manifest }: PackedPackage, released: ReadonlyMap<string, string>): string[] {
  return rangesOf(manifest).flatMap(([name, range]) => {
    const version = released.get(name);
    if (version === undefined || range === `^${version}`) return [];
    return [`takes ${name} ${range}, but ^${version} is what is released`];
  });
}

function undeclaredImports({ manifest, folder, files }: PackedPackage): string[] {
  const declared = new Set([
    manifest.name,
    ...Object.keys({
      ...manifest.dependencies,
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
    }),
  ]);
  const isDeclared = (specifier: string): boolean =>
    specifier.startsWith(".") || isBuiltin(specifier) || declared.has(packageOf(specifier));
  return files
    .filter((path) => CODE_FILE.test(path))
    .flatMap((path) => {
      const { importedFiles } = ts.preProcessFile(readFileSync(join(folder, path), "utf8"), true, true);
      const undeclared = importedFiles.map(({ fileName }) => fileName).filter((name) => !isDeclared(name));
      return [...new Set(undeclared)].map((name) => `${path} imports ${name}, which is no dependency`);
    });
}

function rangesOf(manifest: Manifest): [string, string][] {
  const { dependencies, devDependencies, peerDependencies, optionalDependencies } = manifest;
  return [dependencies, devDependencies, peerDependencies, optionalDependencies].flatMap((ranges) =>
    Object.entries(ranges ?? {}),
  );
}

/** `@kvpolicy/core/testing` → `@kvpolicy/core`. */
function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
